//! Refreshing a partitioned mart: partitions are kept ready, built aside and exchanged where they differ.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

use super::again::before_exchanging;
use super::changes::{self, Done, Filled};
use super::cut::cut;
use super::outcome::{Outcome, measure};
use super::part::Part;
use super::{Choice, Item, Method, Options, RunStatus, paused};
use crate::build::position::Look;
use crate::build::{self, Changed, CheckResult, Frame, NextParts, Others, SessionState, Which};
use crate::catalog::{CatalogError, Relation, relations};
use crate::database::{ErrorKind, SqlError};
use crate::state::{PUBLICATION_TRIES, QName};

/// Beyond this part of the rows the mart itself is analysed: its partitions are, whatever changes.
const ANALYZE_ABOVE: f64 = 0.1;

/// Brings a partitioned mart's rows up to date: those that changed, those of the partitions that a choice names, or all.
pub(super) async fn refresh(
    conn: &mut PgConnection,
    item: &Item,
    before: &Relation,
    choice: &Choice,
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let mart = &item.recorded.mart;
    let live = &ready(conn, item, before, options, frame).await?;
    let start = match choice {
        Choice::Part(Part { from: Some((_, from)), .. }, _) => Some(from.as_str()),
        Choice::Changes => return following(conn, item, live, options, frame, checks).await,
        _ => None,
    };
    if start.is_none() {
        return all(conn, item, live, (None, None), options, frame, checks).await;
    }
    let cut = cut(conn, mart, live, start, frame).await?;
    let which = Which { cut, reads: reads(item), ..Which::default() };
    let next = build::build_parts(conn, mart, live, (&which, None), frame, checks).await?;
    published(conn, item, live, (&next, Method::Partition), options, frame).await.map(|(outcome, _)| outcome)
}

/// What the mart's query reads.
fn reads(item: &Item) -> Vec<QName> {
    item.recorded.applied.reads.values().map(|read| read.name.clone()).collect()
}

/// By what changed, as far as that can be and pays.
async fn following(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    build::remove_leftovers(conn, &item.recorded.mart.name, build::Needed::Yes, frame).await?;
    let why = match changes::refresh(conn, item, live, options, frame, checks).await? {
        Done::Written(outcome) => return Ok(*outcome),
        Done::Filled(filled) => return touched(conn, item, live, *filled, options, frame).await,
        Done::Whole(why) => *why,
    };
    checks.clear();
    // A build of all rows may have to wait for quieter times.
    if let Some(paused) = paused(conn, &options.pause_when).await? {
        let reason = Some(format!("{}; {paused}", why.reason));
        let status = Some(RunStatus::Skipped);
        return Ok(Outcome { reason, status, decision: Some(why.decision), ..Outcome::default() });
    }
    let mut outcome = all(conn, item, live, (why.demoted, why.look), options, frame, checks).await?;
    outcome.reason = Some([Some(why.reason), outcome.reason].into_iter().flatten().collect::<Vec<_>>().join("; "));
    outcome.decision = Some(why.decision);
    Ok(outcome)
}

/// Publishes the partitions that changes touch, and notes which changes the rows have seen.
async fn touched(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    filled: Filled,
    options: &Options,
    frame: &Frame,
) -> Result<Outcome, SqlError> {
    let Filled { next, look, mut standing, reason, decision } = filled;
    let (mut outcome, more) = published(conn, item, live, (&next, Method::Partition), options, frame).await?;
    standing.rows = standing.rows.map(|rows| rows + more);
    outcome.row_count = standing.rows.or(outcome.row_count);
    outcome.reason = Some([Some(reason), outcome.reason].into_iter().flatten().collect::<Vec<_>>().join("; "));
    outcome.decision = Some(decision);
    changes::published(conn, item, options, &look, &standing).await?;
    Ok(outcome)
}

