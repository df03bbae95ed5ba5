//! What came of a mart's refresh, and whether it may be published.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::decision::Decision;
use super::{Item, Method, RunStatus};
use crate::build::{Frame, SessionState};
use crate::catalog::Relation;
use crate::database::{ErrorKind, SqlError};
use crate::sql::newest_moment;
use crate::state::{QName, quote_literal};

/// What a run found out while it worked.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub method: Option<Method>,
    pub reason: Option<String>,
    pub inserted: Option<i64>,
    pub updated: Option<i64>,
    pub deleted: Option<i64>,
    pub row_count: Option<i64>,
    pub size_bytes: Option<i64>,
    pub newest: Option<String>,
    pub snapshot: Option<String>,
    /// What its transaction had logged itself of what it reads, when it looked.
    pub own: i64,
    /// The relation that stores the rows now, where it is another one.
    pub stored: Option<QName>,
    /// The transaction of the rows is open: the run's row of history is written in it.
    pub open: bool,
    /// How it ended, where not with new rows.
    pub status: Option<RunStatus>,
    /// What was decided about changes.
    pub decision: Option<Decision>,
    /// What could not be done after its rows were published.
    pub left: Vec<String>,
}

impl Outcome {
    /// What is done after the rows are published fails nothing any more, unless the connection went with it: `what` is left undone,
    /// and the history says so.
    ///
    /// # Errors
    /// A connection that is lost.
    pub fn afterwards(&mut self, what: &str, done: Result<(), SqlError>) -> Result<(), SqlError> {
        match done {
            Err(error) if error.kind == ErrorKind::Connection => Err(error),
            Err(error) => {
                self.left.push(format!("{what}: {error}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Reads what [`figures`] tells, among other rows.
    pub fn read(&mut self, told: &[PgRow]) -> Result<(), SqlError> {
        let Some(row) = told.iter().find(|row| row.try_column("bytes").is_ok()) else { return Ok(()) };
        self.row_count = row.try_get::<Option<i64>, _>("rows")?.or(self.row_count);
        self.newest = row.try_get("newest")?;
        self.size_bytes = row.try_get("bytes")?;
        Ok(())
    }
}

/// The query for rows, bytes and newest data of the relation that stores them, as far as `outcome` does not know them.
pub(super) fn figures(item: &Item, stored: &QName, outcome: &Outcome) -> String {
    let recorded = &item.recorded;
    let newest = recorded.mart.freshness.as_ref().and_then(|freshness| {
        let column = recorded.applied.columns.iter().find(|column| Some(&column.name) == freshness.column.as_ref())?;
        newest_moment(&column.name, &column.type_name, &recorded.mart.timezone)
    });
    let count = outcome.row_count.is_none().then_some("count(*)");
    let from = if newest.is_some() || count.is_some() { format!(" FROM {stored}") } else { String::new() };
    let stored = quote_literal(&stored.to_string());
    let bytes = match item.recorded.mart.partition {
        None => format!("pg_catalog.pg_total_relation_size(to_regclass({stored}))"),
        Some(_) => format!(
            "(SELECT coalesce(sum(pg_catalog.pg_total_relation_size(relid)), 0)::bigint \
             FROM pg_catalog.pg_partition_tree(to_regclass({stored})))"
        ),
    };
    format!(
        "SELECT {} AS rows, {} AS newest, {bytes} AS bytes{from}",
        count.unwrap_or("NULL::bigint"),
        newest.as_deref().unwrap_or("NULL::text"),
    )
}

/// Rows, bytes and newest data afterwards, in one message. What cannot be read is not known.
///
/// # Errors
/// A connection that is lost.
pub(super) async fn measure(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    frame: &Frame,
    outcome: &mut Outcome,
) -> Result<(), SqlError> {
    let figures = figures(item, outcome.stored.as_ref().unwrap_or(&live.name), outcome);
    let enter = SessionState::in_transaction().entering(frame);
    let sql = format!("BEGIN READ ONLY;{enter}{figures};COMMIT");
    let measured = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await {
        Ok(told) => outcome.read(&told),
        Err(error) => {
            // The connection may be gone; the server rolls back then by itself.
            let _ = sqlx::raw_sql("ROLLBACK").execute(conn).await;
            Err(error.into())
        }
    };
    outcome.afterwards("its rows were not counted", measured)
}
