//! Reading without changing anything.

use datamart::manifest::Desired;
use datamart::observe;
use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{CommandError, Result};

/// Reads in one snapshot that changes nothing: READ ONLY, REPEATABLE READ, in UTC. Sizes and definitions need a lock that somebody's
/// `ALTER TABLE` keeps from us; it is waited for as long as the project says.
///
/// # Errors
/// What `read` or the server says.
pub async fn snapshot<T>(
    conn: &mut PgConnection,
    desired: impl Into<Option<&Desired>>,
    read: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
) -> Result<T> {
    observe::begin(conn).await?;
    begun(conn, desired.into(), read).await
}

/// As [`snapshot`], for rows: each statement sees its own moment, so that no mart is empty that is exchanged meanwhile.
///
/// # Errors
/// As [`snapshot`].
pub async fn rows<T>(
    conn: &mut PgConnection,
    desired: Option<&Desired>,
    read: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
) -> Result<T> {
    observe::begin_rows(conn).await?;
    begun(conn, desired, read).await
}

async fn begun<T>(
    conn: &mut PgConnection,
    desired: Option<&Desired>,
    read: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
) -> Result<T> {
    if let Some(desired) = desired {
        let wait = format!("SET LOCAL lock_timeout = {}", desired.project.database.lock_timeout_ms);
        sqlx::raw_sql(AssertSqlSafe(wait))
            .execute(&mut *conn)
            .await
            .map_err(|error| CommandError::sql("cannot begin to read", &error.into()))?;
    }
    let found = read(conn).await;
    let ended = observe::end(conn).await;
    let found = found?;
    ended?;
    Ok(found)
}
