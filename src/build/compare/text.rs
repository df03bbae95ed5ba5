//! The text of the statements that compare two relations. Columns go by number in them, whatever their names are.

use super::side::{Matched, Shared};
use crate::state::{QName, quote_ident, quote_literal};

/// A value of a sample has so many bytes of JSON at most.
const LONGEST: usize = 1_000;
/// So many characters of a longer one are shown.
const BEGINNING: usize = 200;

/// A relation's shared columns as `c0`, `c1`, …
fn side(name: &QName, columns: &[Shared]) -> String {
    let mut terms = vec!["true AS here".to_owned()];
    for (at, column) in columns.iter().enumerate() {
        terms.push(format!("{} AS c{at}", value(column)));
    }
    format!("(SELECT {} FROM {name})", terms.join(", "))
}

fn value(column: &Shared) -> String {
    let name = quote_ident(&column.name);
    if column.as_text { format!("{name}::text COLLATE \"C\"") } else { name }
}

/// `ROW(d.a0, d.a1)` for `d.a`.
fn record(prefix: &str, places: impl IntoIterator<Item = usize>) -> String {
    let terms: Vec<String> = places.into_iter().map(|at| format!("{prefix}{at}")).collect();
    format!("ROW({})", terms.join(", "))
}

/// Two records are not the same to the byte: every type has an image.
fn differ(one: &str, other: &str) -> String {
    format!("pg_catalog.record_image_ne({one}, {other})")
}

/// JSON of some columns by name: `(name, value, condition)`; long values are cut.
fn object(columns: impl IntoIterator<Item = (String, String, String)>) -> String {
    let row = |(name, value, when): (String, String, String)| {
        format!("({}, pg_catalog.to_json({value}), {when})", quote_literal(&name))
    };
    let rows: Vec<String> = columns.into_iter().map(row).collect();
    if rows.is_empty() {
        return "'{}'::json".to_owned();
    }
    format!(
        "(SELECT coalesce(pg_catalog.json_object_agg(o.name, CASE WHEN pg_catalog.octet_length(o.value::text) > {LONGEST} \
         THEN pg_catalog.to_json(pg_catalog.left(o.value::text, {BEGINNING}) || '…') ELSE o.value END), '{{}}') \
         FROM (VALUES {}) AS o (name, value, shown) WHERE o.shown)",
        rows.join(", ")
    )
}

fn whole(prefix: &str, columns: &[Shared]) -> String {
    object(columns.iter().enumerate().map(|(at, c)| (c.name.clone(), format!("{prefix}{at}"), "true".to_owned())))
}

/// Whether two rows of a relation have the same key.
pub(super) fn repeats(name: &QName, columns: &[Shared], key: &[usize]) -> String {
    let terms = key.iter().filter_map(|at| columns.get(*at)).map(|column| match column.matched {
        Matched::Plain | Matched::Array => value(column),
        Matched::Image => format!("{}::text COLLATE \"C\"", quote_ident(&column.name)),
    });
    let terms: Vec<String> = terms.collect();
    format!("SELECT EXISTS (SELECT FROM {name} GROUP BY {} HAVING pg_catalog.count(*) > 1)", terms.join(", "))
}

/// How many rows a relation has.
fn rows_of(name: &QName) -> String {
    format!("(SELECT pg_catalog.count(*) FROM {name})")
}

