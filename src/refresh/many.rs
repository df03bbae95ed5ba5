//! Several marts: each once, after what it reads from, independent ones at the same time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sqlx::{Connection, PgConnection, Row};

use super::again::again;
use super::history::Begun;
use super::{
    Choice, Event, Item, Method, Options, RefreshError, Run, RunError, RunStatus, cancelled, history, one, outcome,
};
use crate::database::{Endpoint, ErrorKind, LockError, LockSession, SqlError};
use crate::state::{Kind, QName};

/// A connection for the work and one that holds the mart's lock.
struct Worker {
    conn: PgConnection,
    locks: LockSession,
    user: String,
    pid: i32,
}

/// Refreshes `items`. `stopped` is asked before each one begins; what is not begun then is skipped.
///
/// # Errors
/// Where nothing could begin at all. What befalls one mart is in its run.
pub async fn refresh(
    endpoint: &Endpoint,
    items: &[Item],
    options: &Options,
    stopped: &dyn Fn() -> bool,
    events: &mut dyn FnMut(Event),
) -> Result<Vec<Run>, RefreshError> {
    let events = RefCell::new(events);
    let tell = |event: Event| (events.borrow_mut())(event);
    let mut idle: Vec<Worker> = Vec::new();
    let mut workers = 0;
    let mut waiting: Vec<usize> = (0..items.len()).collect();
    // Larger priority first; items come upstream first, and that order stays among equals.
    waiting.sort_by_key(|i| std::cmp::Reverse(items[*i].recorded.mart.refresh.priority));
    let mut ended: BTreeSet<QName> = BTreeSet::new();
    let mut failed: BTreeSet<QName> = BTreeSet::new();
    let mut runs: Vec<Option<Run>> = vec![None; items.len()];
    let mut running = FuturesUnordered::new();
    let among: BTreeSet<&QName> = items.iter().map(|i| &i.mart).collect();
    loop {
        while running.len() < options.parallel.max(1) {
            let ready = waiting
                .iter()
                .position(|i| items[*i].upstream.iter().all(|up| ended.contains(up) || !among.contains(up)));
            let Some(at) = ready else { break };
            let index = waiting.remove(at);
            let item = &items[index];
            let worker = match idle.pop() {
                Some(worker) => worker,
                None => {
                    workers += 1;
                    open(endpoint, options, workers, &tell).await?
                }
            };
            let blocked = item.upstream.iter().find(|up| failed.contains(*up)).cloned();
            let stop = stopped();
            let tell = &tell;
            running.push(async move {
                let mut worker = worker;
                let run = if stop {
                    not_begun(&mut worker, item, options, RunStatus::Cancelled, "stopped before it began").await
                } else if let Some(up) = blocked {
                    let reason = format!("{up}, which it reads, was not refreshed");
                    not_begun(&mut worker, item, options, RunStatus::Skipped, &reason).await
                } else {
                    work(&mut worker, endpoint, item, options, tell).await
                };
                (index, worker, run)
            });
        }
        let Some((index, worker, run)) = running.next().await else { break };
        let run = run?;
        let name = &items[index].mart;
        if !matches!(run.status, RunStatus::Success | RunStatus::Noop) && items[index].recorded.mart.kind != Kind::View
        {
            failed.insert(name.clone());
        }
        ended.insert(name.clone());
        tell(Event::Ended { run: Box::new(run.clone()) });
        runs[index] = Some(run);
        idle.push(worker);
    }
    for worker in idle {
        // Everything is committed and recorded; a session that cannot say good-bye changes nothing.
        let _ = worker.locks.close().await;
        let _ = worker.conn.close().await;
    }
    Ok(runs.into_iter().flatten().collect())
}

