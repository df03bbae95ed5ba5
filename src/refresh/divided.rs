//! Refreshing a partitioned mart: partitions are kept ready, built aside and exchanged where they differ.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::again::before_publishing;
use super::outcome::{Outcome, keep};
use super::part::type_of;
use super::{Item, Method, Options};
use crate::build::{self, Changed, CheckResult, Cut, Frame, NextParts, SessionState};
use crate::catalog::{Attached, CatalogError, Relation, relations, time_of};
use crate::database::{ErrorKind, SqlError};
use crate::state::{Mart, PUBLICATION_TRIES, Partition, QName, quote_literal, range_of};

/// Beyond this part of the rows the mart itself is analysed: its partitions are, whatever changes.
const ANALYZE_ABOVE: f64 = 0.1;

/// Brings a partitioned mart's rows up to date: those of the partitions from `start` on, or all.
pub(super) async fn refresh(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    start: Option<&str>,
    options: &Options,
    (frame, holder): (&Frame, i32),
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let mart = &item.recorded.mart;
    let before = live;
    let live = ready(conn, mart, before, options, frame).await?;
    // A partition that was gone and is not the newest has no rows yet.
    let start = start.filter(|_| !has_gaps(before, &live));
    let cut = cut(conn, mart, &live, start, frame).await?;
    let next = build::build_parts(conn, mart, &live, cut.as_ref(), frame, checks).await?;
    keep(conn, holder).await?;
    let published = publish(conn, item, &live, &next, options, frame).await;
    if published.is_err() {
        // What was built goes; where the connection is gone, the next refresh removes it.
        let _ = build::remove_leftovers(conn, &mart.name, build::Needed::Yes, frame).await;
    }
    let (mut outcome, whole) = published?;
    let method = if start.is_some() { Method::Partition } else { Method::Exchange };
    outcome.method = outcome.method.or(Some(method));
    outcome.snapshot = Some(next.snapshot.clone());
    if whole || live.tuples < 0.0 {
        alone(conn, frame, &format!("ANALYZE {}", live.name)).await?;
    }
    Ok(outcome)
}

/// Whether partitions came that are not beyond all that were there.
fn has_gaps(before: &Relation, now: &Relation) -> bool {
    let range = |attached: &Attached| Some((attached.oid, range_of(&attached.bound)?.0));
    let known: Vec<_> = before.partitions.iter().filter_map(range).collect();
    let newest = known.iter().map(|(_, from)| from.clone()).max();
    let is_new = |oid: i64| known.iter().all(|(other, _)| *other != oid);
    now.partitions.iter().filter_map(range).any(|(oid, from)| is_new(oid) && Some(from) < newest)
}

/// The mart with the partitions it should have by now.
async fn ready(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    options: &Options,
    frame: &Frame,
) -> Result<Relation, SqlError> {
    let upkept = build::upkeep(conn, mart, live, frame, options.publish_lock_timeout_ms).await?;
    if upkept == build::Upkept::default() {
        return Ok(live.clone());
    }
    let now = described(conn, [live.name.clone()].into()).await?.remove(&live.name);
    now.ok_or_else(|| SqlError::new(ErrorKind::Conflict, format!("{} was dropped", live.name)))
}

async fn described(
    conn: &mut PgConnection,
    names: BTreeSet<QName>,
) -> Result<std::collections::HashMap<QName, Relation>, SqlError> {
    sqlx::raw_sql("BEGIN READ ONLY").execute(&mut *conn).await?;
    let found = relations(conn, &names, &BTreeSet::new()).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await?;
    found.map_err(|error| match error {
        CatalogError::Sql(error) => error,
        error => SqlError::new(ErrorKind::Internal, error.to_string()),
    })
}

