//! Who did what: one row for every change that somebody made.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::text::in_schema;
use crate::database::SqlError;

const AUDIT: &str = include_str!("audit.sql");

/// Who does something that the audit keeps.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The project.
    pub project: String,
    /// The user, or what the API knows the caller as.
    pub who: String,
    /// The machine.
    pub host: String,
}

/// Writes that `by` did `action` to `address` (a mart's full name, a plan's fingerprint; `None`: the whole project), in the
/// caller's transaction: nothing is done without its row, and no row stays of what was not done.
///
/// The words of `action` so far: those of a plan's changes (`create`, `update`, `replace`, `delete`, `rename`, `publish`, `adopt`),
/// `heal`, `refresh`, `cancel`, `approve`, `suspend`, `resume`, `schedule`, `claim`, `unlock`,
/// `partitions`.
///
/// # Errors
/// What the server says.
pub async fn audit(
    conn: &mut PgConnection,
    schema: &str,
    by: &Owner,
    action: &str,
    address: Option<&str>,
    detail: &Value,
) -> Result<(), SqlError> {
    sqlx::query(AssertSqlSafe(in_schema(AUDIT, schema)))
        .bind(&by.project)
        .bind(&by.who)
        .bind(&by.host)
        .bind(action)
        .bind(address)
        .bind(detail)
        .execute(conn)
        .await?;
    Ok(())
}
