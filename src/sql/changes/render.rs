//! Templates filled in: the queries that a refresh runs.

use std::collections::BTreeSet;

use crate::state::{ChangeSource, Changes, KeyColumn, KeyRange, quote_ident, quote_idents, quote_literal};

/// Ranges beyond this many are merged where the gap between them is smallest: each is a condition of its own.
const MAX_RANGES: usize = 64;
/// One template becomes at most so many queries: each is planned.
const MAX_APART: usize = 4;

/// What the parameters of a restricted query are like. They are arrays, in this order: of each key column, the values without
/// repetition; where there are several columns, of each the values again, so that the keys stand side by side; then, of each
/// column with ranges, their beginnings and their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Of each key column, whether a key is NULL there.
    pub nulls: Vec<bool>,
    /// Of each key column, how many ranges its values stand for; 0 where there are none, or they are not used.
    pub ranges: Vec<usize>,
    /// Of each key column, whether the keys have nearly all of its values: where ranges tell what is read, to ask each row for one of
    /// them costs more than it saves.
    pub nearly_all: Vec<bool>,
}

/// The distinct keys that changes of the sources of these numbers may affect, under the names of the key's columns. `delta` gives
/// the relation, as it stands behind FROM, of a source's logged rows. `None`: any row may be affected.
pub fn affected(changes: &Changes, pending: &[usize], delta: impl Fn(usize) -> String) -> Option<String> {
    let sources = pending.iter().map(|number| changes.sources.get(*number)?.affected.as_deref());
    let templates: Vec<&str> = sources.collect::<Option<_>>()?;
    if templates.is_empty() {
        return None;
    }
    let pending: BTreeSet<usize> = pending.iter().copied().collect();
    let mut texts: Vec<String> = Vec::new();
    for text in templates.iter().flat_map(|template| filled(template, &changes.sources, &pending, &delta)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    Some(texts.join("\nUNION\n"))
}

/// The distinct keys of rows that crossed a bound which moved since the time that `since` is an expression of.
pub fn moved(changes: &Changes, since: &str) -> Option<String> {
    let texts: Vec<String> = changes.moving.iter().map(|moving| moving.affected.replace("{since}", since)).collect();
    match &texts[..] {
        [] => None,
        // Many rows of one key may have crossed it.
        [one] => Some(format!("SELECT DISTINCT k.* FROM (\n{one}\n) AS k")),
        several => Some(several.join("\nUNION\n")),
    }
}

/// A template with its relations, as queries whose union it is. Of a source that changed, too, it needs the rows of now and those of
/// before. They are asked for apart: through both at once the planner finds no index.
fn filled(
    template: &str,
    sources: &[ChangeSource],
    pending: &BTreeSet<usize>,
    delta: &impl Fn(usize) -> String,
) -> Vec<String> {
    let mut texts = vec![template.to_owned()];
    for (number, source) in sources.iter().enumerate() {
        let whole = source.table.to_string();
        let both = || {
            let columns: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
            let columns = quote_idents(&columns);
            format!("(SELECT {columns} FROM {whole} UNION ALL SELECT {columns} FROM {} AS logged)", delta(number))
        };
        let (all, logged) = (format!("{{all:{number}}}"), format!("{{delta:{number}}}"));
        while pending.contains(&number) && texts.len() < MAX_APART && texts.iter().any(|text| text.contains(&all)) {
            let of = |relation: &str| texts.iter().map(|text| text.replacen(&all, relation, 1)).collect();
            texts = [of(&whole), of(&delta(number))].into_iter().flat_map(|texts: Vec<String>| texts).collect();
        }
        for text in &mut texts {
            if text.contains(&all) {
                let relation = if pending.contains(&number) { both() } else { whole.clone() };
                *text = text.replace(&all, &relation);
            }
            if text.contains(&logged) {
                *text = text.replace(&logged, &delta(number));
            }
        }
    }
    texts
}

/// One row of what [`Shape`] speaks of, from a query that gives keys (see [`affected`]): how many keys there are, and for each key column
/// whether it is NULL in one (`null1`, …), its distinct values (`value1`, …) and, of several columns, its values side by side
/// (`key1`, …).
pub fn gathered(changes: &Changes, affected: &str) -> String {
    let mut columns = vec!["pg_catalog.count(*) AS keys".to_owned()];
    for (at, key) in changes.key.iter().enumerate() {
        let (number, name) = (at + 1, quote_ident(&key.name));
        columns.push(format!("pg_catalog.count(*) > pg_catalog.count(a.{name}) AS null{number}"));
        columns.push(format!(
            "pg_catalog.array_agg(DISTINCT a.{name}) FILTER (WHERE a.{name} IS NOT NULL) AS value{number}"
        ));
        if changes.key.len() > 1 {
            columns.push(format!("pg_catalog.array_agg(a.{name}) AS key{number}"));
        }
    }
    format!("SELECT {} FROM (\n{affected}\n) AS a", columns.join(", "))
}

/// The ranges of a source's column that the values of a key column (an expression, of an array of them) stand for: one row of two
/// arrays, the beginnings (`low`) and the ends (`high`), both inclusive, and how many times as wide as the first all of them are
/// (`wide`). `None` where the column has no ranges.
pub fn ranges(changes: &Changes, column: usize, values: &str) -> Option<String> {
    let key = changes.key.get(column)?;
    let range = key.range.as_ref()?;
    let (of_key, of_column, step) = (&key.type_name, &range.type_name, &range.step);
    let slack = match slack(of_column) {
        none @ "0" => format!("'{none}'::interval"),
        some => format!("CASE WHEN {NO_CHANGES} THEN '0' ELSE '{some}' END::interval"),
    };
    // Beyond what a timestamp holds nothing is computed.
    let bound = |edge: &str, beyond: &str, infinite: &str| {
        format!("CASE WHEN k.v {beyond} THEN '{infinite}'::{of_column} ELSE (k.v {edge} {slack})::{of_column} END")
    };
    let low = bound("-", "< '4000-01-01 BC'", "-infinity");
    let high = bound(&format!("+ '{step}'::interval +"), "> '200000-01-01'", "infinity");
    let epoch = |name: &str| format!("pg_catalog.date_part('epoch', {name})");
    let width = format!("({} - {})", epoch("m.high"), epoch("m.low"));
    Some(format!(
        "WITH r AS (SELECT {low} AS low, {high} AS high FROM (SELECT DISTINCT v FROM pg_catalog.unnest(({values})::{of_key}[]) AS u(v) WHERE v IS NOT NULL) AS k),\n\
         g AS (SELECT r.low, r.high, {} - {} AS gap FROM r),\n\
         n AS (SELECT g.*, g.gap IS NULL OR (g.gap > 0 AND pg_catalog.row_number() OVER (ORDER BY g.gap DESC NULLS LAST) < {MAX_RANGES}) AS first FROM g),\n\
         p AS (SELECT n.low, n.high, pg_catalog.count(*) FILTER (WHERE n.first) OVER (ORDER BY n.low, n.high) AS part FROM n),\n\
         m AS (SELECT pg_catalog.min(p.low) AS low, pg_catalog.max(p.high) AS high FROM p GROUP BY p.part)\n\
         SELECT pg_catalog.array_agg(m.low ORDER BY m.low) AS low, pg_catalog.array_agg(m.high ORDER BY m.low) AS high, \
         pg_catalog.sum({width}) / nullif((pg_catalog.array_agg({width} ORDER BY m.low))[1], 0) AS wide FROM m",
        epoch("r.low"),
        epoch("pg_catalog.max(r.high) OVER (ORDER BY r.low, r.high ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"),
    ))
}

/// The rows of the query whose key is among the parameters.
pub fn restricted(changes: &Changes, shape: &Shape) -> String {
    let several = changes.key.len() > 1;
    let mut next = changes.key.len() * if several { 2 } else { 1 };
    let mut query = changes.query.clone();
    for (at, key) in changes.key.iter().enumerate() {
        let count = shape.ranges.get(at).copied().unwrap_or_default();
        let place = place(at);
        let Some(range) = key.range.as_ref().filter(|_| count > 0) else {
            query = query.replace(&place, "true");
            continue;
        };
        let (column, of_column) = (&range.column, &range.type_name);
        let (low, high) = (next + 1, next + 2);
        next += 2;
        let within = (1..=count).map(|i| {
            format!("({column} >= (${low}::{of_column}[])[{i}] AND {column} <= (${high}::{of_column}[])[{i}])")
        });
        let null = is_null_there(shape, at).then(|| format!("({column} IS NULL)"));
        let terms: Vec<String> = within.chain(null).collect();
        query = query.replace(&place, &format!("({})", terms.join(" OR ")));
    }
    let mut terms: Vec<String> = Vec::new();
    // With NULL in a key the exact check compares rows one by one: it gets few.
    let by_ranges = shape.ranges.iter().any(|count| *count > 0) && !shape.nulls.contains(&true);
    for (at, key) in changes.key.iter().enumerate() {
        // What ranges let through is told apart behind the aggregates: a condition on an expression in front of them would make the
        // planner take its rows for few.
        let ranged = shape.ranges.get(at).is_some_and(|count| *count > 0);
        let array = format!("${}::{}[]", at + 1, key.type_name);
        let nearly_all = by_ranges && shape.nearly_all.get(at).copied().unwrap_or_default();
        match (ranged || nearly_all, several) {
            (true, true) => {}
            (true, false) => terms.push(one_of(key, &array, is_null_there(shape, at))),
            (false, _) => terms.push(among(key, &array, is_null_there(shape, at))),
        }
    }
    if several {
        let names: Vec<String> = changes.key.iter().map(|key| format!("q.{}", quote_ident(&key.name))).collect();
        let arrays = changes.key.iter().enumerate();
        let arrays =
            arrays.map(|(at, key)| format!("pg_catalog.unnest(${}::{}[])", changes.key.len() + at + 1, key.type_name));
        terms.push(side_by_side(&names, &arrays.collect::<Vec<_>>().join(", "), shape));
    }
    format!("SELECT q.* FROM (\n{query}\n) AS q WHERE {}", terms.join(" AND "))
}

/// The query without places: all of it.
pub fn whole(changes: &Changes) -> String {
    let mut query = changes.query.clone();
    for at in 0..changes.key.len() {
        query = query.replace(&place(at), "true");
    }
    query
}

/// The query of the rows whose value of a key column is in one of these spans: from the first value on, before the second. The
/// condition stands where the source is read, where that is known; rows of other values may be given, too.
pub fn spanned(changes: &Changes, column: usize, spans: &[(String, String)]) -> String {
    let within = |key: &KeyColumn, range: &KeyRange| {
        let (source, of_column) = (&range.column, &range.type_name);
        let span = |(from, to): &(String, String)| {
            format!(
                "({source} >= {} AND {source} <= ({})::{of_column})",
                begins(key, range, from),
                before(key, range, to)
            )
        };
        format!("({})", spans.iter().map(span).collect::<Vec<_>>().join(" OR "))
    };
    reading(changes, column, within)
}

/// As [`spanned`], of one span and with the rows of its second value.
pub fn up_to(changes: &Changes, column: usize, (from, last): &(String, String)) -> String {
    let within = |key: &KeyColumn, range: &KeyRange| {
        let (source, of_column, last) = (&range.column, &range.type_name, through(key, range, last));
        format!("({source} >= {} AND {source} <= ({last})::{of_column})", begins(key, range, from))
    };
    reading(changes, column, within)
}

/// The query of the rows whose value of a key column is in none of the time from the first of these values on and before the second,
/// and perhaps of others. The condition stands where [`spanned`] has it.
pub fn beyond(changes: &Changes, column: usize, (from, to): &(String, String)) -> String {
    let beyond = |key: &KeyColumn, range: &KeyRange| {
        let (source, of_column, until) = (&range.column, &range.type_name, before(key, range, from));
        format!("({source} <= ({until})::{of_column} OR {source} >= {} OR {source} IS NULL)", begins(key, range, to))
    };
    reading(changes, column, beyond)
}

/// The query with a condition on the column behind a key column; all of it where that is not known. Whoever asks it for some values
/// of the key compares those that it gives: without the fence the planner would compute them once for each comparison.
fn reading(changes: &Changes, column: usize, condition: impl Fn(&KeyColumn, &KeyRange) -> String) -> String {
    let Some((key, range)) = changes.key.get(column).and_then(|key| Some((key, key.range.as_ref()?))) else {
        return whole(changes);
    };
    let query = changes.query.replace(&place(column), &condition(key, range));
    format!("{}\nOFFSET 0", whole(&Changes { query, ..changes.clone() }).trim_end())
}

/// From when on the source has the rows of a value of the key, and of later ones.
fn begins(key: &KeyColumn, range: &KeyRange, from: &str) -> String {
    let (of_column, slack) = (&range.type_name, slack(&range.type_name));
    format!("({}::{} - '{slack}'::interval)::{of_column}", quote_literal(from), key.type_name)
}

/// Until when it has those of values up to this one.
fn through(key: &KeyColumn, range: &KeyRange, last: &str) -> String {
    let (last, of_key, step) = (quote_literal(last), &key.type_name, &range.step);
    format!("{last}::{of_key} + '{step}'::interval + '{}'::interval", slack(&range.type_name))
}

/// Until when it has those of values before this one.
fn before(key: &KeyColumn, range: &KeyRange, to: &str) -> String {
    let (of_key, step, slack) = (&key.type_name, &range.step, slack(&range.type_name));
    let to = format!("{}::{of_key}", quote_literal(to));
    // Bins, which may begin anywhere, are never of months: such values are beginnings of a calendar's.
    let unit = [("1 month", "month"), ("3 months", "quarter"), ("1 year", "year")]
        .into_iter()
        .find(|(known, _)| known == step);
    let newest = match unit {
        Some((_, unit)) => format!("pg_catalog.date_trunc('{unit}', {to} - '1 microsecond'::interval)"),
        None if of_key == "date" => format!("{to} - 1"),
        None => to,
    };
    format!("{newest} + '{step}'::interval + '{slack}'::interval")
}

/// The session's clocks never change.
const NO_CHANGES: &str = "pg_catalog.current_setting('TimeZone') IN ('UTC', 'Etc/UTC', 'GMT')";

/// Midnight may come twice when the clocks change, and what is cut off to it may lie before it.
fn slack(of_column: &str) -> &'static str {
    if of_column.starts_with("timestamp") && of_column.contains("with time zone") { "1 hour" } else { "0" }
}

