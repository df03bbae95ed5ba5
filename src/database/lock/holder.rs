//! Who holds our locks.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Row};

use crate::database::registry::in_schema;
use crate::database::{DatabaseError, ErrorKind, SqlError};

const HOLDERS: &str = include_str!("holders.sql");
const SESSIONS: &str = include_str!("sessions.sql");
const TERMINATE: &str = include_str!("terminate.sql");

/// A session that holds one of our locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The advisory lock's key.
    pub key: i64,
    /// The project, where the registry tells it.
    pub project: Option<String>,
    /// The lock's name (`apply`, or a mart), where the registry tells it.
    pub name: Option<String>,
    /// The process of the session on the database server.
    pub pid: i32,
    /// The machine the command runs on.
    pub host: Option<String>,
    /// What it says it does, `datamart: apply`.
    pub application: Option<String>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
}

impl FromRow<'_, PgRow> for Holder {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get("key")?,
            project: row.try_get("project")?,
            name: row.try_get("name")?,
            pid: row.try_get("pid")?,
            host: row.try_get("host")?,
            application: row.try_get("application")?,
            since: row.try_get("since")?,
        })
    }
}

/// The sessions that hold our locks in this database, oldest first. One row per lock. Not in a transaction: where the registry cannot
/// be read, that statement fails and another one answers.
///
/// # Errors
/// What the server says, but for a missing or forbidden registry.
pub async fn holders(conn: &mut PgConnection, schema: &str) -> Result<Vec<Holder>, SqlError> {
    let told = sqlx::query_as(AssertSqlSafe(in_schema(HOLDERS, schema)))
        .persistent(false)
        .fetch_all(&mut *conn)
        .await
        .map_err(SqlError::from);
    match told {
        Err(error) if silent(&error) => {
            let seen = sqlx::query_as(SESSIONS).persistent(false).fetch_all(conn).await;
            Ok(seen?)
        }
        told => told,
    }
}

/// Whether the server process `pid` still holds a lock: its session may have been ended by `unlock`, or have broken.
///
/// # Errors
/// What the server says.
pub async fn still_held(conn: &mut PgConnection, pid: i32) -> Result<bool, SqlError> {
    let row = sqlx::query(include_str!("alive.sql")).bind(pid).fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}

/// Ends the session `pid`, if it holds one of our locks; `false` where it does not, or is gone.
///
/// # Errors
/// What the server says: a role may end the sessions of its own role, or of any with `pg_signal_backend`.
pub async fn terminate(conn: &mut PgConnection, schema: &str, pid: i32) -> Result<bool, DatabaseError> {
    if !holders(conn, schema).await?.iter().any(|holder| holder.pid == pid) {
        return Ok(false);
    }
    let ended = sqlx::query_scalar(TERMINATE).bind(pid).persistent(false).fetch_one(conn).await;
    Ok(ended?)
}

/// Whether an error only means that the registry is not there, or not for this role, or not to be written to.
pub(super) fn silent(error: &SqlError) -> bool {
    // On a standby the rows, which are unlogged, cannot even be looked at.
    error.is("0A000") || matches!(error.kind, ErrorKind::Missing | ErrorKind::Privilege | ErrorKind::ReadOnly)
}
