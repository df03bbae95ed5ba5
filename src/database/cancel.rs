//! Cancelling what server processes do.

use sqlx::{PgConnection, Row};

use super::SqlError;

/// Those that help a session hold a lock of this number and its process.
const HELPS: i32 = 0x646d;

/// What a session runs that helps the one of server process `pid`: who cancels that one cancels it, too.
pub fn helps(pid: i32) -> String {
    format!("SELECT pg_catalog.pg_advisory_lock_shared({HELPS}, {pid})")
}

/// Cancels the statements of server processes, and of those that help them; how many were told.
///
/// # Errors
/// What the server says.
pub async fn cancel(conn: &mut PgConnection, pids: &[i32]) -> Result<i64, SqlError> {
    let row = sqlx::query(include_str!("cancel.sql")).bind(pids).bind(HELPS).persistent(false).fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}
