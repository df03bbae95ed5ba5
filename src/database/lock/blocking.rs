//! Who keeps a relation from everybody, which PostgreSQL does not say.

use sqlx::{PgConnection, Row};

use super::LockError;
use crate::database::SqlError;

/// The same error with who holds such locks, where a relation's lock was not to be had in time; as far as that can be seen once it has
/// happened. Not in a transaction that failed.
pub async fn blocked(conn: &mut PgConnection, error: SqlError) -> SqlError {
    if !error.is("55P03") {
        return error;
    }
    // Where they cannot be seen the error says enough.
    match holders(conn).await {
        Ok(held) if !held.is_empty() => error.detailed(held.join("; ")),
        _ => error,
    }
}

async fn holders(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(include_str!("blocking.sql")).persistent(false).fetch_all(conn).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        let held = LockError::Held {
            name: format!("of {}", row.try_get::<String, _>("relations")?),
            pid: Some(row.try_get("pid")?),
            host: None,
            application: row.try_get("application")?,
            since: row.try_get("since")?,
        };
        Ok(held.to_string())
    };
    rows.iter().map(one).collect()
}
