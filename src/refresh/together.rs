//! Marts that follow changes, one of another, in one transaction: all of them stand at one snapshot of what they read.
//!
//! Where all rows of one have to be computed, the others go on without it and what reads it; it is refreshed alone after that, and
//! what reads it in another transaction.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgConnection};

use super::again::again;
use super::changes::{self, Done};
use super::outcome::Outcome;
use super::started::Started;
use super::work::{Begun, begin, carry_out, complete, finish, not_run, slow, unopened};
use super::worker::Worker;
use super::{Along, Choice, Event, Item, Method, Options, RefreshError, Run, RunStatus, history, one};
use crate::build::{self, Frame, position};
use crate::database::lock::mart_lock;
use crate::database::{Endpoint, ErrorKind, SqlError};
use crate::state::QName;

/// A snapshot that is older holds up the vacuum of everybody: the next marts take another one.
const MAX_SNAPSHOT: Duration = Duration::from_secs(300);

/// One of the marts.
struct Member {
    at: usize,
    started: Started,
    frame: Frame,
    /// It has its row in the history. What goes along gets one where there is something to tell.
    begun: bool,
}

/// What came of a transaction.
#[derive(Default)]
struct Attempt {
    /// Those whose rows are up to date once it is committed.
    written: Vec<(Member, Outcome, Duration)>,
    /// Those that failed.
    failed: Vec<(Member, SqlError, Duration)>,
    /// Those that have to be refreshed alone, and what reads them.
    left: Vec<Member>,
    /// Those that go along, and have nothing to follow.
    unneeded: Vec<usize>,
    /// What ended all of it.
    broken: Option<SqlError>,
    /// It could not begin.
    shut: bool,
}

/// Refreshes marts, which stand upstream first. One that was not begun, because somebody holds it or one that it reads, is
/// refreshed, or skipped, by itself.
///
/// # Errors
/// Where nothing could be written about them.
pub(super) async fn together(
    worker: &mut Worker,
    endpoint: &Endpoint,
    items: &[&Item],
    options: &Options,
    (stopped, tell): (&dyn Fn() -> bool, &dyn Fn(Event)),
) -> Result<Vec<Along>, RefreshError> {
    let mut runs = vec![Along::Alone; items.len()];
    let locks: Vec<String> = items.iter().map(|item| mart_lock(&item.mart)).collect();
    let locks: Vec<&str> = locks.iter().map(String::as_str).collect();
    // Who is held up is so alone.
    if worker.locks.acquire_all(&mut worker.conn, &locks, Duration::ZERO).await.is_err() {
        return Ok(runs);
    }
    let mut members: Vec<Member> = Vec::new();
    let mut absent: BTreeSet<&QName> = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let begun = match again(&mut worker.conn, item, options).await {
            _ if item.upstream.iter().any(|up| absent.contains(up)) => None,
            Ok(Some(item)) if item.asked.along => unopened(item),
            Ok(Some(item)) => Some(begin(worker, endpoint, item, options, tell).await?),
            Ok(None) | Err(_) => None,
        };
        match begun {
            Some(Begun::Started(started)) => {
                let frame = one::frame(&started.item.recorded.mart, &started.live, options, &worker.user);
                members.push(Member { at, begun: !item.asked.along, started: *started, frame });
                continue;
            }
            Some(Begun::Ended(run)) => runs[at] = Along::Ran(run),
            None => {}
        }
        absent.insert(&item.mart);
    }
    let mut shut = false;
    while !members.is_empty() {
        members = unhindered(worker, endpoint, members, (items, &mut runs), options).await?;
        if !shut && !members.is_empty() {
            let attempt = shared(worker, endpoint, members, options).await?;
            shut = attempt.shut;
            let left = ended(worker, endpoint, attempt, &mut runs, options, tell).await?;
            members = unhindered(worker, endpoint, left, (items, &mut runs), options).await?;
        }
        // What goes along and could not, goes by itself.
        members.retain(|member| member.begun);
        let free = members.iter().position(|member| !reads(member, members.iter()));
        // In a circle, which cannot be applied, nobody waits for ever.
        let Some(free) = free.or((!members.is_empty()).then_some(0)) else { break };
        let Member { at, started, .. } = members.remove(free);
        let run = if stopped() {
            let reason = "stopped before it began".to_owned();
            not_run(worker, endpoint, started.run, (RunStatus::Cancelled, reason), options).await?
        } else {
            carry_out(worker, endpoint, started, (options, None), tell).await?
        };
        runs[at] = Along::Ran(Box::new(run));
    }
    worker.unlock(endpoint, &locks).await?;
    Ok(runs)
}

