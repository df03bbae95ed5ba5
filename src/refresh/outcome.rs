//! What came of a mart's refresh, and whether it may be published.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{Item, Method};
use crate::build::{Frame, SessionState};
use crate::catalog::Relation;
use crate::database::lock::still_held;
use crate::database::{ErrorKind, SqlError};
use crate::state::{QName, quote_ident};

/// What a run found out while it worked.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub method: Option<Method>,
    pub reason: Option<String>,
    pub inserted: Option<i64>,
    pub updated: Option<i64>,
    pub deleted: Option<i64>,
    pub row_count: Option<i64>,
    pub size_bytes: Option<i64>,
    pub newest: Option<String>,
    pub snapshot: Option<String>,
    /// The relation that stores the rows now, where it is another one.
    pub stored: Option<QName>,
}

/// Nothing is published without the lock.
pub(super) async fn keep(conn: &mut PgConnection, holder: i32) -> Result<(), SqlError> {
    match still_held(conn, holder).await? {
        true => Ok(()),
        false => Err(SqlError::new(ErrorKind::Lock, "the lock of this refresh was taken away; the old rows stay")),
    }
}

/// Rows, bytes and newest data afterwards.
pub(super) async fn measure(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    frame: &Frame,
    outcome: &mut Outcome,
) -> Result<(), SqlError> {
    let stored = outcome.stored.clone();
    let name = stored.as_ref().unwrap_or(&live.name);
    let newest = match item.recorded.mart.freshness.as_ref().and_then(|f| f.column.as_ref()) {
        Some(column) => format!("to_jsonb(max({})) #>> '{{}}'", quote_ident(column)),
        None => "NULL::text".to_owned(),
    };
    let count = if outcome.row_count.is_some() { "NULL::bigint" } else { "count(*)" };
    let from =
        if outcome.row_count.is_some() && newest.starts_with("NULL") { String::new() } else { format!(" FROM {name}") };
    let sql = format!("SELECT {count} AS rows, {newest} AS newest{from}");
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await;
    session.leave(conn).await?;
    let row = row?;
    if let Some(rows) = row.try_get::<Option<i64>, _>("rows")? {
        outcome.row_count = Some(rows);
    }
    outcome.newest = row.try_get("newest")?;
    let size = sqlx::query("SELECT pg_catalog.pg_total_relation_size(to_regclass($1))")
        .bind(name.to_string())
        .fetch_one(conn)
        .await?;
    outcome.size_bytes = size.try_get(0)?;
    Ok(())
}
