//! What sources logged since a mart's position.

use std::fmt::Write as _;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::opaque::Opaque;
use crate::database::SqlError;
use crate::sql::distinct_value;
use crate::state::{ChangeSource, LoggedColumn, QName, log_segments, quote_ident};

/// More rows of a log are not looked at: reading them and their keys would cost as much as computing all rows.
const MOST: u32 = 200_000;
/// So few are looked at of the smallest table.
const FEW: u32 = 1_000;
/// This part of a table may change before it is better read as a whole.
const PART: f64 = 0.2;
/// Of more rows than this only some are given back at first: whether computing all rows is cheaper, they tell as well.
const LONG: u32 = 20_000;
/// About so many.
const SOME: u32 = 1_000;

/// What one source logged.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    /// How many rows of its log are new.
    pub rows: u64,
    /// There are more than that: so many that all rows are better computed anew.
    pub many: bool,
    /// It was emptied by TRUNCATE.
    pub emptied: bool,
    /// Its columns were not those of the log.
    pub poisoned: bool,
    /// The values of the logged columns, an array each, all of one length; empty where nothing is new.
    pub values: Vec<Opaque>,
    /// They are those of some of the rows, which are many.
    pub in_part: bool,
    /// How large the source is, if anybody has looked.
    pub(super) pages: Option<i64>,
}

impl Pending {
    /// Of the source at a place.
    pub(super) fn of(row: &PgRow, at: usize, source: &ChangeSource) -> Result<Self, SqlError> {
        let columns = if source.affected.is_none() { 0 } else { source.columns.len() };
        let rows = u64::try_from(row.try_get::<i64, _>(format!("n{at}").as_str())?).unwrap_or_default();
        let most = u64::try_from(row.try_get::<i64, _>(format!("m{at}").as_str())?).unwrap_or_default();
        Ok(Self {
            rows: rows.min(most),
            many: rows > most,
            emptied: row.try_get(format!("t{at}").as_str())?,
            poisoned: row.try_get(format!("p{at}").as_str())?,
            values: values(row, at, columns)?,
            in_part: columns > 0 && rows > u64::from(LONG),
            pages: row.try_get(format!("g{at}").as_str())?,
        })
    }
}

/// The values of the source at a place.
pub(super) fn values(row: &PgRow, at: usize, columns: usize) -> Result<Vec<Opaque>, SqlError> {
    let values = (0..columns).map(|column| Opaque::of(row, &format!("v{at}_{column}")));
    values.filter(|value| !value.as_ref().is_ok_and(Opaque::is_null)).collect()
}

/// How many changes of each source are looked at, and how large it is, by its place. One by one: joined, all relations of the database would
/// be read for a few.
pub(super) fn limits() -> String {
    format!(
        "m AS MATERIALIZED (\n  SELECT m.nth, CASE WHEN pg_catalog.min(c.reltuples) >= 0 \
         THEN least({MOST}, greatest({FEW}, pg_catalog.sum(c.reltuples) * {PART}))::bigint END AS most,\n         \
         CASE WHEN pg_catalog.min(c.reltuples) >= 0 THEN pg_catalog.sum(c.relpages)::bigint END AS pages\n  \
         FROM member AS m CROSS JOIN LATERAL (\n    \
         SELECT c.reltuples, c.relpages FROM pg_catalog.pg_class AS c WHERE c.oid = m.relation AND c.relkind <> 'p' OFFSET 0) AS c\n  \
         GROUP BY m.nth),\n"
    )
}

/// What reads a source's log: its new rows, how many they are and what marks there are among them, and the distinct values in them,
/// or in some where they are many. Of a source whose changes may mean any row nobody asks for the values.
pub(super) fn ctes(at: usize, source: &ChangeSource, log: &QName) -> String {
    let nth = at + 1;
    let new = format!(
        "r{at} AS MATERIALIZED (\n  {new}\n  LIMIT {most} + 1),\n\
         c{at} AS MATERIALIZED (\n  SELECT pg_catalog.count(*) AS n, coalesce(pg_catalog.bool_or(r.mark = 'T'), false) AS emptied, \
         coalesce(pg_catalog.bool_or(r.mark = 'P'), false) AS poisoned,\n         \
         {most} AS most, (SELECT m.pages FROM m WHERE m.nth = {nth}) AS pages FROM r{at} AS r),\n",
        new = new_rows(source, log),
        // It may have no table yet.
        most = format_args!("coalesce((SELECT m.most FROM m WHERE m.nth = {nth}), {MOST}::bigint)"),
    );
    if source.affected.is_none() {
        return new;
    }
    format!(
        "{new}d{at} AS (\n  {distinct}\n    AND pg_catalog.random() < (SELECT CASE WHEN c.n > c.most THEN 0 \
         WHEN c.n > {LONG} THEN {SOME}::float8 / c.n ELSE 1 END FROM c{at} AS c)) AS d),\n",
        distinct = distinct(at, source),
    )
}

