//! Requests: runs that wait in the history until the daemon that leads takes them, and runs that are to stop.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{Asked, How, history};
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::QName;

/// What became of a wish to stop a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It had not begun, and will not.
    Queued,
    /// Its session was told; the run's row says how it ended.
    Told,
    /// It had ended by itself, or its session is gone.
    Ended,
    /// There is no run of that number.
    Unknown,
}

/// Writes a waiting run for each of these marts and wakes the daemons; all of it or nothing. A request that waits already, asked for
/// alike, is not doubled. The numbers come back in the order of the marts, each named once.
///
/// # Errors
/// What the server says.
pub async fn enqueue(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    marts: &[QName],
    asked: &Asked,
    requested_by: &str,
) -> Result<Vec<i64>, SqlError> {
    let mut transaction = conn.begin().await?;
    let schemas: Vec<&str> = marts.iter().map(|mart| mart.schema.as_str()).collect();
    let names: Vec<&str> = marts.iter().map(|mart| mart.name.as_str()).collect();
    let rows = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/enqueue.sql"), registry)))
        .bind(project)
        .bind(schemas)
        .bind(names)
        .bind(options(asked))
        .bind(requested_by)
        .bind(history::host())
        .fetch_all(&mut *transaction)
        .await?;
    let mut runs = Vec::with_capacity(rows.len());
    let mut added: Vec<i64> = Vec::new();
    for row in rows {
        let run = row.try_get("run")?;
        if row.try_get("added")? {
            added.push(run);
        }
        runs.push(run);
    }
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/requested.sql"), registry)))
        .bind(&added)
        .bind(added.iter().min())
        .execute(&mut *transaction)
        .await?;
    wake(&mut transaction, project, "runs").await?;
    transaction.commit().await?;
    Ok(runs)
}

/// Wakes the daemons of a project at the end of the caller's transaction: `what` is `runs`, `overrides`, `approval` or `revision`.
///
/// # Errors
/// What the server says.
pub async fn wake(conn: &mut PgConnection, project: &str, what: &str) -> Result<(), SqlError> {
    sqlx::query(include_str!("sql/wake.sql")).bind(project).bind(what).execute(conn).await?;
    Ok(())
}

/// Stops a run: one that waits never begins, one at work is cancelled on the server, if it still runs.
///
/// # Errors
/// What the server says: a role may cancel the statements of its own role, or of any with `pg_signal_backend`.
pub async fn cancel(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    run: i64,
    by: &str,
) -> Result<Stopped, SqlError> {
    let mut transaction = conn.begin().await?;
    let waited = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/cancel_queued.sql"), registry)))
        .bind(project)
        .bind(run)
        .bind(by)
        .execute(&mut *transaction)
        .await?;
    if waited.rows_affected() > 0 {
        wake(&mut transaction, project, "runs").await?;
        transaction.commit().await?;
        return Ok(Stopped::Queued);
    }
    let held = sqlx::query_scalar(AssertSqlSafe(in_schema(include_str!("sql/hold_running.sql"), registry)))
        .bind(project)
        .bind(run)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(status): Option<String> = held else { return Ok(Stopped::Unknown) };
    if status != "running" {
        return Ok(Stopped::Ended);
    }
    let told: Option<bool> =
        sqlx::query_scalar(AssertSqlSafe(in_schema(include_str!("sql/cancel_running.sql"), registry)))
            .bind(project)
            .bind(run)
            .fetch_optional(&mut *transaction)
            .await?;
    transaction.commit().await?;
    Ok(if told == Some(true) { Stopped::Told } else { Stopped::Ended })
}

/// As the registry keeps how a run was asked for; `None` where nothing was said.
fn options(asked: &Asked) -> Option<Value> {
    let mut options = Map::new();
    let how = match asked.how {
        How::AsDeclared => None,
        How::Full => Some("full"),
        How::Incremental => Some("incremental"),
        How::Smart => Some("smart"),
    };
    options.extend(how.map(|how| ("how".to_owned(), how.into())));
    options.extend(asked.days.map(|days| ("days".to_owned(), days.into())));
    options.extend(asked.concurrent.map(|concurrent| ("concurrent".to_owned(), concurrent.into())));
    (!options.is_empty()).then_some(Value::Object(options))
}