async fn open(
    endpoint: &Endpoint,
    options: &Options,
    number: usize,
    tell: &dyn Fn(Event),
) -> Result<Worker, RefreshError> {
    let locks = LockSession::open(endpoint, &options.registry, &options.project, "refresh lock").await?;
    let mut conn = endpoint.direct().session(&format!("refresh {number}")).await?;
    let row = sqlx::query("SELECT pg_catalog.pg_backend_pid(), current_user::text")
        .fetch_one(&mut conn)
        .await
        .map_err(|error| RefreshError::History(error.into()))?;
    let facts = || Ok::<_, sqlx::Error>((row.try_get::<i32, _>(0)?, row.try_get::<String, _>(1)?));
    let (pid, user) = facts().map_err(|error| RefreshError::History(error.into()))?;
    tell(Event::Session { pid });
    Ok(Worker { conn, locks, user, pid })
}

async fn not_begun(
    worker: &mut Worker,
    item: &Item,
    options: &Options,
    status: RunStatus,
    reason: &str,
) -> Result<Run, RefreshError> {
    let mut run = one::beginning(item, reason, Utc::now());
    run.status = status;
    record_not_begun(worker, item, options, run).await
}

async fn record_not_begun(
    worker: &mut Worker,
    item: &Item,
    options: &Options,
    mut run: Run,
) -> Result<Run, RefreshError> {
    run.run = history::not_begun(&mut worker.conn, options, item, &run).await.map_err(RefreshError::History)?;
    Ok(run)
}

