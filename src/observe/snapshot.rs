//! One snapshot for everything that is told together.

use sqlx::PgConnection;

use crate::database::SqlError;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL TimeZone = 'UTC'";

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