/// The place for a condition on the column behind a key column.
pub(super) fn place(key: usize) -> String {
    format!("{{within:{key}}}")
}

fn is_null_there(shape: &Shape, at: usize) -> bool {
    shape.nulls.get(at).copied().unwrap_or_default()
}

fn among(key: &KeyColumn, array: &str, null: bool) -> String {
    let name = format!("q.{}", quote_ident(&key.name));
    match null {
        true => format!("({name} = ANY ({array}) OR {name} IS NULL)"),
        false => format!("{name} = ANY ({array})"),
    }
}

/// The same, where it is not to be asked before rows are put together.
fn one_of(key: &KeyColumn, array: &str, null: bool) -> String {
    let name = format!("q.{}", quote_ident(&key.name));
    let among = format!("{name} IN (SELECT k.v FROM pg_catalog.unnest({array}) AS k(v))");
    if null { format!("({among} OR {name} IS NULL)") } else { among }
}

/// The exact check of keys of several columns: what the conditions on each let through may be no key.
fn side_by_side(names: &[String], arrays: &str, shape: &Shape) -> String {
    let columns: Vec<String> = (1..=names.len()).map(|number| format!("k{number}")).collect();
    let keys = format!("ROWS FROM ({arrays}) AS k({})", columns.join(", "));
    if !shape.nulls.contains(&true) {
        return format!("({}) IN (SELECT {} FROM {keys})", names.join(", "), columns.join(", "));
    }
    // What is never NULL can be hashed; the rest is compared one by one.
    let same = names.iter().zip(&columns).enumerate().map(|(at, (name, column))| match is_null_there(shape, at) {
        true => format!("k.{column} IS NOT DISTINCT FROM {name}"),
        false => format!("k.{column} = {name}"),
    });
    format!("EXISTS (SELECT FROM {keys} WHERE {})", same.collect::<Vec<_>>().join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{KeyRange, QName};

    /// With what changed of the sources of these numbers.
    fn of(template: &str, pending: &[usize]) -> Vec<String> {
        let source = |name: &str| ChangeSource::of(QName::new("public", name));
        let sources = ["a", "b", "c"].map(source);
        filled(template, &sources, &pending.iter().copied().collect(), &|number| format!("logged_{number}"))
    }

    #[test]
    fn of_a_column_s_values_nearly_all_are_not_asked_for_where_ranges_are() {
        let key = |name: &str| KeyColumn { name: name.into(), type_name: "integer".into(), ..KeyColumn::default() };
        let range = KeyRange { column: "t.at".into(), type_name: "date".into(), step: "1 day".into() };
        let day = KeyColumn { range: Some(range), type_name: "date".into(), ..key("day") };
        let query = "SELECT … WHERE {within:0} AND {within:1}".to_owned();
        let changes = Changes { key: vec![day, key("kind")], query, ..Changes::default() };
        let asks = |ranges: usize, null: bool| {
            let (nulls, nearly_all) = (vec![false, null], vec![false, true]);
            restricted(&changes, &Shape { nulls, ranges: vec![ranges, 0], nearly_all }).contains("q.kind = ANY")
        };
        assert!(!asks(1, false));
        assert!(asks(0, false) && asks(1, true));
    }

    #[test]
    fn rows_of_now_and_of_before_are_asked_for_apart() {
        let template = "FROM {delta:0} AS d, {all:1} AS t1, {all:2} AS t2";
        assert_eq!(of(template, &[0]), ["FROM logged_0 AS d, public.b AS t1, public.c AS t2"]);
        assert_eq!(
            of(template, &[0, 2]),
            [
                "FROM logged_0 AS d, public.b AS t1, public.c AS t2",
                "FROM logged_0 AS d, public.b AS t1, logged_2 AS t2"
            ]
        );
        let all = of(template, &[0, 1, 2]);
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all.contains(&"FROM logged_0 AS d, logged_1 AS t1, logged_2 AS t2".to_owned()), "{all:?}");
    }

    /// What lies before a value of a calendar ends where that begins; of others nobody knows where the last of them does.
    #[test]
    fn spans_end_where_the_next_one_begins() {
        let until = |step: &str, of_key: &str| {
            let range =
                KeyRange { column: "o.at".into(), type_name: "timestamp with time zone".into(), step: step.into() };
            let key = KeyColumn { name: "day".into(), type_name: of_key.into(), range: Some(range.clone()) };
            before(&key, &range, "2026-03-01")
        };
        let hour = "+ '1 hour'::interval";
        assert_eq!(until("1 day", "date"), format!("'2026-03-01'::date - 1 + '1 day'::interval {hour}"));
        let month = "pg_catalog.date_trunc('month', '2026-03-01'::date - '1 microsecond'::interval)";
        assert_eq!(until("1 month", "date"), format!("{month} + '1 month'::interval {hour}"));
        let bin = "'2026-03-01'::timestamp + '15 minutes'::interval";
        assert_eq!(until("15 minutes", "timestamp"), format!("{bin} {hour}"));
    }

    #[test]
    fn what_would_be_too_many_queries_is_one() {
        let all = of("FROM {delta:0} AS d, {all:0} AS t1, {all:1} AS t2, {all:1} AS t3, {all:2} AS t4", &[0, 1, 2]);
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all.iter().all(|text| text.contains("UNION ALL") && !text.contains('{')), "{all:?}");
    }
}