/// Those that can go on: they hold their locks, and all that they read was refreshed. The others end here, or go by themselves where they
/// have no row in the history yet.
async fn unhindered(
    worker: &mut Worker,
    endpoint: &Endpoint,
    members: Vec<Member>,
    (items, runs): (&[&Item], &mut [Along]),
    options: &Options,
) -> Result<Vec<Member>, RefreshError> {
    let mut rest = Vec::new();
    for member in members {
        let held = worker.locks.holds(&mart_lock(&member.started.item.mart));
        let up = member.started.item.upstream.iter().find(|up| failed(items, runs, up)).cloned();
        let Member { at, started: Started { run, chosen, .. }, begun, .. } = match (held, &up) {
            (true, None) => {
                rest.push(member);
                continue;
            }
            _ => member,
        };
        if !begun {
            continue;
        }
        let run = if let Some(up) = up {
            let reason = format!("{up}, which it reads, was not refreshed");
            not_run(worker, endpoint, run, (RunStatus::Skipped, reason), options).await?
        } else {
            // Their session broke, and somebody else may have the mart by now.
            let mut run = run;
            let error = SqlError::new(ErrorKind::Connection, "the session that held its lock ended");
            complete(&mut run, Err(error), Duration::ZERO, &chosen);
            finish(worker, endpoint, options, &mut run).await?;
            run
        };
        runs[at] = Along::Ran(Box::new(run));
    }
    Ok(rest)
}

/// Refreshes as many as can be in one transaction, which is open then.
async fn shared(
    worker: &mut Worker,
    endpoint: &Endpoint,
    members: Vec<Member>,
    options: &Options,
) -> Result<Attempt, RefreshError> {
    let Some(limit) = &options.max_size else {
        return Ok(attempt(worker, members, options).await);
    };
    let mut watcher = endpoint.direct().session("refresh size").await?;
    let pid = worker.locks.pid();
    let work = attempt(worker, members, options);
    let watched = build::within(&mut watcher, pid, limit, &Cell::new(false), work).await;
    let (mut attempt, exceeded) = watched.map_err(RefreshError::History)?;
    if exceeded.is_some() && attempt.broken.as_ref().is_some_and(|error| error.kind == ErrorKind::Cancelled) {
        attempt.broken = exceeded;
    }
    Ok(attempt)
}

async fn attempt(worker: &mut Worker, members: Vec<Member>, options: &Options) -> Attempt {
    let conn = &mut worker.conn;
    let mut all = Attempt::default();
    let begun = sqlx::raw_sql(AssertSqlSafe(beginning(&members, options))).execute(&mut *conn).await;
    if begun.is_err() {
        // Each finds out by itself what stands against it.
        let _ = sqlx::raw_sql("ROLLBACK").execute(conn).await;
        return Attempt { left: members, shut: true, ..all };
    }
    let (clock, most) = (Instant::now(), options.max_snapshot.unwrap_or(MAX_SNAPSHOT));
    for mut member in members {
        let waits = reads(&member, all.left.iter().chain(all.failed.iter().map(|(member, ..)| member)));
        // Partitions are made, built and exchanged in transactions of their own.
        let divided = member.started.item.recorded.mart.partition.is_some();
        let alone = member.started.chosen.choice != Choice::Changes || divided;
        if waits || alone || all.broken.is_some() || clock.elapsed() > most {
            all.left.push(member);
            continue;
        }
        if !member.begun {
            if !follows(&member, &all.written) {
                all.unneeded.push(member.at);
                continue;
            }
            match open(conn, &mut member, options).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    all.broken = Some(error);
                    continue;
                }
            }
        }
        let began = Instant::now();
        let Started { item, live, run, .. } = &mut member.started;
        match changes::along(conn, item, live, options, &member.frame, &mut run.checks).await {
            Ok(Done::Written(outcome)) => all.written.push((member, *outcome, began.elapsed())),
            Ok(Done::Whole(_) | Done::Filled(_)) => all.left.push(member),
            Err(error) => {
                if matches!(error.kind, ErrorKind::Connection | ErrorKind::Cancelled) {
                    all.broken = Some(error.clone());
                }
                all.failed.push((member, error, began.elapsed()));
            }
        }
    }
    // Triggers on the later ones may have written what the first ones read.
    if all.broken.is_none() && all.written.len() > 1 {
        let noted = all
            .written
            .iter()
            .filter_map(|(member, outcome, _)| Some((changes::watched(&member.started.item, options)?, outcome.own)));
        all.broken = position::confirm(conn, noted).await.err();
    }
    all
}

