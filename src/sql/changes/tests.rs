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
        known.tables.insert(QName::new("public", name), Table { columns, unique, ..Table::default() });
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
      SELECT t0.c_id AS c_id FROM public.orders AS t0 WHERE (t0.at >= LEAST(((({since}) - '7 days'::interval)), ((now() - '7 days'::interval))) AND t0.at <= GREATEST(((({since}) - '7 days'::interval)), ((now() - '7 days'::interval))) AND (t0.at >= (({since}) - '7 days'::interval)) IS DISTINCT FROM (t0.at >= (now() - '7 days'::interval)))
    moving o.day <= CURRENT_DATE
      SELECT t0.c_id AS c_id FROM public.orders AS t0 WHERE (t0.day >= LEAST((({since})::date), (CURRENT_DATE)) AND t0.day <= GREATEST((({since})::date), (CURRENT_DATE)) AND (t0.day <= ({since})::date) IS DISTINCT FROM (t0.day <= CURRENT_DATE))
    "#);
}

#[test]
fn outer_joins_and_missing_rows() {
    insta::assert_snapshot!(told(
        " SELECT c.region, count(*) AS n FROM (public.orders o LEFT JOIN public.customers c ON ((c.id = o.c_id))) GROUP BY c.region",
        "region text, n bigint"
    ), @r#"
    key region
    0 orders [c_id]
      SELECT NULL::text AS region FROM {delta:0} AS d
      UNION
      SELECT t1.region AS region FROM {delta:0} AS d, {all:1} AS t1 WHERE (t1.id = d.c_id)
    1 customers [id, region]
      SELECT NULL::text AS region FROM {delta:1} AS d
      UNION
      SELECT d.region AS region FROM {delta:1} AS d
    "#);
    insta::assert_snapshot!(told(
        " SELECT day, count(*) AS n FROM (public.orders o FULL JOIN (SELECT p.day FROM public.orders p) s USING (day)) GROUP BY day",
        "day date, n bigint"
    ), @r#"
    key day
    0 orders [day]
      SELECT d.day AS day FROM {delta:0} AS d
      UNION
      SELECT t1.day AS day FROM {delta:0} AS d, {all:0} AS t1 WHERE (t1.day = d.day)
      UNION
      SELECT t1.day AS day FROM {delta:0} AS d, {all:0} AS t1 WHERE (d.day = t1.day)
    "#);
}

#[test]
fn many_outer_joins() {
    // Each doubles the ways in which rows come about; beyond some, missing rows are not followed by themselves.
    let joins: String = (0..9).map(|i| format!(" LEFT JOIN public.customers c{i} ON (c{i}.id = o.c_id)")).collect();
    let open = "(".repeat(9);
    let closed = joins.replace("o.c_id)", "o.c_id))");
    let query = format!(
        " SELECT o.id, c0.region, p.name FROM ({open}public.orders o{closed} LEFT JOIN public.products p ON ((p.name = c8.region))) WHERE (c1.id IS NULL)"
    );
    insta::assert_snapshot!(told(&query, "id integer, region text, name text"), @r#"
    key id
    0 orders [id, c_id]
      SELECT DISTINCT d.id AS id FROM {delta:0} AS d
    1 customers [id, region]
      SELECT DISTINCT t1.id AS id FROM {delta:1} AS d, {all:0} AS t1 WHERE (d.id = t1.c_id)
    2 products [name]
      SELECT DISTINCT t1.id AS id FROM {delta:2} AS d, {all:0} AS t1, {all:1} AS t2 WHERE (t2.id = t1.c_id) AND (d.name = t2.region)
    "#);
}

#[test]
fn subqueries_are_joined() {
    insta::assert_snapshot!(told(
        " SELECT c.region, count(*) AS n FROM public.customers c WHERE ((NOT (EXISTS ( SELECT 1 FROM public.orders o WHERE ((o.c_id = c.id) AND (o.amount > (5)::numeric))))) AND (c.id IN ( SELECT l.p_id FROM public.lines l))) GROUP BY c.region",
        "region text, n bigint"
    ), @r#"
    key region
    0 customers [id, region]
      SELECT DISTINCT d.region AS region FROM {delta:0} AS d
    1 orders [c_id, amount]
      SELECT DISTINCT t1.region AS region FROM {delta:1} AS d, {all:0} AS t1 WHERE (d.c_id = t1.id) AND (d.amount > (5)::numeric)
    2 lines [p_id]
      SELECT DISTINCT t1.region AS region FROM {delta:2} AS d, {all:0} AS t1 WHERE (t1.id = d.p_id)
    "#);
    insta::assert_snapshot!(told(
        " SELECT o.id, (NOT (o.c_id IN ( SELECT c.id FROM public.customers c))) AS unknown, ( SELECT max(l.qty) AS max FROM public.lines l WHERE (l.o_id = o.id)) AS most FROM public.orders o",
        "id integer, unknown boolean, most integer"
    ), @r#"
    key id
    0 orders [id, c_id]
      SELECT DISTINCT d.id AS id FROM {delta:0} AS d
    1 customers [id]
      SELECT DISTINCT t1.id AS id FROM {delta:1} AS d, {all:0} AS t1 WHERE (t1.c_id = d.id OR t1.c_id IS NULL OR d.id IS NULL)
    2 lines [o_id]
      SELECT DISTINCT t1.id AS id FROM {delta:2} AS d, {all:0} AS t1 WHERE (d.o_id = t1.id)
    "#);
    insta::assert_snapshot!(told(
        " SELECT o.c_id, count(*) FILTER (WHERE (o.amount > ( SELECT avg(p.price) AS avg FROM public.products p))) AS n FROM public.orders o GROUP BY o.c_id",
        "c_id integer, n bigint"
    ), @r#"
    key c_id
    0 orders [c_id]
      SELECT DISTINCT d.c_id AS c_id FROM {delta:0} AS d
    1 products []
      anything
    "#);
}

#[test]
fn distinct_windows_and_sets() {
    insta::assert_snapshot!(told(
        " SELECT DISTINCT ON (o.c_id) o.c_id, o.id, o.amount FROM public.orders o ORDER BY o.c_id, o.amount DESC",
        "c_id integer, id integer, amount numeric"
    ), @r#"
    key c_id
    0 orders [c_id]
      SELECT DISTINCT d.c_id AS c_id FROM {delta:0} AS d
    "#);
    insta::assert_snapshot!(told(
        " SELECT o.c_id, o.day, sum(o.amount) OVER (PARTITION BY o.c_id, o.day ORDER BY o.id) AS a, count(*) OVER w AS n FROM public.orders o WINDOW w AS (PARTITION BY o.c_id)",
        "c_id integer, day date, a numeric, n bigint"
    ), @r#"
    key c_id
    0 orders [c_id]
      SELECT DISTINCT d.c_id AS c_id FROM {delta:0} AS d
    "#);
    insta::assert_snapshot!(told(
        " SELECT 'o'::text AS what, o.c_id AS id FROM public.orders o UNION ALL SELECT 'c'::text AS what, c.id FROM public.customers c EXCEPT SELECT p.name, p.id FROM public.products p",
        "what text, id integer"
    ), @r#"
    key what, id
    0 orders [c_id]
      SELECT DISTINCT 'o'::text AS what, d.c_id AS id FROM {delta:0} AS d
    1 customers [id]
      SELECT DISTINCT 'c'::text AS what, d.id AS id FROM {delta:1} AS d
    2 products [id, name]
      SELECT DISTINCT d.name AS what, d.id AS id FROM {delta:2} AS d
    "#);
    insta::assert_snapshot!(told(
        " SELECT o.c_id, o.day, count(*) AS n FROM public.orders o GROUP BY o.c_id, GROUPING SETS ((o.day), ())",
        "c_id integer, day date, n bigint"
    ), @r#"
    key c_id
    0 orders [c_id]
      SELECT DISTINCT d.c_id AS c_id FROM {delta:0} AS d
    "#);
}

#[test]
fn queries_within_from() {
    insta::assert_snapshot!(told(
        "WITH s AS ( SELECT p.c_id, date_trunc('month'::text, p.moment) AS month, count(*) AS n FROM public.paid p GROUP BY p.c_id, (date_trunc('month'::text, p.moment))) SELECT s.month, c.region, sum(s.n) AS n FROM (s JOIN public.customers c ON ((c.id = s.c_id))) WHERE (s.n > 1) GROUP BY s.month, c.region",
        "month timestamp with time zone, region text, n bigint"
    ), @r#"
    key month (p.moment + 1 month), region
    0 orders [c_id, at, amount]
      SELECT DISTINCT date_trunc('month'::text, d.at) AS month, t1.region AS region FROM {delta:0} AS d, {all:1} AS t1 WHERE (d.amount > (0)::numeric) AND (t1.id = d.c_id)
    1 customers [id, region]
      SELECT DISTINCT date_trunc('month'::text, t1.at) AS month, d.region AS region FROM {delta:1} AS d, {all:0} AS t1 WHERE (t1.amount > (0)::numeric) AND (d.id = t1.c_id)
    query WITH s AS ( SELECT p.c_id, date_trunc('month'::text, p.moment) AS month, count(*) AS n FROM public.paid p WHERE {within:0} GROUP BY p.c_id, (date_trunc('month'::text, p.moment))) SELECT s.month, c.region, sum(s.n) AS n FROM (s JOIN public.customers c ON ((c.id = s.c_id))) WHERE (s.n > 1) GROUP BY s.month, c.region
    "#);
    insta::assert_snapshot!(told(
        " SELECT t.tag, c.region, x.id FROM public.customers c, LATERAL ( SELECT o.id, o.tags FROM public.orders o WHERE (o.c_id = c.id) ORDER BY o.amount LIMIT 3) x, LATERAL unnest(x.tags) t(tag)",
        "tag text, region text, id integer"
    ), @r#"
    key region
    0 customers [id, region]
      SELECT DISTINCT d.region AS region FROM {delta:0} AS d
    1 orders [c_id]
      SELECT DISTINCT t1.region AS region FROM {delta:1} AS d, {all:0} AS t1 WHERE (d.c_id = t1.id)
    "#);
    insta::assert_snapshot!(told(
        " SELECT t.tag, count(*) AS n FROM public.orders o, LATERAL unnest(o.tags) t(tag) GROUP BY t.tag",
        "tag text, n bigint"
    ), @r#"
    key tag
    0 orders [tags]
      SELECT DISTINCT t1.tag AS tag FROM {delta:0} AS d, LATERAL unnest(d.tags) AS t1(tag)
    "#);
}

#[test]
fn the_mart_s_own_key_is_preferred() {
    let query = " SELECT o.id, o.c_id, l.n, l.qty FROM (public.orders o JOIN public.lines l ON ((l.o_id = o.id)))";
    let output = "id integer, c_id integer, n integer, qty integer";
    insta::assert_snapshot!(told_with(query, output, &["id", "n"]), @r#"
    key id, n
    0 orders [id]
      SELECT DISTINCT d.id AS id, t1.n AS n FROM {delta:0} AS d, {all:1} AS t1 WHERE (t1.o_id = d.id)
    1 lines [o_id, n]
      SELECT DISTINCT t1.id AS id, d.n AS n FROM {delta:1} AS d, {all:0} AS t1 WHERE (d.o_id = t1.id)
    "#);
    insta::assert_snapshot!(told(query, output), @r#"
    key id
    0 orders [id]
      SELECT DISTINCT d.id AS id FROM {delta:0} AS d
    1 lines [o_id]
      SELECT DISTINCT t1.id AS id FROM {delta:1} AS d, {all:0} AS t1 WHERE (d.o_id = t1.id)
    "#);
}

#[test]
fn obstacles() {
    let all = [
        (" SELECT count(*) AS n FROM public.orders o", "n bigint"),
        (" SELECT o.id FROM public.orders o ORDER BY o.id LIMIT 3", "id integer"),
        (" SELECT o.id, random() AS r FROM public.orders o", "id integer, r integer"),
        (" SELECT o.id, now() AS t FROM public.orders o", "id integer, t date"),
        (" SELECT o.id FROM (public.orders o JOIN ( VALUES (now())) v(t) ON ((v.t > o.at)))", "id integer"),
        (" SELECT f.id FROM public.far f", "id integer"),
        (" SELECT o.j FROM public.orders o", "j json"),
        (" SELECT o.id FROM public.orders o FOR UPDATE", "id integer"),
        (" SELECT o.id, '{delta:0}'::text AS t FROM public.orders o", "id integer, t text"),
        (" SELECT XMLELEMENT(NAME a, o.id) AS x FROM public.orders o", "x text"),
        (" SELECT o.id, unknown(o.id) AS u FROM public.orders o", "id integer, u integer"),
        (
            " SELECT o.c_id, count(*) AS n FROM public.orders o GROUP BY o.c_id HAVING (max(o.at) > now())",
            "c_id integer",
        ),
        (" SELECT row_number() OVER (ORDER BY o.id) AS r, o.id FROM public.orders o", "r bigint, id integer"),
        (" SELECT o.id, o.c_id AS datamart_me FROM public.orders o", "id integer, datamart_me integer"),
    ];
    let told: Vec<String> = all.into_iter().map(|(query, output)| told(query, output)).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    without GROUP BY all rows are one group, and any change means all of it «SELECT»
    which rows LIMIT picks depends on all of them «LIMIT»
    random() is volatile «random»
    now() is another in each refresh, which is followed only where WHERE compares a column with it «now»
    now() is another in each refresh, which is followed only where WHERE compares a column with it «now»
    public.far is a foreign table «far»
    no column of the result (j) tells the rows apart that a change may affect «SELECT»
    rows are locked «FOR»
    the query says `{delta:`, which stands for something else here «{delta:»
    what `XMLELEMENT(NAME a, o.id)` does with changed rows is not known «XMLELEMENT»
    the function unknown() is not known «unknown»
    now() is another in each refresh, which is followed only where WHERE compares a column with it «now»
    no column of the result is in the PARTITION BY of every window «OVER»
    the column datamart_me begins with `datamart`, as ours beside it do «datamart_me»
    "#);
}

#[test]
fn what_is_not_certain_is_said() {
    let doubts = |query: &str, output: &str| {
        let output: Vec<(String, String)> =
            output.split(", ").filter_map(|c| c.split_once(' ')).map(|(n, t)| (n.to_owned(), t.to_owned())).collect();
        derive(query, &output, &[], &known()).expect("a key").doubts.join("; ")
    };
    let aggregated = " SELECT o.c_id, string_agg(o.id::text, ','::text) AS s, sum((o.amount)::double precision) AS f FROM public.orders o GROUP BY o.c_id";
    insta::assert_snapshot!(doubts(aggregated, "c_id integer, s text, f double precision"), @"string_agg() without ORDER BY puts its values in any order; sum() of floats may differ in the last digits each time");
    let exact = " SELECT o.c_id, sum(o.amount) AS t, max((o.amount)::double precision) AS f FROM public.orders o GROUP BY o.c_id";
    assert_eq!(doubts(exact, "c_id integer, t numeric, f double precision"), "");
    let ranked = " SELECT o.c_id, row_number() OVER (PARTITION BY o.c_id ORDER BY o.amount) AS n FROM public.orders o";
    insta::assert_snapshot!(doubts(ranked, "c_id integer, n bigint"), @"row_number() picks any row where the window's order has ties");
    let certain =
        " SELECT o.c_id, row_number() OVER (PARTITION BY o.c_id ORDER BY o.amount, o.id) AS n FROM public.orders o";
    assert_eq!(doubts(certain, "c_id integer, n bigint"), "");
}
