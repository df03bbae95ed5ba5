//! The one function that runs DDL.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::session::{Frame, SessionState};
use crate::database::SqlError;
use crate::database::retry::Backoff;

/// How often a publication tries for its short lock before it gives up.
pub const PUBLICATION_TRIES: u32 = 20;

/// Runs one statement within `frame`.
pub async fn run(
    conn: &mut PgConnection,
    session: &mut SessionState,
    frame: &Frame,
    sql: &str,
) -> Result<u64, SqlError> {
    session.enter(conn, frame).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await?;
    Ok(done.rows_affected())
}

/// Runs one statement of a publication: it wants a lock that readers hold, asks for it briefly, lets the readers that
/// queued behind it pass, and asks again.
pub async fn publication(
    conn: &mut PgConnection,
    session: &mut SessionState,
    frame: &Frame,
    sql: &str,
) -> Result<u64, SqlError> {
    session.enter(conn, frame).await?;
    let backoff = Backoff {
        attempts: PUBLICATION_TRIES,
        first: Duration::from_millis(20),
        longest: Duration::from_millis(500),
    };
    let mut failures = 0;
    loop {
        let attempt = format!("SAVEPOINT datamart_publication;{sql}");
        match sqlx::raw_sql(AssertSqlSafe(attempt)).execute(&mut *conn).await {
            Ok(done) => {
                sqlx::raw_sql("RELEASE SAVEPOINT datamart_publication").execute(conn).await?;
                return Ok(done.rows_affected());
            }
            Err(error) => {
                let error = SqlError::from(error);
                failures += 1;
                let busy = error.is("55P03") || error.is("40P01");
                if !busy || failures >= PUBLICATION_TRIES {
                    return Err(error);
                }
                sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_publication").execute(&mut *conn).await?;
                backoff.wait(failures).await;
            }
        }
    }
}