/// From when on rows are computed: from the beginning of the partition of `start`, and never what is history.
async fn cut(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    start: Option<&str>,
    frame: &Frame,
) -> Result<Option<Cut>, SqlError> {
    let frozen = mart.refresh.incremental.as_ref().and_then(|incremental| incremental.frozen_before);
    let ranges = mart.partition.as_ref().and_then(Partition::ranges);
    let (Some(ranges), Some(Ok((kind, zone)))) = (ranges, time_of(mart, &live.columns)) else { return Ok(None) };
    let column = mart.partition.as_ref().and_then(|partition| type_of(live, &partition.column)).unwrap_or_default();
    let start = match start {
        None => "NULL::timestamp".to_owned(),
        Some(start) => format!("{}::{column}::timestamp", quote_literal(start)),
    };
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let row = sqlx::query(AssertSqlSafe(format!("SELECT pg_catalog.now(), {start}"))).persistent(false);
    let row = row.fetch_one(&mut *conn).await;
    session.leave(conn).await?;
    let row = row?;
    let now: DateTime<Utc> = row.try_get(0)?;
    let start: Option<NaiveDateTime> = row.try_get(1)?;
    let history = frozen.and_then(|seconds| {
        let age = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
        now.with_timezone(&zone).naive_local().checked_sub_signed(age)
    });
    // Without a `cut` everything is computed, what has no time among it.
    let at = [start.map(|start| ranges.interval.floor(start)), history].into_iter().flatten().max();
    Ok(at.map(|at| {
        let value = kind.write(at, zone);
        let at = kind.read(&value, zone).unwrap_or(at);
        Cut { at, value, keeps_timeless: start.is_some() }
    }))
}

/// Publishes what changed. Also gives whether it is so much that the mart itself is analysed.
async fn publish(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    next: &NextParts,
    options: &Options,
    frame: &Frame,
) -> Result<(Outcome, bool), SqlError> {
    let changed = build::changed(conn, live, next, frame).await?;
    let (_, now) = before_publishing(conn, item, live, options).await?;
    let leaves = described(conn, changed.names()).await?;
    let words = format!("{} of {} partitions differ", changed.parts.len(), next.parts.len());
    let mut outcome = Outcome { row_count: rows(conn, live, next, &changed).await?, ..Outcome::default() };
    let mut why = build::obstacle(&now, &leaves);
    if why.is_none() {
        let timeout = options.publish_lock_timeout_ms;
        why = match build::exchange_parts(conn, &now, next, &changed, frame, timeout).await {
            Ok(()) => None,
            Err(error) if error.is("55P03") => Some(format!("no exclusive lock in {PUBLICATION_TRIES} tries")),
            Err(error) if error.is("2BP01") => Some(format!("something came to depend on it: {error}")),
            Err(error) => return Err(error),
        };
        outcome.inserted = i64::try_from(changed.rows).ok();
    }
    outcome.reason = Some(words.clone());
    if let Some(why) = why {
        let merged = build::merge_parts(conn, &now, next, &changed, &leaves, frame).await?;
        outcome.inserted = i64::try_from(merged.inserted).ok();
        outcome.updated = i64::try_from(merged.updated).ok();
        outcome.deleted = i64::try_from(merged.deleted).ok();
        outcome.reason = Some(format!("{words}; not exchanged but merged: {why}"));
        for name in changed.names() {
            alone(conn, frame, &format!("VACUUM (ANALYZE) {name}")).await?;
        }
    }
    let whole = changed.rows as f64 > live.tuples.max(1.0) * ANALYZE_ABOVE;
    Ok((outcome, whole))
}

/// How many rows the mart holds: counted where it was looked at, as PostgreSQL knows it of partitions that stay, which are
/// vacuumed when they are built. `None` where it does not know.
async fn rows(
    conn: &mut PgConnection,
    live: &Relation,
    next: &NextParts,
    changed: &Changed,
) -> Result<Option<i64>, SqlError> {
    let looked_at: BTreeSet<i64> = next.parts.iter().filter_map(|part| Some(part.live.as_ref()?.oid)).collect();
    let others = live.partitions.iter().map(|attached| attached.oid).filter(|oid| !looked_at.contains(oid));
    let others: Vec<i64> = others.collect();
    let sql = "SELECT CASE WHEN bool_and(reltuples >= 0) IS NOT FALSE THEN coalesce(sum(reltuples), 0)::bigint END \
               FROM pg_catalog.pg_class WHERE oid = ANY ($1::bigint[]::oid[])";
    let row = sqlx::query(sql).bind(&others).fetch_one(conn).await?;
    let known: Option<i64> = row.try_get(0)?;
    Ok(known.and_then(|rows| Some(rows + i64::try_from(changed.looked_at).ok()?)))
}

async fn alone(conn: &mut PgConnection, frame: &Frame, sql: &str) -> Result<(), SqlError> {
    let mut session = SessionState::alone();
    let outcome = build::run(conn, &mut session, frame, sql).await;
    let left = session.leave(conn).await;
    outcome?;
    left
}
