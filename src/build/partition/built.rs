//! When partitions were built.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::QName;

/// Notes it of those of `parent` that nobody noted yet, and of those in `anew`, whose rows were written anew in place. Outside of a
/// transaction (`alone`) nobody waits for it to be on disk.
///
/// # Errors
/// What the server says.
pub async fn note_partitions(
    conn: &mut PgConnection,
    registry: &str,
    parent: &QName,
    anew: &[i64],
    alone: bool,
) -> Result<(), SqlError> {
    let sql = in_schema(include_str!("../sql/note_partitions.sql"), registry);
    let noted = sqlx::query(AssertSqlSafe(sql)).bind(parent.to_string()).bind(anew).bind(alone).execute(conn).await;
    match noted.map_err(SqlError::from) {
        // A registry that no apply has brought up to date yet has no place for it.
        Err(error) if !error.is("42P01") => Err(error),
        _ => Ok(()),
    }
}
