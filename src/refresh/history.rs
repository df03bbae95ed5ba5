//! The history: one row per run.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{Method, Options, Run, RunStatus};
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::QName;

/// Opens a run's row. The caller holds the mart's lock, so that no other run of it can be alive.
pub(super) async fn begin(
    conn: &mut PgConnection,
    options: &Options,
    mart: &QName,
    method: Method,
    run: &Run,
) -> Result<i64, SqlError> {
    let abandon = in_schema(include_str!("sql/abandon.sql"), &options.registry);
    sqlx::query(AssertSqlSafe(abandon))
        .bind(&options.project)
        .bind(&mart.schema)
        .bind(&mart.name)
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/begin.sql"), &options.registry)))
        .bind(&options.project)
        .bind(&mart.schema)
        .bind(&mart.name)
        .bind(method.as_str())
        .bind(&run.reason)
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(host())
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// Closes it.
pub(super) async fn finish(conn: &mut PgConnection, options: &Options, run: &Run) -> Result<(), SqlError> {
    // A mart has checks only where an apply brought the registry up to date for them.
    if !run.checks.is_empty() {
        sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/checks.sql"), &options.registry)))
            .bind(run.run)
            .bind(serde_json::to_value(&run.checks).ok())
            .execute(&mut *conn)
            .await?;
    }
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/finish.sql"), &options.registry)))
        .bind(run.run)
        .bind(run.status.as_str())
        .bind(run.method.map(Method::as_str))
        .bind(&run.reason)
        .bind(run.finished_at)
        .bind(run.duration_ms)
        .bind(run.rows_inserted)
        .bind(run.rows_updated)
        .bind(run.rows_deleted)
        .bind(run.row_count)
        .bind(run.size_bytes)
        .bind(&run.newest)
        .bind(&run.snapshot)
        .bind(run.error.as_ref().and_then(|e| serde_json::to_value(e).ok()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes a run that did not begin.
pub(super) async fn not_begun(
    conn: &mut PgConnection,
    options: &Options,
    mart: &QName,
    run: &Run,
) -> Result<i64, SqlError> {
    debug_assert_ne!(run.status, RunStatus::Success);
    let row = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/skipped.sql"), &options.registry)))
        .bind(&options.project)
        .bind(&mart.schema)
        .bind(&mart.name)
        .bind(&run.reason)
        .bind(run.status.as_str())
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(host())
        .bind(run.error.as_ref().and_then(|e| serde_json::to_value(e).ok()))
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// This machine.
pub(super) fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}
