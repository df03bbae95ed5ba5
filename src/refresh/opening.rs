//! The row of a run when it begins, or does not.
//!
//! A row of a daemon's run says why and under which leadership; by hand none of that is said, and a registry of an older format
//! has no place for it.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{Item, Method, Options, RefreshError, Run, RunStatus, history};
use crate::database::SqlError;
use crate::database::registry::in_schema;

/// Opens a run's row, or the one that waits for it; `false` where that was cancelled meanwhile. The caller holds the mart's lock, so
/// that no other run of it can be alive.
///
/// # Errors
/// [`RefreshError::Superseded`] where a newer leadership is known; what the server says.
pub(super) async fn begin(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    run: &mut Run,
) -> Result<bool, RefreshError> {
    let text = match (item.asked.run, options.epoch) {
        (Some(_), _) => include_str!("sql/begin_queued.sql"),
        (None, Some(_)) => include_str!("sql/begin_led.sql"),
        (None, None) => include_str!("sql/begin.sql"),
    };
    let mut query = sqlx::query(AssertSqlSafe(in_schema(text, &options.registry)))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(run.method.map(Method::as_str))
        .bind(&run.reason)
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(history::host());
    if item.asked.run.is_some() || options.epoch.is_some() {
        query = query.bind(item.asked.cause).bind(options.epoch).bind(item.asked.due_at);
    }
    if let Some(waiting) = item.asked.run {
        query = query.bind(waiting);
    }
    let row = query.fetch_optional(&mut *conn).await.map_err(history)?;
    if let Some(row) = row {
        run.run = row.try_get(0).map_err(history)?;
        return Ok(true);
    }
    refused(conn, options).await?;
    run.run = item.asked.run.unwrap_or_default();
    run.status = RunStatus::Cancelled;
    Ok(false)
}

/// Writes a run that did not begin.
///
/// # Errors
/// What the server says.
pub(super) async fn record(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    mut run: Run,
) -> Result<Run, RefreshError> {
    debug_assert_ne!(run.status, RunStatus::Success);
    let text = match (item.asked.run, options.epoch) {
        (Some(_), _) => include_str!("sql/skipped_queued.sql"),
        (None, Some(_)) => include_str!("sql/skipped_led.sql"),
        (None, None) => include_str!("sql/skipped.sql"),
    };
    let mut query = sqlx::query(AssertSqlSafe(in_schema(text, &options.registry)))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(&run.reason)
        .bind(run.status.as_str())
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(history::host())
        .bind(run.error.as_ref().and_then(|e| serde_json::to_value(e).ok()));
    if item.asked.run.is_some() || options.epoch.is_some() {
        query = query.bind(item.asked.cause).bind(options.epoch).bind(item.asked.due_at);
    }
    if let Some(waiting) = item.asked.run {
        query = query.bind(waiting);
    }
    let row = query.fetch_optional(&mut *conn).await.map_err(history)?;
    match row {
        Some(row) => run.run = row.try_get(0).map_err(history)?,
        // Nobody waits for it any more.
        None => run.run = item.asked.run.unwrap_or_default(),
    }
    Ok(run)
}

/// Tells a newer leadership from a request that was cancelled.
async fn refused(conn: &mut PgConnection, options: &Options) -> Result<(), RefreshError> {
    let Some(epoch) = options.epoch else { return Ok(()) };
    let newer = sqlx::query_scalar(AssertSqlSafe(in_schema(include_str!("sql/epoch.sql"), &options.registry)))
        .bind(&options.project)
        .fetch_optional(conn)
        .await
        .map_err(history)?;
    match newer {
        Some(newer) if newer > epoch => Err(RefreshError::Superseded { epoch, newer }),
        _ => Ok(()),
    }
}

fn history(error: sqlx::Error) -> RefreshError {
    RefreshError::History(SqlError::from(error))
}
