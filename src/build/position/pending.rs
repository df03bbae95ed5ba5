//! What sources logged since a mart's position.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::opaque::Opaque;
use crate::database::SqlError;
use crate::state::{ChangeSource, QName, log_segments, quote_ident};

/// More rows of a log are not looked at: reading them and their keys would cost as much as computing all rows.
const MOST: u32 = 200_000;
/// So few are looked at of the smallest table.
const FEW: u32 = 1_000;
/// This part of a table may change before it is better read as a whole.
const PART: f64 = 0.2;

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
}

impl Pending {
    /// Of the source at a place.
    pub(super) fn of(row: &PgRow, at: usize, columns: usize) -> Result<Self, SqlError> {
        let rows = u64::try_from(row.try_get::<i64, _>(format!("n{at}").as_str())?).unwrap_or_default();
        let values = (0..columns).map(|column| Opaque::of(row, &format!("v{at}_{column}")));
        let most = u64::try_from(row.try_get::<i64, _>(format!("m{at}").as_str())?).unwrap_or_default();
        Ok(Self {
            rows: rows.min(most),
            many: rows > most,
            emptied: row.try_get(format!("t{at}").as_str())?,
            poisoned: row.try_get(format!("p{at}").as_str())?,
            values: values.filter(|value| !value.as_ref().is_ok_and(Opaque::is_null)).collect::<Result<_, _>>()?,
        })
    }
}

/// What reads a source's log: its new rows, and the distinct values in them.
pub(super) fn ctes(at: usize, source: &ChangeSource, log: &QName) -> String {
    let columns: Vec<String> = source.columns.iter().map(|column| format!(", {}", quote_ident(&column.name))).collect();
    let columns = columns.concat();
    let segments =
        log_segments(log).map(|segment| format!("SELECT datamart_xid, datamart_mark{columns} FROM {segment}"));
    let values: Vec<String> = (0..source.columns.len()).map(|column| format!("v{column}")).collect();
    let named: Vec<String> = source
        .columns
        .iter()
        .zip(&values)
        .map(|(column, v)| format!(", l.{} AS {v}", quote_ident(&column.name)))
        .collect();
    let arrays: Vec<String> = values.iter().map(|v| format!(", pg_catalog.array_agg(d.{v}) AS {v}")).collect();
    let distinct = if values.is_empty() { "1".to_owned() } else { values.join(", ") };
    format!(
        "m{at} AS MATERIALIZED (\n  SELECT CASE WHEN pg_catalog.min(c.reltuples) >= 0 \
         THEN least({MOST}, greatest({FEW}, pg_catalog.sum(c.reltuples) * {PART}))::bigint ELSE {MOST}::bigint END AS most\n  \
         FROM member AS m JOIN pg_catalog.pg_class AS c ON c.oid = m.relation AND c.relkind <> 'p' WHERE m.nth = {nth}),\n\
         r{at} AS MATERIALIZED (\n  SELECT l.datamart_mark AS mark{} FROM p JOIN (\n    {}) AS l\n  \
         ON NOT pg_catalog.pg_visible_in_snapshot(l.datamart_xid, p.snapshot) AND l.datamart_xid IS DISTINCT FROM p.xid\n  LIMIT (SELECT m.most + 1 FROM m{at} AS m)),\n\
         d{at} AS (\n  SELECT pg_catalog.count(*) AS n{} FROM (SELECT DISTINCT {distinct} FROM r{at} WHERE mark IS NULL) AS d),\n",
        named.concat(),
        segments.join("\n    UNION ALL "),
        arrays.concat(),
        nth = at + 1,
    )
}

/// What of it is given back.
pub(super) fn columns(at: usize, source: &ChangeSource) -> String {
    let marked = |mark: char| format!("EXISTS (SELECT FROM r{at} WHERE mark = '{mark}')");
    let values: Vec<String> =
        (0..source.columns.len()).map(|column| format!(", d{at}.v{column} AS v{at}_{column}")).collect();
    format!(
        ",\n       (SELECT pg_catalog.count(*) FROM r{at}) AS n{at}, (SELECT most FROM m{at}) AS m{at}, {} AS t{at}, {} AS p{at}{}",
        marked('T'),
        marked('P'),
        values.concat()
    )
}
