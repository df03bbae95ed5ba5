//! The history does not grow for ever: old runs go.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::database::SqlError;
use crate::database::registry::in_schema;

/// So many rows go in one statement: nobody waits long for what it locks.
const AT_ONCE: usize = 5_000;
/// So many go at most: what is left goes the next time.
const MOST: i64 = 200_000;

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
    let old: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(in_schema(include_str!("sql/prune.sql"), registry)))
        .bind(project)
        .bind(before)
        .bind(MOST)
        .fetch_one(&mut *conn)
        .await?;
    let mut gone = 0;
    for runs in old.chunks(AT_ONCE) {
        let sql = in_schema("DELETE FROM {registry}.refreshes WHERE run = ANY ($1)", registry);
        gone += sqlx::query(AssertSqlSafe(sql)).bind(runs).execute(&mut *conn).await?.rows_affected();
    }
    Ok(gone)
}
