//! What is derived from queries, rule by rule.

use std::fmt::Write as _;

use super::{Function, Known, Table, View, derive};
use crate::state::QName;

const NOT_KEYS: [&str; 2] = ["json", "point"];

fn known() -> Known {
    let mut known = Known::default();
    let mut table = |name: &str, columns: &str, unique: &[&str]| {
        let columns = columns.split(", ").filter_map(|column| column.split_once(' '));
        let columns = columns.map(|(name, type_name)| (name.to_owned(), type_name.to_owned())).collect();
        let unique = unique.iter().map(|key| key.split(' ').map(str::to_owned).collect()).collect();
        known.tables.insert(QName::new("public", name), Table { columns, unique });
    };
    let at = "at timestamp with time zone";
    table("orders", &format!("id integer, c_id integer, {at}, day date, amount numeric, tags text[], j json"), &["id"]);
    table("customers", "id integer, region text, active boolean", &["id"]);
    table("lines", "o_id integer, n integer, p_id integer, qty integer", &["o_id n"]);
    table("products", "id integer, name text, price numeric(10,2)", &["id"]);
    for (names, volatility) in [("date_trunc to_char generate_series", 's'), ("lower length round", 'i')] {
        for name in names.split(' ') {
            let set = name == "generate_series";
            known.functions.insert(name.into(), Function { volatility, set, ..Function::default() });
        }
    }
    for name in ["count", "sum", "max", "avg", "row_number", "unnest", "string_agg", "bool_or"] {
        let function = Function {
            volatility: 'i',
            aggregate: !["row_number", "unnest"].contains(&name),
            set: name == "unnest",
            ..Function::default()
        };
        known.functions.insert(name.into(), function);
    }
    known.functions.insert("random".into(), Function { volatility: 'v', ..Function::default() });
    let definition =
        " SELECT o.id,\n    o.c_id,\n    o.at AS moment\n   FROM public.orders o\n  WHERE (o.amount > (0)::numeric);";
    let columns = [("id", "integer"), ("c_id", "integer"), ("moment", "timestamp with time zone")];
    let columns = columns.map(|(name, type_name)| (name.to_owned(), type_name.to_owned())).to_vec();
    known.views.insert(QName::new("public", "paid"), View { definition: definition.into(), columns });
    known.others.insert(QName::new("public", "far"), "public.far is a foreign table".into());
    for name in ["integer", "text", "date", "numeric", "timestamp with time zone", "bigint", "boolean"] {
        known.keys.insert(name.into());
    }
    assert!(NOT_KEYS.iter().all(|name| !known.keys.contains(*name)));
    known
}

/// What is derived, in short. `output` is `name type, …`.
fn told(query: &str, output: &str) -> String {
    told_with(query, output, &[])
}

