//! Runs, as the registry keeps them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ObserveError;
use crate::database::registry::in_schema;
use crate::state::QName;

const COLUMNS: &str = include_str!("sql/run_columns.sql");

/// One run of one mart, past or at work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastRun {
    /// Its number.
    pub run: i64,
    /// The mart: schema and name, quoted where needed.
    pub mart: String,
    /// How.
    pub method: Option<String>,
    /// Why so.
    pub reason: Option<String>,
    /// `success`, `failed`, `skipped`, `noop`, `cancelled`, `running`, or `queued`.
    pub status: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Between the two.
    pub duration_ms: Option<f64>,
    /// Rows that came.
    pub rows_inserted: Option<i64>,
    /// Rows that changed.
    pub rows_updated: Option<i64>,
    /// Rows that went.
    pub rows_deleted: Option<i64>,
    /// Rows afterwards.
    pub row_count: Option<i64>,
    /// Bytes afterwards.
    pub size_bytes: Option<i64>,
    /// The newest value of `freshness.column`.
    pub newest: Option<String>,
    /// The git revision of the manifest.
    pub revision: Option<String>,
    /// What its checks found.
    pub checks: serde_json::Value,
    /// `{kind, sqlstate, message, hint}` where it failed.
    pub error: Option<serde_json::Value>,
    /// What was decided about changes of the sources, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<serde_json::Value>,
}

impl PastRun {
    fn read(row: &PgRow) -> Result<(QName, Self), sqlx::Error> {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("mart")?);
        let run = Self {
            run: row.try_get("run")?,
            mart: name.to_string(),
            method: row.try_get("method")?,
            reason: row.try_get("reason")?,
            status: row.try_get("status")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            duration_ms: row.try_get("duration_ms")?,
            rows_inserted: row.try_get("rows_inserted")?,
            rows_updated: row.try_get("rows_updated")?,
            rows_deleted: row.try_get("rows_deleted")?,
            row_count: row.try_get("row_count")?,
            size_bytes: row.try_get("size_bytes")?,
            newest: row.try_get("newest")?,
            revision: row.try_get("revision")?,
            checks: row.try_get("checks")?,
            error: row.try_get("error")?,
            decision: row.try_get("decision")?,
        };
        Ok((name, run))
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        !matches!(self.status.as_str(), "queued" | "running")
    }

    /// What went wrong, in words.
    pub fn error_message(&self) -> Option<&str> {
        self.error.as_ref()?.get("message")?.as_str()
    }
}

/// A mart's last run, and the last one that left it up to date.
#[derive(Debug, Clone, Default)]
pub(super) struct Last {
    pub any: Option<PastRun>,
    pub good: Option<PastRun>,
    /// One that was not done, after all others.
    pub skipped: Option<PastRun>,
}

/// The last runs of all marts, in one query.
pub(super) async fn last(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<HashMap<QName, Last>, ObserveError> {
    let sql = sql(include_str!("sql/last_runs.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    let mut found: HashMap<QName, Last> = HashMap::new();
    for row in rows {
        let (name, run) = PastRun::read(&row)?;
        let last = found.entry(name).or_default();
        match row.try_get("which")? {
            "good" => last.good = Some(run),
            "skipped" => last.skipped = Some(run),
            _ => last.any = Some(run),
        }
    }
    Ok(found)
}

/// Runs, newest first; of one mart, or of all of the project.
///
/// # Errors
/// What the server says.
pub async fn history(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    mart: Option<&QName>,
    limit: i64,
) -> Result<Vec<PastRun>, ObserveError> {
    let sql = sql(include_str!("sql/history.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(project)
        .bind(mart.map(|name| name.schema.as_str()))
        .bind(mart.map(|name| name.name.as_str()))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| Ok(PastRun::read(row)?.1)).collect()
}

/// The runs of these numbers, as far as they are the project's, in their order.
///
/// # Errors
/// What the server says.
pub async fn runs(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    numbers: &[i64],
) -> Result<Vec<PastRun>, ObserveError> {
    let sql = sql(include_str!("sql/runs.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(numbers).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(PastRun::read(row)?.1)).collect()
}

/// The runs that are at work or wait, oldest first.
///
/// # Errors
/// What the server says.
pub async fn open_runs(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    limit: i64,
) -> Result<Vec<PastRun>, ObserveError> {
    let sql = sql(include_str!("sql/open.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(limit).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(PastRun::read(row)?.1)).collect()
}

/// Every mart the project ever had, dropped ones too.
///
/// # Errors
/// What the server says.
pub async fn marts_with_history(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<Vec<QName>, ObserveError> {
    let sql = in_schema(include_str!("sql/known.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    let read = |row: &PgRow| Ok(QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?));
    rows.iter().map(read).collect()
}

fn sql(text: &str, registry: &str) -> String {
    in_schema(&text.replace("{columns}", COLUMNS), registry)
}
