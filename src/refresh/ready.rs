//! Partitions that are kept ready although nobody refreshes.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{Options, RefreshError, history, one};
use crate::build;
use crate::catalog::{CatalogError, Recorded, Relation, recorded, relations};
use crate::database::lock::mart_lock;
use crate::database::registry::{Owner, audit};
use crate::database::{Endpoint, ErrorKind, LockError, LockSession, SqlError};
use crate::state::{Mart, OnExpire, Partition, QName, SpanUnit, quote_ident};

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
    for (name, row) in marts {
        let mart = &row.mart;
        let ranges = mart.partition.as_ref().and_then(Partition::ranges);
        readied.hourly |= ranges.is_some_and(|ranges| ranges.interval.unit == SpanUnit::Hour);
        let lock = mart_lock(&name);
        match locks.acquire(&lock, Duration::ZERO).await {
            Ok(()) => {}
            Err(LockError::Held { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        // Whoever had the lock until now may have made partitions, or another mart of it.
        let Some(live) = still(&mut conn, options, &name, &row).await? else {
            locks.release(&lock).await?;
            continue;
        };
        let frame = one::frame(mart, &live, options, &user);
        // What was taken away with its rows is for the next apply or refresh, which fill it again.
        let kept = build::Kept { mart, live: &live, applied: row.applied.divided.as_ref(), fills: false };
        let upkept = build::upkeep(&mut conn, &kept, &frame, options.publish_lock_timeout_ms).await;
        if let Ok(upkept) = &upkept
            && !upkept.gone.is_empty()
        {
            left(&mut conn, options, mart, &name, &upkept.gone).await.map_err(CatalogError::from)?;
        }
        if upkept.as_ref().is_ok_and(|upkept| upkept.made > 0) {
            // Who refreshes it next does it where this fails.
            let _ = build::note_partitions(&mut conn, &options.registry, &live.name, &[], true).await;
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

/// The marts that are divided by time, by name.
async fn divided(conn: &mut PgConnection, options: &Options) -> Result<Vec<(QName, Recorded)>, CatalogError> {
    let rows = recorded(conn, &options.registry, &options.project).await?;
    let stored = rows.into_iter().map(|(name, row)| (name, row.stored()));
    let by_time = |row: &Recorded| row.mart.partition.as_ref().is_some_and(|partition| partition.ranges().is_some());
    Ok(stored.filter(|(_, row)| by_time(row)).collect())
}

/// What stores a mart's rows now; `None` where it is not the mart any more that `row` says, which the next look sees.
async fn still(
    conn: &mut PgConnection,
    options: &Options,
    name: &QName,
    row: &Recorded,
) -> Result<Option<Relation>, CatalogError> {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *conn).await?;
    let sql = format!(
        "SELECT changed_at FROM {}.marts WHERE project = $1 AND schema = $2 AND name = $3 AND status <> 'dropped'",
        quote_ident(&options.registry)
    );
    let changed = sqlx::query(AssertSqlSafe(sql)).bind(&options.project).bind(&name.schema).bind(&name.name);
    let changed: Option<DateTime<Utc>> = match changed.fetch_optional(&mut *conn).await? {
        Some(row) => Some(row.try_get(0)?),
        None => None,
    };
    let live = match changed == Some(row.changed_at) {
        true => relations(conn, &[row.mart.name.clone()].into(), &BTreeSet::new()).await?.remove(&row.mart.name),
        false => None,
    };
    sqlx::raw_sql("ROLLBACK").execute(conn).await?;
    Ok(live.filter(|live| live.partitioned_by.is_some()))
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
    Ok(row.try_get(0)?)
}
