//! One mart's refresh by a worker: under the mart's lock, with a row of history.

use std::time::{Duration, Instant};

use chrono::Utc;
use sqlx::PgConnection;

use super::again::again;
use super::choose::WITHOUT;
use super::facts::GONE;
use super::started::{Started, chosen};
use super::worker::Worker;
use super::{
    Choice, Chosen, Event, Item, Method, Options, RefreshError, Run, RunError, RunStatus, at_once, cancelled, changes,
    history, one, outcome,
};
use crate::database::lock::mart_lock;
use crate::database::{Endpoint, ErrorKind, LockError, SqlError};

/// Writes a run that did not begin.
///
/// # Errors
/// What the server says.
pub(super) async fn record(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    mut run: Run,
) -> Result<Run, RefreshError> {
    run.run = history::not_begun(conn, options, item, &run).await.map_err(RefreshError::History)?;
    Ok(run)
}

/// Refreshes one mart.
///
/// # Errors
/// Where it could not begin, or nothing could be written about it.
pub(super) async fn work(
    worker: &mut Worker,
    endpoint: &Endpoint,
    item: &Item,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<Run, RefreshError> {
    let lock = mart_lock(&item.mart);
    if let Some(begun) = at_once::begin(worker, item, &lock, options, Utc::now()).await? {
        tell(begun.event());
        let run = carry_out(worker, endpoint, begun, (options, Some(&lock)), tell).await?;
        worker.unlock(endpoint, &[&lock]).await?;
        return Ok(run);
    }
    let mut taken = worker.acquire(&lock, options.wait).await;
    if worker.rested && taken.as_ref().is_err_and(|error| error.kind() == ErrorKind::Connection.as_str()) {
        worker.reconnect(endpoint).await?;
        taken = worker.acquire(&lock, options.wait).await;
    }
    match taken {
        Ok(()) => {}
        // A daemon tries again by itself, and what waits goes on waiting.
        Err(error @ LockError::Held { .. }) if options.epoch.is_some() => return Err(error.into()),
        Err(error @ LockError::Held { .. }) => {
            let way_out = "wait for it with --wait, or see `datamart unlock`";
            let mut run = one::beginning(item, "another run holds it", Utc::now());
            run.error = Some(refusal(error.kind(), error.to_string(), way_out));
            return record(&mut worker.conn, item, options, run).await;
        }
        Err(error) => return Err(error.into()),
    }
    // Who had the lock until now may have changed the mart.
    let run = match again(&mut worker.conn, item, options).await {
        Ok(None) => {
            let mut run = one::beginning(item, GONE, Utc::now());
            // What a daemon had planned is nobody's concern any more; who asked is told.
            match options.epoch {
                Some(_) if item.asked.waits => run,
                Some(_) => record(&mut worker.conn, item, options, run).await?,
                None => {
                    let message = format!("{} was dropped or renamed meanwhile", item.mart);
                    run.error =
                        Some(refusal(ErrorKind::Missing.as_str(), message, "see what there is: `datamart list`"));
                    record(&mut worker.conn, item, options, run).await?
                }
            }
        }
        Ok(Some(item)) => match begin(worker, endpoint, item, options, tell).await? {
            Begun::Ended(run) => *run,
            Begun::Started(started) => carry_out(worker, endpoint, *started, (options, Some(&lock)), tell).await?,
        },
        Err(error) => {
            if error.kind == ErrorKind::Connection {
                worker.reconnect(endpoint).await?;
            }
            let mut run = one::beginning(item, "it is not what it was", Utc::now());
            run.status = RunStatus::Failed;
            run.error = Some(RunError::of(&error));
            record(&mut worker.conn, item, options, run).await?
        }
    };
    worker.unlock(endpoint, &[&lock]).await?;
    Ok(run)
}

/// Why a run does not begin, in our own words.
fn refusal(kind: &str, message: String, way_out: &str) -> RunError {
    RunError {
        kind: kind.to_owned(),
        sqlstate: None,
        message,
        hint: Some(way_out.to_owned()),
        context: None,
        detail: None,
    }
}

/// What came of beginning a run.
pub(super) enum Begun {
    /// It can go on.
    Started(Box<Started>),
    /// That was all.
    Ended(Box<Run>),
}

/// Chooses how a mart is refreshed, and opens the run's row. The caller holds the mart's lock.
///
/// # Errors
/// Where nothing could be written about it.
pub(super) async fn begin(
    worker: &mut Worker,
    endpoint: &Endpoint,
    item: Item,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<Begun, RefreshError> {
    let name = item.mart.clone();
    let mut run = one::beginning(&item, "", Utc::now());
    let ended = |run: Run| Ok(Begun::Ended(Box::new(run)));
    let impossible = |message: String, way_out: &str| refusal(ErrorKind::Missing.as_str(), message, way_out);
    let Some(live) = item.live.clone().filter(|live| live.kind.is(item.recorded.mart.kind)) else {
        run.status = RunStatus::Failed;
        run.reason = "it is not there".to_owned();
        run.error = Some(impossible(
            format!("{name} does not exist as a {}", item.recorded.mart.kind.as_str()),
            "`datamart apply` builds it again",
        ));
        return ended(record(&mut worker.conn, &item, options, run).await?);
    };
    let chosen = match chosen(worker, &item, &live, options, Utc::now()).await {
        Ok(chosen) => chosen,
        Err(error) => {
            run.status = if cancelled(&error) { RunStatus::Cancelled } else { RunStatus::Failed };
            run.reason = "how new its rows are could not be read".to_owned();
            run.error = Some(RunError::of(&error));
            if error.kind == ErrorKind::Connection {
                worker.reconnect(endpoint).await?;
            }
            worker.tell(&mut run);
            return ended(record(&mut worker.conn, &item, options, run).await?);
        }
    };
    let (method, reason) = match &chosen.choice {
        Choice::Method(method, reason) => (*method, chosen.reason(reason)),
        Choice::ByDifferences => (Method::Merge, chosen.reason("by how many rows differ")),
        Choice::Part(part, reason) => (part.method, reason.clone()),
        Choice::Changes => (changes::method(&item.recorded.mart), "what changed".to_owned()),
        Choice::Nothing(reason) => {
            run.reason.clone_from(reason);
            return ended(record(&mut worker.conn, &item, options, run).await?);
        }
        Choice::Later(reason, from) => {
            run.reason.clone_from(reason);
            run.not_before = *from;
            if item.asked.waits {
                return ended(run);
            }
            return ended(record(&mut worker.conn, &item, options, run).await?);
        }
        Choice::Impossible(message) => {
            run.reason = "it cannot be refreshed as asked".to_owned();
            run.error = Some(impossible(message.clone(), WITHOUT));
            return ended(record(&mut worker.conn, &item, options, run).await?);
        }
    };
    run.method = Some(method);
    run.reason.clone_from(&reason);
    let mut counted = true;
    match history::begin(&mut worker.conn, options, &item, method, &run).await.map_err(RefreshError::History)? {
        history::Begun::Run(number) => run.run = number,
        history::Begun::Uncounted(number) => (run.run, counted) = (number, false),
        history::Begun::Superseded => {
            return Err(RefreshError::Superseded { epoch: options.epoch.unwrap_or_default() });
        }
        history::Begun::Withdrawn => {
            run.run = item.asked.run.unwrap_or_default();
            run.method = None;
            run.status = RunStatus::Cancelled;
            run.reason = "its request was withdrawn".to_owned();
            return ended(run);
        }
    }
    tell(Event::Started { mart: name, method, reason });
    Ok(Begun::Started(Box::new(Started { item, live, chosen, run, counted })))
}

/// A run that follows what changed, and gets its row in the history where there is something to tell.
pub(super) fn unopened(item: Item) -> Option<Begun> {
    let live = item.live.clone()?;
    let mut run = one::beginning(&item, "what changed", Utc::now());
    run.method = Some(Method::Changes);
    let chosen = Chosen { choice: Choice::Changes, why: None };
    Some(Begun::Started(Box::new(Started { item, live, chosen, run, counted: true })))
}

/// Refreshes the mart of a run that has begun, and closes its row; `lock` is given back in the message that closes it, where that can be.
///
/// # Errors
/// Where nothing could be written about it.
pub(super) async fn carry_out(
    worker: &mut Worker,
    endpoint: &Endpoint,
    started: Started,
    (options, lock): (&Options, Option<&str>),
    tell: &dyn Fn(Event),
) -> Result<Run, RefreshError> {
    let Started { item, live, chosen, mut run, counted } = started;
    let (item, live) = (&item, &live);
    let clock = Instant::now();
    let frame = one::frame(&item.recorded.mart, live, options, &worker.user);
    let options = &Options { beside: Some(endpoint.clone()), ..options.clone() };
    let work = one::one(&mut worker.conn, item, live, &chosen.choice, options, &frame, &mut run.checks);
    let outcome = match &options.max_size {
        None => work.await,
        Some(limit) => {
            let mut watcher = endpoint.direct().session("refresh size").await?;
            one::limited(&mut watcher, worker.locks.pid(), limit, work).await
        }
    };
    let took = clock.elapsed();
    // Of a versioned mart the version was checked, which is nobody's name for it.
    run.checks.iter_mut().for_each(|check| check.mart = run.mart.clone());
    match outcome {
        Ok(outcome) if outcome.open => {
            let before = run.clone();
            let many = changes::wrote_many(live, &outcome);
            complete(&mut run, Ok(outcome), took, &chosen);
            tell(Event::Closing { mart: item.mart.clone() });
            // What is tidied after it is so under the lock.
            let lock = lock.filter(|_| !many);
            let giving_back = lock.and_then(|lock| worker.locks.giving_back(lock));
            let closing = history::Closing { counted, keeps: worker.locks.keeps(), then: giving_back };
            match history::finish_with_rows(&mut worker.conn, options, &run, closing).await {
                Ok(given_back) => {
                    worker.locks.gave_back(lock.filter(|_| given_back).as_slice());
                    if many {
                        // The rows are published, and that is told: what stands against this autovacuum meets, too.
                        let _ = changes::tidy(&mut worker.conn, live, &frame).await;
                    }
                }
                Err(error) => {
                    run = before;
                    complete(&mut run, Err(error), took, &chosen);
                    finish(worker, endpoint, options, &mut run).await?;
                }
            }
        }
        Ok(outcome) if outcome.status == Some(RunStatus::Skipped) && item.asked.waits => {
            complete(&mut run, Ok(outcome), took, &chosen);
            history::withdraw(&mut worker.conn, options, &run).await.map_err(RefreshError::History)?;
            run.run = 0;
        }
        outcome => {
            complete(&mut run, outcome, took, &chosen);
            finish(worker, endpoint, options, &mut run).await?;
        }
    }
    slow(item, took, tell);
    Ok(run)
}

/// Tells of a run that took longer than it should.
pub(super) fn slow(item: &Item, took: Duration, tell: &dyn Fn(Event)) {
    let limit = item.recorded.mart.refresh.warn_duration;
    if let Some(limit) = limit.filter(|limit| took > Duration::from_secs(*limit)) {
        tell(Event::Slow { mart: item.mart.clone(), seconds: took.as_secs_f64(), limit });
    }
}

/// Writes what came of a run into it.
pub(super) fn complete(run: &mut Run, outcome: Result<outcome::Outcome, SqlError>, took: Duration, chosen: &Chosen) {
    run.finished_at = Utc::now();
    run.duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
    match outcome {
        Ok(outcome) => {
            run.status = outcome.status.unwrap_or(RunStatus::Success);
            run.method = outcome.method.or(run.method);
            if let Some(reason) = outcome.reason {
                run.reason = chosen.reason(&reason);
            }
            for left in &outcome.left {
                run.reason = format!("{}; {left}", run.reason);
            }
            run.rows_inserted = outcome.inserted;
            run.rows_updated = outcome.updated;
            run.rows_deleted = outcome.deleted;
            run.row_count = outcome.row_count;
            run.size_bytes = outcome.size_bytes;
            run.newest = outcome.newest;
            run.snapshot = outcome.snapshot;
            run.decision = outcome.decision.and_then(|decision| serde_json::to_value(decision).ok());
        }
        Err(error) => {
            run.status = if cancelled(&error) { RunStatus::Cancelled } else { RunStatus::Failed };
            run.error = Some(RunError::of(&error));
        }
    }
}

/// Closes the run's row, and says in the run what the row says. Where the run's own connection broke, a new one does it: the history says what happened, and
/// the next mart has a session to work in.
pub(super) async fn finish(
    worker: &mut Worker,
    endpoint: &Endpoint,
    options: &Options,
    run: &mut Run,
) -> Result<(), RefreshError> {
    let lost = run.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Connection.as_str());
    if lost {
        worker.reconnect(endpoint).await?;
    }
    worker.tell(run);
    history::finish(&mut worker.conn, options, run).await.map_err(RefreshError::History)
}

/// Closes the row of a run that came to nothing.
///
/// # Errors
/// Where nothing could be written about it.
pub(super) async fn not_run(
    worker: &mut Worker,
    endpoint: &Endpoint,
    mut run: Run,
    (status, reason): (RunStatus, String),
    options: &Options,
) -> Result<Run, RefreshError> {
    run.method = None;
    run.finished_at = Utc::now();
    (run.status, run.reason) = (status, reason);
    finish(worker, endpoint, options, &mut run).await?;
    Ok(run)
}