/// Rows by key, in one pass: `rows_a, rows_b, only_a, only_b, changed, by_column, sample_a, sample_b, sample_changed`.
pub(super) fn by_key(a: &QName, b: &QName, columns: &[Shared], key: &[usize], samples: usize) -> String {
    let same = |at: &usize| {
        let (one, other) = (format!("a.c{at}"), format!("b.c{at}"));
        match columns.get(*at).map_or(Matched::Image, |column| column.matched) {
            Matched::Plain => format!("{one} = {other}"),
            Matched::Array => format!("ARRAY[{one}] = ARRAY[{other}]"),
            Matched::Image => format!("ROW({one})::record OPERATOR(pg_catalog.*=) ROW({other})::record"),
        }
    };
    let on: Vec<String> = key.iter().map(same).collect();
    let all = 0..columns.len();
    let carried: Vec<String> = all.clone().map(|at| format!("a.c{at} AS a{at}, b.c{at} AS b{at}")).collect();
    let changed = |at: usize| differ(&record("d.a", [at]), &record("d.b", [at]));
    let counts = all.clone().map(|at| format!("pg_catalog.count(*) FILTER (WHERE d.side = 3 AND {})", changed(at)));
    let counts: Vec<String> = counts.collect();
    let differing = |prefix: &str| {
        object(columns.iter().enumerate().map(|(at, c)| (c.name.clone(), format!("{prefix}{at}"), changed(at))))
    };
    let of_key = key.iter().filter_map(|at| Some((columns.get(*at)?.name.clone(), format!("d.a{at}"), "true".into())));
    let change = format!(
        "pg_catalog.json_build_object('key', {}, 'old', {}, 'new', {})",
        object(of_key),
        differing("d.a"),
        differing("d.b")
    );
    let sample = |side: u8, json: &str| {
        format!("pg_catalog.array_agg({json}::text) FILTER (WHERE d.side = {side} AND d.nth{side} <= {samples})")
    };
    let nth = |side: u8| format!("pg_catalog.count(*) FILTER (WHERE j.side = {side}) OVER so_far AS nth{side}");
    format!(
        "SELECT {rows_a} AS rows_a, {rows_b} AS rows_b,\n\
         pg_catalog.count(*) FILTER (WHERE d.side = 1) AS only_a, pg_catalog.count(*) FILTER (WHERE d.side = 2) AS only_b,\n\
         pg_catalog.count(*) FILTER (WHERE d.side = 3) AS changed, ARRAY[{counts}]::bigint[] AS by_column,\n\
         {sample_a} AS sample_a,\n{sample_b} AS sample_b,\n{sample_changed} AS sample_changed\n\
         FROM (SELECT j.*, {nth1}, {nth2}, {nth3} FROM (\n\
         SELECT CASE WHEN b.here IS NULL THEN 1 WHEN a.here IS NULL THEN 2 ELSE 3 END AS side, {carried}\n\
         FROM {side_a} AS a\nFULL JOIN {side_b} AS b ON {on}\n\
         WHERE a.here IS NULL OR b.here IS NULL OR {differ}\n\
         ) AS j WINDOW so_far AS (ROWS UNBOUNDED PRECEDING)) AS d",
        rows_a = rows_of(a),
        rows_b = rows_of(b),
        counts = counts.join(", "),
        sample_a = sample(1, &whole("d.a", columns)),
        sample_b = sample(2, &whole("d.b", columns)),
        sample_changed = sample(3, &change),
        nth1 = nth(1),
        nth2 = nth(2),
        nth3 = nth(3),
        carried = carried.join(", "),
        side_a = side(a, columns),
        side_b = side(b, columns),
        on = on.join(" AND "),
        differ = differ(&record("a.c", all.clone()), &record("b.c", all)),
    )
}

/// Rows as multisets: `rows_a, rows_b, only_a, only_b, sample_a, sample_b`. A row's image is its text, which grouping
/// wants where a type cannot be compared; it tells the same rows apart.
pub(super) fn by_rows(a: &QName, b: &QName, columns: &[Shared], samples: usize) -> String {
    let image = |alias: &str| format!("{}::text COLLATE \"C\"", record(&format!("{alias}.c"), 0..columns.len()));
    let (side_a, side_b) = (side(a, columns), side(b, columns));
    // The rows of a sample are looked up again by their images: only images are grouped and kept.
    let sample = |side: &str, sign: &str| {
        format!(
            "(SELECT pg_catalog.array_agg(s.json::text) FROM (SELECT DISTINCT ON ({image}) {json} AS json FROM {side} AS s \
             WHERE {image} IN (SELECT d.image FROM d WHERE d.times {sign} 0 LIMIT {samples})) AS s)",
            image = image("s"),
            json = whole("s.c", columns),
        )
    };
    format!(
        "WITH d AS MATERIALIZED (SELECT u.image, pg_catalog.sum(u.one) AS times FROM (\n\
         SELECT {image_a} AS image, 1 AS one FROM {side_a} AS a\nUNION ALL\n\
         SELECT {image_b}, -1 FROM {side_b} AS b\n\
         ) AS u GROUP BY u.image HAVING pg_catalog.sum(u.one) <> 0)\n\
         SELECT {rows_a} AS rows_a, {rows_b} AS rows_b,\n\
         (SELECT coalesce(pg_catalog.sum(d.times), 0)::bigint FROM d WHERE d.times > 0) AS only_a,\n\
         (SELECT coalesce(-pg_catalog.sum(d.times), 0)::bigint FROM d WHERE d.times < 0) AS only_b,\n\
         {sample_a} AS sample_a,\n{sample_b} AS sample_b",
        image_a = image("a"),
        image_b = image("b"),
        rows_a = rows_of(a),
        rows_b = rows_of(b),
        sample_a = sample(&side_a, ">"),
        sample_b = sample(&side_b, "<"),
    )
}

/// How many rows both have, where no column is shared.
pub(super) fn only_counts(a: &QName, b: &QName) -> String {
    format!("SELECT {} AS rows_a, {} AS rows_b", rows_of(a), rows_of(b))
}
