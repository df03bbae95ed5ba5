//! The history: one row per run.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Method, Options, Run};
use crate::database::SqlError;
use crate::database::registry::in_schema;

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

/// This machine.
pub(super) fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}