async fn work(
    worker: &mut Worker,
    endpoint: &Endpoint,
    item: &Item,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<Run, RefreshError> {
    let name = &item.mart;
    let lock = format!("mart:{name}");
    match worker.locks.acquire(&lock, options.wait).await {
        Ok(()) => {}
        Err(error @ LockError::Held { .. }) => {
            let mut run = one::beginning(item, "another run holds it", Utc::now());
            run.status = RunStatus::Failed;
            run.error = Some(RunError {
                kind: error.kind().to_owned(),
                sqlstate: None,
                message: error.to_string(),
                hint: Some("wait for it with --wait, or see `datamart unlock`".to_owned()),
                context: None,
            });
            return record_not_begun(worker, item, options, run).await;
        }
        Err(error) => return Err(error.into()),
    }
    // Who had the lock until now may have changed the mart.
    let run = match again(&mut worker.conn, item, options).await {
        Ok(item) => locked(worker, endpoint, &item, options, tell).await?,
        Err(error) => {
            let mut run = one::beginning(item, "it is not what it was", Utc::now());
            run.status = RunStatus::Failed;
            run.error = Some(RunError::of(&error));
            record_not_begun(worker, item, options, run).await?
        }
    };
    if worker.locks.release(&lock).await.is_err() {
        // The session ended, and the lock with it; what the run did stands, the next mart needs another one.
        worker.locks = LockSession::open(endpoint, &options.registry, &options.project, "refresh lock").await?;
    }
    Ok(run)
}

async fn locked(
    worker: &mut Worker,
    endpoint: &Endpoint,
    item: &Item,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<Run, RefreshError> {
    let name = &item.mart;
    let mut run = one::beginning(item, "", Utc::now());
    let impossible = |message: String, hint: &str| RunError {
        kind: "missing".to_owned(),
        sqlstate: None,
        message,
        hint: Some(hint.to_owned()),
        context: None,
    };
    let Some(live) = item.live.as_ref().filter(|live| live.kind.is(item.recorded.mart.kind)) else {
        run.status = RunStatus::Failed;
        run.reason = "it is not there".to_owned();
        run.error = Some(impossible(
            format!("{name} does not exist as a {}", item.recorded.mart.kind.as_str()),
            "`datamart apply` builds it again",
        ));
        return record_not_begun(worker, item, options, run).await;
    };
    let choice = match &item.series {
        Some(series) => Choice::Method(Method::Swap, series.reason()),
        None => one::choice(item, live, options),
    };
    let (method, reason) = match &choice {
        Choice::Method(method, reason) => (*method, reason.clone()),
        Choice::ByDifferences => (Method::Merge, "by how many rows differ".to_owned()),
        Choice::Nothing(reason) => {
            run.reason.clone_from(reason);
            return record_not_begun(worker, item, options, run).await;
        }
        Choice::Impossible(message) => {
            run.status = RunStatus::Failed;
            run.reason = "it cannot be refreshed as asked".to_owned();
            run.error = Some(impossible(
                message.clone(),
                "refresh it without --concurrent true; with a unique index in its manifest readers need not wait",
            ));
            return record_not_begun(worker, item, options, run).await;
        }
    };
    run.method = Some(method);
    run.reason.clone_from(&reason);
    let begun = history::begin(&mut worker.conn, options, item, method, &run).await.map_err(RefreshError::History)?;
    let number = match begun {
        Begun::Run(number) => Ok(number),
        Begun::Superseded => Err("another daemon leads by now"),
        Begun::Withdrawn => Err("its request was withdrawn"),
    };
    match number {
        Ok(number) => run.run = number,
        Err(why) => {
            run.run = item.asked.run.unwrap_or_default();
            run.method = None;
            run.status = RunStatus::Cancelled;
            run.reason = why.to_owned();
            return Ok(run);
        }
    }
    tell(Event::Started { mart: name.clone(), method, reason });
    let clock = Instant::now();
    let frame = one::frame(&item.recorded.mart, live, options, &worker.user);
    let held = (&frame, worker.locks.pid());
    let work = one::one(&mut worker.conn, item, live, &choice, options, held, &mut run.checks);
    let outcome = match &options.max_size {
        None => work.await,
        Some(limit) => {
            let mut watcher = endpoint.direct().session("refresh size").await?;
            one::limited(&mut watcher, worker.pid, limit, work).await
        }
    };
    let took = clock.elapsed();
    // Of a versioned mart the version was checked, which is nobody's name for it.
    run.checks.iter_mut().for_each(|check| check.mart = run.mart.clone());
    complete(&mut run, outcome, took);
    finish(worker, endpoint, options, &run).await?;
    let limit = item.recorded.mart.refresh.warn_duration;
    if let Some(limit) = limit.filter(|limit| took > Duration::from_secs(*limit)) {
        tell(Event::Slow { mart: name.clone(), seconds: took.as_secs_f64(), limit });
    }
    Ok(run)
}

fn complete(run: &mut Run, outcome: Result<outcome::Outcome, SqlError>, took: Duration) {
    run.finished_at = Utc::now();
    run.duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
    match outcome {
        Ok(outcome) => {
            run.status = RunStatus::Success;
            run.method = outcome.method.or(run.method);
            if let Some(reason) = outcome.reason {
                run.reason = reason;
            }
            run.rows_inserted = outcome.inserted;
            run.rows_updated = outcome.updated;
            run.rows_deleted = outcome.deleted;
            run.row_count = outcome.row_count;
            run.size_bytes = outcome.size_bytes;
            run.newest = outcome.newest;
            run.snapshot = outcome.snapshot;
        }
        Err(error) => {
            run.status = if cancelled(&error) { RunStatus::Cancelled } else { RunStatus::Failed };
            run.error = Some(RunError::of(&error));
        }
    }
}

/// Closes the run's row. Where the run's own connection broke, a new one does it: the history says what happened, and
/// the next mart has a session to work in.
async fn finish(worker: &mut Worker, endpoint: &Endpoint, options: &Options, run: &Run) -> Result<(), RefreshError> {
    let lost = run.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Connection.as_str());
    if lost {
        worker.conn = endpoint.direct().session("refresh again").await?;
        let row = sqlx::query("SELECT pg_catalog.pg_backend_pid()").fetch_one(&mut worker.conn).await;
        let pid = row.and_then(|row| row.try_get(0));
        worker.pid = pid.map_err(|error| RefreshError::History(error.into()))?;
    }
    history::finish(&mut worker.conn, options, run).await.map_err(RefreshError::History)
}
