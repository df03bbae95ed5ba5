//! Partitions that are kept ready although nobody refreshes.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::PgConnection;

use super::{Options, RefreshError, one};
use crate::build;
use crate::catalog::{CatalogError, Recorded, Relation, recorded, relations};
use crate::database::{Endpoint, LockError, LockSession, SqlError};
use crate::state::{Partition, QName, SpanUnit};

/// What was done about the partitions of a project's marts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readied {
    /// Partitions that were made.
    pub made: usize,
    /// Partitions that left because they were too old.
    pub gone: usize,
    /// A mart has partitions of hours: a look a day is not enough.
    pub hourly: bool,
}

/// Makes the partitions that the marts of a project lack by now, and lets go those that are too old. A mart that is being
/// refreshed is passed by: its refresh does the same.
///
/// # Errors
/// What the server says.
pub async fn keep_partitions(endpoint: &Endpoint, options: &Options) -> Result<Readied, RefreshError> {
    let mut conn = endpoint.session("partitions").await?;
    let marts = divided(&mut conn, options).await?;
    let mut readied = Readied::default();
    if marts.is_empty() {
        return Ok(readied);
    }
    let user = user(&mut conn).await?;
    let mut locks = LockSession::open(endpoint, &options.registry, &options.project, "partitions").await?;
    for (row, live) in marts {
        let mart = &row.mart;
        let ranges = mart.partition.as_ref().and_then(Partition::ranges);
        readied.hourly |= ranges.is_some_and(|ranges| ranges.interval.unit == SpanUnit::Hour);
        let lock = format!("mart:{}", mart.name);
        match locks.acquire(&lock, Duration::ZERO).await {
            Ok(()) => {}
            Err(LockError::Held { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        let frame = one::frame(mart, &live, options, &user);
        let upkept = build::upkeep(&mut conn, mart, &live, &frame, options.publish_lock_timeout_ms).await;
        locks.release(&lock).await?;
        let upkept = upkept.map_err(CatalogError::from)?;
        readied.made += upkept.made;
        readied.gone += upkept.gone;
    }
    Ok(readied)
}

/// The marts that are divided by time, as they are.
async fn divided(conn: &mut PgConnection, options: &Options) -> Result<Vec<(Recorded, Relation)>, CatalogError> {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *conn).await?;
    let mut rows = recorded(conn, &options.registry, &options.project).await?;
    rows.retain(|_, row| row.mart.partition.as_ref().is_some_and(|partition| partition.ranges().is_some()));
    let names: BTreeSet<QName> = rows.keys().cloned().collect();
    let mut found = relations(conn, &names, &BTreeSet::new()).await?;
    sqlx::raw_sql("ROLLBACK").execute(conn).await?;
    let there = |(name, row)| Some((row, found.remove(&name).filter(|live| live.partitioned_by.is_some())?));
    Ok(rows.into_iter().filter_map(there).collect())
}

async fn user(conn: &mut PgConnection) -> Result<String, CatalogError> {
    let row = sqlx::query("SELECT current_user::text").fetch_one(conn).await.map_err(SqlError::from)?;
    Ok(sqlx::Row::try_get(&row, 0)?)
}
