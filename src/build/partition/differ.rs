//! Which partitions hold other rows than before.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::next::{NextPart, NextParts};
use crate::build::run::run;
use crate::build::session::{Frame, SessionState};
use crate::catalog::{Attached, Relation};
use crate::database::{Endpoint, SqlError};
use crate::state::{QName, quote_idents};

/// Fewer rows are counted before a session is open.
const MANY: i64 = 20_000;

/// The partitions whose rows changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Those.
    pub parts: Vec<NextPart>,
    /// How many rows they hold now.
    pub rows: u64,
    /// How many rows all partitions hold that were looked at.
    pub looked_at: u64,
    /// How many they held before.
    pub held: u64,
}

/// Compares the next partitions with those there are; those that hold the same rows are removed from what was built.
///
/// # Errors
/// What PostgreSQL says.
pub async fn changed(
    conn: &mut PgConnection,
    live: &Relation,
    next: &NextParts,
    frame: &Frame,
) -> Result<Changed, SqlError> {
    let columns = quote_idents(live.columns.iter().map(|column| &column.name));
    let mut session = SessionState::alone();
    let outcome = compare(conn, &mut session, &columns, next, frame).await;
    session.leave(conn).await?;
    outcome
}

async fn compare(
    conn: &mut PgConnection,
    session: &mut SessionState,
    columns: &str,
    next: &NextParts,
    frame: &Frame,
) -> Result<Changed, SqlError> {
    let mut changed = Changed::default();
    for part in &next.parts {
        session.enter(conn, frame).await?;
        let rows = match part.rows {
            Some(rows) => rows,
            None => count(conn, &part.next).await?,
        };
        changed.looked_at += rows;
        let held = match (&part.live, part.held) {
            (None, _) => None,
            (Some(_), Some(held)) => Some(held),
            (Some(attached), None) => Some(count(conn, &attached.name).await?),
        };
        changed.held += held.unwrap_or_default();
        let same = match &part.live {
            _ if held != Some(rows) => false,
            None => false,
            Some(_) if rows == 0 => true,
            // Looking costs about what exchanging it does.
            Some(_) if next.differ => false,
            Some(attached) => image(conn, &attached.name, columns).await? == image(conn, &part.next, columns).await?,
        };
        if same {
            run(conn, session, frame, &format!("DROP TABLE {}", part.next)).await?;
        } else {
            changed.rows += rows;
            changed.parts.push(part.clone());
        }
    }
    Ok(changed)
}

/// How many rows those partitions hold, by their numbers: counted by another session while their next rows are computed. What it
/// does not come to is counted later.
pub async fn held(
    endpoint: Option<&Endpoint>,
    mart: &QName,
    partitions: &[&Attached],
    frame: &Frame,
) -> HashMap<i64, u64> {
    let mut held = HashMap::new();
    let rows: i64 = partitions.iter().filter_map(|attached| attached.rows).sum();
    let Some(endpoint) = endpoint.filter(|_| rows >= MANY) else { return held };
    let Ok(mut conn) = endpoint.direct().session(&format!("count {mart}")).await else { return held };
    let mut session = SessionState::alone();
    if session.enter(&mut conn, frame).await.is_ok() {
        for attached in partitions {
            let Ok(rows) = count(&mut conn, &attached.name).await else { break };
            held.insert(attached.oid, rows);
        }
    }
    // Nothing depends on how it ends.
    let _ = conn.close().await;
    held
}

async fn count(conn: &mut PgConnection, table: &QName) -> Result<u64, SqlError> {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(conn).await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default())
}

/// What is the same for the same rows in whatever order. The text of a row tells it apart to the digit; of sums equal rows do
/// not cancel each other, as they would of exclusive ors.
async fn image(conn: &mut PgConnection, table: &QName, columns: &str) -> Result<Option<String>, SqlError> {
    let sql = format!("SELECT sum(hashtextextended(ROW({columns})::text, 0)::numeric)::text FROM {table}");
    Ok(sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(conn).await?.try_get(0)?)
}
