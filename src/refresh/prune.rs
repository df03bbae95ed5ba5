//! The history does not grow for ever: old runs go.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::database::SqlError;
use crate::database::registry::in_schema;

/// So many rows go in one statement: nobody waits long for what it locks.
const AT_ONCE: i64 = 5_000;
/// So many statements at most: what is left goes the next time.
const TIMES: usize = 40;

/// Removes the runs of a project that began before `before`, and tells how many. The last run of each mart and the last one that made its
/// data stay however old they are; what was counted of runs stays counted.
///
/// # Errors
/// What the server says.
pub async fn prune(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    before: DateTime<Utc>,
) -> Result<u64, SqlError> {
    let sql = in_schema(include_str!("sql/prune.sql"), registry);
    let mut gone = 0;
    for _ in 0..TIMES {
        let done = sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(project)
            .bind(before)
            .bind(AT_ONCE)
            .execute(&mut *conn)
            .await?
            .rows_affected();
        gone += done;
        if done == 0 {
            break;
        }
    }
    Ok(gone)
}