/// Where what is given back of it stands.
pub(super) fn joins(at: usize, source: &ChangeSource) -> String {
    let values = if source.affected.is_none() { String::new() } else { format!(" CROSS JOIN d{at}") };
    format!(" CROSS JOIN c{at}{values}")
}

/// What of it is given back.
pub(super) fn columns(at: usize, source: &ChangeSource) -> String {
    let values = if source.affected.is_none() { String::new() } else { values_of(at, source) };
    format!(
        ",\n       c{at}.n AS n{at}, c{at}.most AS m{at}, c{at}.pages AS g{at}, c{at}.emptied AS t{at}, c{at}.poisoned AS p{at}{values}"
    )
}

/// The values of all new rows of sources, at their places.
pub(super) fn statement<'a>(sources: impl Iterator<Item = (usize, &'a ChangeSource, &'a QName)>) -> String {
    let (mut ctes, mut columns, mut joins) = (String::new(), String::new(), String::new());
    for (at, source, log) in sources {
        let (new, distinct) = (new_rows(source, log), distinct(at, source));
        let _ = write!(ctes, ",\nr{at} AS MATERIALIZED (\n  {new}),\nd{at} AS (\n  {distinct}) AS d)");
        let _ = write!(columns, "{}", values_of(at, source));
        let _ = write!(joins, " CROSS JOIN d{at}");
    }
    format!(
        "WITH p AS MATERIALIZED (\n  \
         SELECT p.snapshot, p.xid FROM {{registry}}.positions AS p WHERE p.project = $1 AND p.schema = $2 AND p.name = $3){ctes}\n\
         SELECT true{columns} FROM p{joins}"
    )
}

/// The rows of a log that the mart has not seen.
fn new_rows(source: &ChangeSource, log: &QName) -> String {
    let columns: Vec<String> = source.columns.iter().map(|column| format!(", {}", quote_ident(&column.name))).collect();
    let columns = columns.concat();
    let segments =
        log_segments(log).map(|segment| format!("SELECT datamart_xid, datamart_mark{columns} FROM {segment}"));
    // What is older than all that was open then has been seen: that is told while the log is read, and costs little for a row.
    let named = source.columns.iter().enumerate();
    let named: Vec<String> = named.map(|(v, column)| format!(", l.{} AS v{v}", quote_ident(&column.name))).collect();
    format!(
        "SELECT l.datamart_mark AS mark{} FROM p JOIN (\n    {}) AS l\n  \
         ON l.datamart_xid >= (SELECT pg_catalog.pg_snapshot_xmin(p.snapshot) FROM p)\n  \
         AND NOT pg_catalog.pg_visible_in_snapshot(l.datamart_xid, p.snapshot) AND l.datamart_xid IS DISTINCT FROM p.xid",
        named.concat(),
        segments.join("\n    UNION ALL "),
    )
}

/// The different values in them, an array for each column; a condition may come behind it, and `) AS d` does.
fn distinct(at: usize, source: &ChangeSource) -> String {
    let values: Vec<String> = (0..source.columns.len()).map(|column| format!("v{column}")).collect();
    // Arrays of arrays have no order of their own, and those within are to be of one length.
    let text = |column: &LoggedColumn| if column.type_name.ends_with("[]") { "::pg_catalog.text" } else { "" };
    let each = values.iter().zip(source.columns.iter().map(text));
    let arrays: Vec<String> = each.map(|(v, text)| format!(", pg_catalog.array_agg(d.{v}{text}) AS {v}")).collect();
    let distinct: Vec<String> =
        values.iter().zip(&source.columns).map(|(v, column)| distinct_value(v, &column.type_name)).collect();
    let distinct = if distinct.is_empty() { "1".to_owned() } else { distinct.join(", ") };
    format!(
        "SELECT pg_catalog.count(*) AS n{} FROM (SELECT DISTINCT {distinct} FROM r{at} WHERE mark IS NULL",
        arrays.concat()
    )
}

fn values_of(at: usize, source: &ChangeSource) -> String {
    (0..source.columns.len()).map(|column| format!(", d{at}.v{column} AS v{at}_{column}")).collect()
}