/// Computes all of a mart's rows, and notes which changes they have seen; `demoted` says why it follows none from now on, and `looked`
/// where it stood, if that is known.
async fn all(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    (demoted, looked): (Option<String>, Option<Look>),
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let mart = &item.recorded.mart;
    if let Some(error) = build::lacking_room(conn, &[&live.name]).await? {
        return Err(error);
    }
    let look = changes::before_all(conn, item, options, looked).await?;
    let cut = cut(conn, mart, live, None, frame).await?;
    let which = Which { cut, reads: reads(item), ..Which::default() };
    // Who watches what a build takes watches one session.
    let others = options.beside.as_ref().filter(|_| options.max_size.is_none()).map(|endpoint| Others {
        endpoint,
        sessions: options.parallel,
        changes: item.recorded.applied.changes.as_ref(),
    });
    let next = build::build_parts(conn, mart, live, (&which, others.as_ref()), frame, checks).await?;
    let (outcome, _) = published(conn, item, live, (&next, Method::Exchange), options, frame).await?;
    if let Some(look) = look {
        changes::after_all(conn, item, options, look, (outcome.row_count, demoted)).await?;
    }
    Ok(outcome)
}

/// Publishes what was built. Also gives how many rows more there are than before.
async fn published(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    (next, method): (&NextParts, Method),
    options: &Options,
    frame: &Frame,
) -> Result<(Outcome, i64), SqlError> {
    let published = publish(conn, item, live, next, options, frame).await;
    if published.is_err() {
        // What was built goes; where the connection is gone, the next refresh removes it.
        let _ = build::remove_leftovers(conn, &item.recorded.mart.name, build::Needed::Yes, frame).await;
    }
    let (mut outcome, changed) = published?;
    let whole = changed.rows as f64 > live.tuples.max(1.0) * ANALYZE_ABOVE;
    outcome.method = outcome.method.or(Some(method));
    outcome.snapshot = Some(next.snapshot.clone());
    if whole || live.tuples < 0.0 {
        let tidied = alone(conn, frame, &format!("ANALYZE {}", live.name)).await;
        outcome.afterwards("it was not analysed", tidied)?;
    }
    let in_place: Vec<i64> = changed.parts.iter().filter_map(|part| Some(part.live.as_ref()?.oid)).collect();
    let noted = build::note_partitions(conn, &options.registry, &live.name, &in_place, true).await;
    outcome.afterwards("when its partitions were built is not noted", noted)?;
    measure(conn, item, live, frame, &mut outcome).await?;
    let rows = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Ok((outcome, rows(changed.looked_at) - rows(changed.held)))
}

/// A mart whose partitions a refresh looks after: those that were taken away get their rows again.
fn kept<'a>(item: &'a Item, live: &'a Relation) -> build::Kept<'a> {
    let recorded = &item.recorded;
    build::Kept { mart: &recorded.mart, live, applied: recorded.applied.divided.as_ref(), fills: true }
}

/// The mart with the partitions it should have by now.
pub(super) async fn ready(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
) -> Result<Relation, SqlError> {
    let kept = kept(item, live);
    let upkept = build::upkeep(conn, &kept, frame, options.publish_lock_timeout_ms).await?;
    if upkept == build::Upkept::default() {
        return Ok(live.clone());
    }
    if upkept.made > 0 {
        // Who publishes rows does it where this fails.
        let _ = build::note_partitions(conn, &options.registry, &live.name, &[], true).await;
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

/// Publishes what changed. Also gives what that was.
async fn publish(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    next: &NextParts,
    options: &Options,
    frame: &Frame,
) -> Result<(Outcome, Changed), SqlError> {
    let changed = build::changed(conn, live, next, frame).await?;
    let (_, now, leaves) = before_exchanging(conn, item, live, options, &changed.names()).await?;
    let words = format!("{} of {} partitions differ", changed.parts.len(), next.parts.len());
    let mut outcome = Outcome { row_count: rows(conn, live, next, &changed).await?, ..Outcome::default() };
    let mut why = build::obstacle(&now, &leaves);
    if why.is_none() {
        let timeout = options.publish_lock_timeout_ms;
        why = match build::exchange_parts(conn, &now, next, (&changed, &leaves), frame, timeout).await {
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
            let tidied = alone(conn, frame, &format!("VACUUM (ANALYZE) {name}")).await;
            outcome.afterwards(&format!("{name} was not vacuumed"), tidied)?;
        }
    }
    Ok((outcome, changed))
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
