//! Statements that may fail without ending the transaction.

use sqlx::{AssertSqlSafe, PgConnection};

use super::CompileError;
use crate::database::SqlError;

/// How many marts are sent at once.
pub(super) const MARTS_PER_MESSAGE: usize = 100;

/// Runs `sql` so that its failure does not end the transaction.
pub(super) async fn savepoint(conn: &mut PgConnection, sql: &str) -> Result<Result<(), SqlError>, CompileError> {
    // A message of its own: one with a syntax error in it is refused before its first statement runs.
    sqlx::raw_sql("SAVEPOINT datamart_scratch").execute(&mut *conn).await?;
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await {
        Ok(_) => {
            sqlx::raw_sql("RESET ROLE; RELEASE SAVEPOINT datamart_scratch").execute(&mut *conn).await?;
            Ok(Ok(()))
        }
        Err(error @ sqlx::Error::Database(_)) => {
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_scratch; RESET ROLE; RELEASE SAVEPOINT datamart_scratch")
                .execute(&mut *conn)
                .await?;
            Ok(Err(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}
