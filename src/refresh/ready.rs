//! Partitions that are kept ready although nobody refreshes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use sqlx::PgConnection;

use super::{Options, RefreshError, history, one};
use crate::build;
use crate::catalog::{CatalogError, Recorded, Relation, recorded, relations};
use crate::database::registry::{Owner, audit};
use crate::database::{Endpoint, ErrorKind, LockError, LockSession, SqlError};
use crate::state::{Mart, OnExpire, Partition, QName, SpanUnit};

/// What was done about the partitions of a project's marts.
#[derive(Debug, Clone, Default)]
pub struct Readied {
    /// Partitions that were made.
    pub made: usize,
    /// Partitions that left because they were too old.
    pub gone: usize,
    /// A mart has partitions of hours: a look a day is not enough.
    pub hourly: bool,
    /// Marts whose partitions could not be looked after, and why; the others were.
    pub failed: Vec<(QName, SqlError)>,
}

/// Makes the partitions that the marts of a project lack by now, and lets go those that are too old. A mart that is being
/// refreshed is passed by: its refresh does the same. One that fails keeps nobody else waiting.
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
    for (name, row, live) in marts {
        let mart = &row.mart;
        let ranges = mart.partition.as_ref().and_then(Partition::ranges);
        readied.hourly |= ranges.is_some_and(|ranges| ranges.interval.unit == SpanUnit::Hour);
        let lock = format!("mart:{name}");
        match locks.acquire(&lock, Duration::ZERO).await {
            Ok(()) => {}
            Err(LockError::Held { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        let frame = one::frame(mart, &live, options, &user);
        // What was taken away with its rows is for the next apply or refresh, which fill it again.
        let kept = build::Kept { mart, live: &live, applied: row.applied.divided.as_ref(), fills: false };
        let upkept = build::upkeep(&mut conn, &kept, &frame, options.publish_lock_timeout_ms).await;
        if let Ok(upkept) = &upkept
            && !upkept.gone.is_empty()
        {
            left(&mut conn, options, mart, &name, &upkept.gone).await.map_err(CatalogError::from)?;
        }
        locks.release(&lock).await?;
        match upkept {
            Ok(upkept) => {
                readied.made += upkept.made;
                readied.gone += upkept.gone.len();
            }
            Err(error) if error.kind == ErrorKind::Connection => return Err(CatalogError::from(error).into()),
            Err(error) => readied.failed.push((name, error)),
        }
    }
    Ok(readied)
}

/// The marts that are divided by time, by name, with what stores their rows.
async fn divided(conn: &mut PgConnection, options: &Options) -> Result<Vec<(QName, Recorded, Relation)>, CatalogError> {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *conn).await?;
    let rows = recorded(conn, &options.registry, &options.project).await?;
    let stored = rows.into_iter().map(|(name, row)| (name, row.stored()));
    let by_time = |row: &Recorded| row.mart.partition.as_ref().is_some_and(|partition| partition.ranges().is_some());
    let rows: Vec<(QName, Recorded)> = stored.filter(|(_, row)| by_time(row)).collect();
    let names: BTreeSet<QName> = rows.iter().map(|(_, row)| row.mart.name.clone()).collect();
    let mut found = relations(conn, &names, &BTreeSet::new()).await?;
    sqlx::raw_sql("ROLLBACK").execute(conn).await?;
    let there = |(name, row): (QName, Recorded)| {
        let live = found.remove(&row.mart.name).filter(|live| live.partitioned_by.is_some())?;
        Some((name, row, live))
    };
    Ok(rows.into_iter().filter_map(there).collect())
}

/// Writes which partitions left a mart, with their rows or as tables of their own.
async fn left(
    conn: &mut PgConnection,
    options: &Options,
    mart: &Mart,
    name: &QName,
    gone: &[QName],
) -> Result<(), SqlError> {
    let by = Owner { project: options.project.clone(), who: options.requested_by.clone(), host: history::host() };
    let detaches = mart.partition.as_ref().and_then(Partition::ranges).is_some_and(|r| r.on_expire == OnExpire::Detach);
    let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
    let detail = json!({ if detaches { "detached" } else { "dropped" }: gone });
    audit(conn, &options.registry, &by, "partitions", Some(&name.to_string()), &detail).await
}

async fn user(conn: &mut PgConnection) -> Result<String, CatalogError> {
    let row = sqlx::query("SELECT current_user::text").fetch_one(conn).await.map_err(SqlError::from)?;
    Ok(sqlx::Row::try_get(&row, 0)?)
}
