//! What metrics are made of: three cheap queries, whatever the number of marts.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::text::label;
use crate::database::registry::in_schema;
use crate::observe::ObserveError;
use crate::state::QName;

/// A mart with rows.
#[derive(Debug, Clone)]
pub(super) struct MartFacts {
    pub name: QName,
    /// Its label in the text.
    pub label: String,
    pub suspended: bool,
    pub populated: bool,
    pub filled_at: Option<DateTime<Utc>>,
    pub adopted: Option<bool>,
    pub started_at: Option<DateTime<Utc>>,
    pub newest: Option<String>,
    pub rows: Option<i64>,
    pub bytes: Option<i64>,
    pub partitions: Option<i64>,
    pub default_rows: Option<i64>,
}

impl MartFacts {
    /// The moment the rows are true for; what an apply built is as new as the apply.
    pub fn snapshot(&self) -> Option<DateTime<Utc>> {
        self.started_at.max(self.at_latest().filter(|_| self.adopted != Some(true)))
    }

    /// The moment they are true for at the latest: how old what was taken over was then nobody knows.
    pub fn at_latest(&self) -> Option<DateTime<Utc>> {
        self.filled_at.filter(|_| self.populated)
    }
}

/// The runs of a mart that ended in one way.
#[derive(Debug, Clone)]
pub(super) struct Total {
    pub name: QName,
    pub status: String,
    pub runs: i64,
    pub seconds: f64,
    pub buckets: Vec<i64>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// All that was read.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub marts: Vec<MartFacts>,
    pub totals: Vec<Total>,
    pub reconcile: Option<String>,
    pub attempted_at: Option<DateTime<Utc>>,
    pub applied_at: Option<DateTime<Utc>>,
    pub drifted: Option<i32>,
    pub epoch: Option<i64>,
    pub requests: i64,
    /// Bytes of the logs of changes, by table.
    pub logs: Vec<(QName, i64)>,
}

pub(super) async fn read(conn: &mut PgConnection, registry: &str, project: &str) -> Result<Facts, ObserveError> {
    let sql = |text: &str| AssertSqlSafe(in_schema(text, registry));
    let marts = marts(&mut *conn, registry, project).await?;
    let totals = sql(include_str!("../sql/metrics_totals.sql"));
    let totals = sqlx::query(totals).bind(project).fetch_all(&mut *conn).await?;
    let whole = sql(include_str!("../sql/metrics_project.sql"));
    let whole = sqlx::query(whole).bind(project).fetch_one(conn).await?;
    Ok(Facts {
        marts,
        totals: totals.iter().map(total).collect::<Result<_, _>>()?,
        reconcile: whole.try_get("status")?,
        attempted_at: whole.try_get("attempted_at")?,
        applied_at: whole.try_get("applied_at")?,
        drifted: whole.try_get("drifted")?,
        epoch: whole.try_get("epoch")?,
        requests: whole.try_get("requests")?,
        logs: logs(&whole)?,
    })
}

fn logs(whole: &PgRow) -> Result<Vec<(QName, i64)>, sqlx::Error> {
    let texts = |column: &str| whole.try_get::<Vec<String>, _>(column);
    let names = texts("log_schemas")?.into_iter().zip(texts("log_names")?);
    let names = names.map(|(schema, name)| QName::new(schema, name));
    Ok(names.zip(whole.try_get::<Vec<i64>, _>("log_bytes")?).collect())
}

/// Every mart with rows.
pub(super) async fn marts(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<Vec<MartFacts>, ObserveError> {
    let sql = in_schema(include_str!("../sql/metrics_marts.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    Ok(rows.iter().map(mart).collect::<Result<_, _>>()?)
}

fn mart(row: &PgRow) -> Result<MartFacts, sqlx::Error> {
    let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
    Ok(MartFacts {
        label: label(&name),
        name,
        suspended: row.try_get("suspended")?,
        populated: row.try_get("populated")?,
        filled_at: row.try_get("filled_at")?,
        adopted: row.try_get("adopted")?,
        started_at: row.try_get("started_at")?,
        newest: row.try_get("newest")?,
        rows: row.try_get("rows")?,
        bytes: row.try_get("bytes")?,
        partitions: row.try_get("partitions")?,
        default_rows: row.try_get("default_rows")?,
    })
}

fn total(row: &PgRow) -> Result<Total, sqlx::Error> {
    Ok(Total {
        name: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("mart")?),
        status: row.try_get("status")?,
        runs: row.try_get("runs")?,
        seconds: row.try_get("seconds")?,
        buckets: row.try_get("buckets")?,
        finished_at: row.try_get("finished_at")?,
    })
}
