//! One snapshot for everything that is told together.

use sqlx::PgConnection;

use crate::database::SqlError;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL TimeZone = 'UTC'";

const BEGIN_ROWS: &str = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY; SET LOCAL TimeZone = 'UTC'";

/// Begins a transaction that changes nothing and reads rows, in UTC: each of its statements sees its own moment, behind the locks on
/// what it reads. To a snapshot that is older than them, a mart that was exchanged in between has no rows.
/// <https://www.postgresql.org/docs/current/mvcc-caveats.html>
///
/// # Errors
/// What the server says.
pub async fn begin_rows(conn: &mut PgConnection) -> Result<(), SqlError> {
    sqlx::raw_sql(BEGIN_ROWS).execute(conn).await?;
    Ok(())
}

/// Begins a transaction that changes nothing and sees one moment, in UTC.
///
/// # Errors
/// What the server says.
pub async fn begin(conn: &mut PgConnection) -> Result<(), SqlError> {
    sqlx::raw_sql(BEGIN).execute(conn).await?;
    Ok(())
}

/// Ends it, whether it failed or not.
///
/// # Errors
/// What the server says.
pub async fn end(conn: &mut PgConnection) -> Result<(), SqlError> {
    sqlx::raw_sql("COMMIT").execute(conn).await?;
    Ok(())
}