fn told_with(query: &str, output: &str, prefer: &[&str]) -> String {
    let output: Vec<(String, String)> = output
        .split(", ")
        .filter_map(|column| column.split_once(' '))
        .map(|(name, type_name)| (name.to_owned(), type_name.to_owned()))
        .collect();
    let prefer: Vec<String> = prefer.iter().map(|name| (*name).to_owned()).collect();
    let found = match derive(query, &output, &prefer, &known()) {
        Ok(found) => found,
        Err(obstacle) => return format!("{} «{}»", obstacle, obstacle.clause.join(" ")),
    };
    let mut text = String::new();
    let keys: Vec<String> = found
        .key
        .iter()
        .map(|key| {
            let range =
                key.range.as_ref().map(|range| format!(" ({} + {})", range.column, range.step)).unwrap_or_default();
            format!("{}{range}", key.name)
        })
        .collect();
    let _ = writeln!(text, "key {}", keys.join(", "));
    for (number, source) in found.sources.iter().enumerate() {
        let columns: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
        let _ = writeln!(text, "{number} {} [{}]", source.table.name, columns.join(", "));
        let _ = writeln!(text, "  {}", source.affected.as_deref().unwrap_or("anything").replace('\n', "\n  "));
    }
    for moving in &found.moving {
        let _ = writeln!(text, "moving {}\n  {}", moving.bound, moving.affected);
    }
    if found.query.contains("{within") {
        let _ = writeln!(text, "query {}", found.query.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    text
}

#[test]
fn groups_of_one_table() {
    insta::assert_snapshot!(told(
        " SELECT orders.c_id,\n    date_trunc('day'::text, orders.at) AS day,\n    count(*) AS n\n   FROM public.orders\n  WHERE (orders.amount > (5)::numeric)\n  GROUP BY orders.c_id, (date_trunc('day'::text, orders.at))\n HAVING (count(*) > 1);",
        "c_id integer, day timestamp with time zone, n bigint"
    ), @r#"
    key c_id, day (orders.at + 1 day)
    0 orders [c_id, at, amount]
      SELECT DISTINCT d.c_id AS c_id, date_trunc('day'::text, d.at) AS day FROM {delta:0} AS d WHERE (d.amount > (5)::numeric)
    query SELECT orders.c_id, date_trunc('day'::text, orders.at) AS day, count(*) AS n FROM public.orders WHERE ((orders.amount > (5)::numeric)) AND {within:1} GROUP BY orders.c_id, (date_trunc('day'::text, orders.at)) HAVING (count(*) > 1)
    "#);
}

#[test]
fn joins() {
    insta::assert_snapshot!(told(
        " SELECT c.region, p.name, sum(l.qty) AS qty FROM (((public.lines l JOIN public.orders o ON ((o.id = l.o_id))) JOIN public.customers c ON ((c.id = o.c_id))) JOIN public.products p ON ((p.id = l.p_id))) GROUP BY c.region, p.name",
        "region text, name text, qty bigint"
    ), @r#"
    key region, name
    0 lines [o_id, p_id]
      SELECT DISTINCT t2.region AS region, t3.name AS name FROM {delta:0} AS d, {all:1} AS t1, {all:2} AS t2, {all:3} AS t3 WHERE (t1.id = d.o_id) AND (t2.id = t1.c_id) AND (t3.id = d.p_id)
    1 orders [id, c_id]
      SELECT DISTINCT t2.region AS region, t3.name AS name FROM {delta:1} AS d, {all:0} AS t1, {all:2} AS t2, {all:3} AS t3 WHERE (d.id = t1.o_id) AND (t2.id = d.c_id) AND (t3.id = t1.p_id)
    2 customers [id, region]
      SELECT DISTINCT d.region AS region, t3.name AS name FROM {delta:2} AS d, {all:0} AS t1, {all:1} AS t2, {all:3} AS t3 WHERE (t2.id = t1.o_id) AND (d.id = t2.c_id) AND (t3.id = t1.p_id)
    3 products [id, name]
      SELECT DISTINCT t3.region AS region, d.name AS name FROM {delta:3} AS d, {all:0} AS t1, {all:1} AS t2, {all:2} AS t3 WHERE (t2.id = t1.o_id) AND (t3.id = t2.c_id) AND (d.id = t1.p_id)
    "#);
    insta::assert_snapshot!(told(
        " SELECT c.region, count(o.id) AS n FROM (public.customers c LEFT JOIN public.orders o ON (((o.c_id = c.id) AND (o.amount > (5)::numeric)))) GROUP BY c.region",
        "region text, n bigint"
    ), @r#"
    key region
    0 customers [id, region]
      SELECT DISTINCT d.region AS region FROM {delta:0} AS d
    1 orders [c_id, amount]
      SELECT DISTINCT t1.region AS region FROM {delta:1} AS d, {all:0} AS t1 WHERE (d.c_id = t1.id) AND (d.amount > (5)::numeric)
    "#);
    insta::assert_snapshot!(told(
        " SELECT c.region, o.id FROM (public.orders o LEFT JOIN public.customers c ON ((o.c_id = c.id)))",
        "region text, id integer"
    ), @r#"
    key id
    0 orders [id, c_id]
      SELECT DISTINCT d.id AS id FROM {delta:0} AS d
    1 customers [id]
      SELECT DISTINCT t1.id AS id FROM {delta:1} AS d, {all:0} AS t1 WHERE (t1.c_id = d.id)
    "#);
}

#[test]
fn bounds_that_move() {
    insta::assert_snapshot!(told(
        " SELECT o.c_id, count(*) AS n FROM public.orders o WHERE ((o.at >= (now() - '7 days'::interval)) AND (o.day <= CURRENT_DATE)) GROUP BY o.c_id",
        "c_id integer, n bigint"
    ), @r#"
    key c_id
    0 orders [c_id]
      SELECT DISTINCT d.c_id AS c_id FROM {delta:0} AS d
    moving o.at >= (now() - '7 days'::interval)
      SELECT t0.c_id AS c_id FROM public.orders AS t0 WHERE (t0.at >= LEAST(((({since}) - '7 days'::interval)), ((now() - '7 days'::interval))) AND t0.at <= GREATEST(((({since}) - '7 days'::interval)), ((now() - '7 days'::interval))))
    moving o.day <= CURRENT_DATE
      SELECT t0.c_id AS c_id FROM public.orders AS t0 WHERE (t0.day >= LEAST((({since})::date), (CURRENT_DATE)) AND t0.day <= GREATEST((({since})::date), (CURRENT_DATE)))
    "#);
}