/// Whether it reads one whose rows changed.
fn follows(member: &Member, written: &[(Member, Outcome, Duration)]) -> bool {
    let changes = member.started.item.recorded.applied.changes.iter();
    let sources: BTreeSet<&QName> = changes.flat_map(|c| &c.sources).map(|source| &source.table).collect();
    let changed = |outcome: &Outcome| [outcome.inserted, outcome.updated, outcome.deleted] != [Some(0); 3];
    written.iter().any(|(up, outcome, _)| changed(outcome) && sources.contains(&up.started.item.recorded.mart.name))
}

/// Opens its row in the history, in the transaction; whether it may go on.
async fn open(conn: &mut PgConnection, member: &mut Member, options: &Options) -> Result<bool, SqlError> {
    let Started { item, run, counted, .. } = &mut member.started;
    match history::begin_with_rows(conn, options, item, Method::Changes, run).await? {
        history::Begun::Run(number) => run.run = number,
        history::Begun::Uncounted(number) => (run.run, *counted) = (number, false),
        history::Begun::Superseded | history::Begun::Withdrawn => return Ok(false),
    }
    member.begun = true;
    Ok(true)
}

fn beginning(members: &[Member], options: &Options) -> String {
    let watched = members.iter().map(|member| changes::watched(&member.started.item, options));
    let watched: Vec<_> = watched.collect();
    let marts = members.iter().zip(&watched);
    let marts = marts.filter_map(|(member, watched)| Some((watched.as_ref()?, member.frame.role.as_deref())));
    position::begin_all(marts, options.lock_timeout_ms)
}

/// Commits what was written, with the rows of the history; gives back what was left.
async fn ended(
    worker: &mut Worker,
    endpoint: &Endpoint,
    attempt: Attempt,
    runs: &mut [Along],
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<Vec<Member>, RefreshError> {
    let Attempt { written, mut failed, mut left, unneeded, broken, shut } = attempt;
    if shut {
        return Ok(left);
    }
    unneeded.into_iter().for_each(|at| runs[at] = Along::Unneeded);
    let mut done: Vec<(Member, Run, bool, Duration)> = Vec::new();
    for (member, outcome, took) in written {
        let mut run = member.started.run.clone();
        let many = changes::wrote_many(&member.started.live, &outcome);
        run.checks.iter_mut().for_each(|check| check.mart.clone_from(&run.mart));
        complete(&mut run, Ok(outcome), took, &member.started.chosen);
        done.push((member, run, many, took));
    }
    let committed = match broken {
        Some(error) => build::close(&mut worker.conn, Err(error)).await,
        None => {
            let runs = done.iter().filter(|(member, ..)| member.started.counted).map(|(_, run, ..)| run);
            history::finish_all(&mut worker.conn, options, runs, "").await.map(drop)
        }
    };
    let error = committed.err();
    if error.is_some() {
        // Rows that were opened in the transaction are gone with it.
        left.iter_mut().for_each(|member| member.begun &= !member.started.item.asked.along);
    }
    for (member, mut run, many, took) in done {
        if let Some(error) = &error {
            failed.push((member, error.clone(), took));
            continue;
        }
        if !member.started.counted {
            finish(worker, endpoint, options, &mut run).await?;
        }
        if many {
            // The rows are published: what stands against this autovacuum meets, too.
            let _ = changes::tidy(&mut worker.conn, &member.started.live, &member.frame).await;
        }
        slow(&member.started.item, took, tell);
        runs[member.at] = Along::Ran(Box::new(run));
    }
    for (member, error, took) in failed {
        let mut run = member.started.run;
        complete(&mut run, Err(error), took, &member.started.chosen);
        finish(worker, endpoint, options, &mut run).await?;
        runs[member.at] = Along::Ran(Box::new(run));
    }
    Ok(left)
}

/// Whether it reads one of these, perhaps through others.
fn reads<'a>(member: &Member, mut others: impl Iterator<Item = &'a Member>) -> bool {
    others.any(|other| member.at != other.at && member.started.item.upstream.contains(&other.started.item.mart))
}

/// Whether a mart of this name was to be refreshed, and was not.
fn failed(items: &[&Item], runs: &[Along], name: &QName) -> bool {
    let run = items.iter().zip(runs).find(|(item, _)| item.mart == *name).map(|(_, run)| run);
    matches!(run, Some(Along::Ran(run)) if !matches!(run.status, RunStatus::Success | RunStatus::Noop))
}
