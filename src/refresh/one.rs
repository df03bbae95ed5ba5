//! One mart's refresh, on one connection. The caller holds the mart's lock.

use std::cell::Cell;

use sqlx::PgConnection;

use super::again::before_publishing;
use super::changes::{self, Done};
use super::choose::whole;
use super::outcome::{Outcome, measure};
use super::unchanged::{self, Found};
use super::{Choice, Facts, Item, Method, Options, Run, RunStatus, divided, matview, part, paused, version};
use crate::build::position::Look;
use crate::build::{self, CheckResult, Frame, SessionState, SizeLimit};
use crate::catalog::Relation;
use crate::database::{ErrorKind, SqlError};
use crate::state::{Keeper, Mart, Publish};

/// Merge while at most this part of the rows differs: beyond it an exchange writes less.
const MERGE_BELOW: f64 = 0.2;
/// So few are written faster than relations are exchanged, which readers of old snapshots and replicas feel.
const FEW: i64 = 1_000;

/// The role, settings and timeouts of a mart's refresh.
pub(super) fn frame(mart: &Mart, live: &Relation, options: &Options, user: &str) -> Frame {
    let mut settings = mart.settings();
    for (key, value) in &options.settings {
        if !settings.iter().any(|(known, _)| known == key) {
            settings.push((key.clone(), value.clone()));
        }
    }
    let timeout = mart.refresh.timeout.map(|seconds| seconds.saturating_mul(1_000));
    Frame {
        role: Some(live.owner.clone()).filter(|owner| owner != user),
        settings,
        lock_timeout_ms: options.lock_timeout_ms,
        statement_timeout_ms: timeout.unwrap_or(options.statement_timeout_ms),
    }
}

/// Brings a mart's rows up to date, if its checks let it.
pub(super) async fn one(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    choice: &Choice,
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let mart = &item.recorded.mart;
    let readied;
    let mut live = live;
    if mart.partition.is_some() && item.series.is_none() {
        let of_rows = matches!(choice, Choice::Part(part, _) if part.method != Method::Partition);
        if !of_rows {
            return Box::pin(divided::refresh(conn, item, live, choice, options, frame, checks)).await;
        }
        readied = divided::ready(conn, item, live, options, frame).await?;
        live = &readied;
    }
    if let Choice::Part(some, _) = choice {
        let mut outcome = part::refresh(conn, item, live, some, frame, checks).await?;
        measure(conn, item, live, frame, &mut outcome).await?;
        return Ok(outcome);
    }
    let mut why = None;
    if *choice == Choice::Changes {
        match Box::pin(changes::refresh(conn, item, live, options, frame, checks)).await? {
            Done::Written(outcome) => return Ok(*outcome),
            Done::Whole(whole) => why = Some(*whole),
            Done::Filled(_) => return Err(SqlError::new(ErrorKind::Internal, "it has no partitions")),
        }
        checks.clear();
    }
    let before = (None, None);
    let Some(why) = why else {
        return Box::pin(all(conn, item, live, (choice, before), options, frame, checks)).await;
    };
    // A build of all rows may have to wait for quieter times.
    if let Some(paused) = paused(conn, &options.pause_when).await? {
        let reason = Some(format!("{}; {paused}", why.reason));
        let status = Some(RunStatus::Skipped);
        return Ok(Outcome { reason, status, decision: Some(why.decision), ..Outcome::default() });
    }
    let choice = whole(&item.recorded, live, None, &Facts::default());
    let all = all(conn, item, live, (&choice, (why.demoted, why.look)), options, frame, checks);
    let mut outcome = Box::pin(all).await?;
    outcome.reason = Some([Some(why.reason), outcome.reason].into_iter().flatten().collect::<Vec<_>>().join("; "));
    outcome.decision = Some(why.decision);
    Ok(outcome)
}

/// Computes all of a mart's rows, and notes which changes they have seen; `demoted` says why it follows none from now on, and `looked`
/// where it stood, if that is known.
async fn all(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    (choice, (demoted, looked)): (&Choice, (Option<String>, Option<Look>)),
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let stand = match unchanged::look(conn, item, live, options, frame).await? {
        Found::Unchanged(outcome) => return Ok(*outcome),
        Found::Changed(stand) => stand,
    };
    if !item.light
        && let Some(error) = build::lacking_room(conn, &[&live.name]).await?
    {
        return Err(error);
    }
    if let Some(series) = &item.series {
        let mut outcome = version::another(conn, item, series, live, options, frame, checks).await?;
        measure(conn, item, live, frame, &mut outcome).await?;
        return Ok(outcome);
    }
    let look = changes::before_all(conn, item, options, looked).await?;
    if let Choice::Method(method @ (Method::Plain | Method::Concurrently), _) = choice {
        let outcome = matview::refresh(conn, item, live, *method, frame, checks).await?;
        unchanged::note(conn, item, options, stand, outcome.row_count).await?;
        return noted(conn, item, options, (look, demoted), outcome).await;
    }
    let mut outcome = table(conn, item, live, options, frame, checks).await?;
    measure(conn, item, live, frame, &mut outcome).await?;
    unchanged::note(conn, item, options, stand, outcome.row_count).await?;
    noted(conn, item, options, (look, demoted), outcome).await
}

/// Notes where the mart stands whose rows `outcome` tells of, in their transaction where that is open.
async fn noted(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    (look, demoted): (Option<Look>, Option<String>),
    outcome: Outcome,
) -> Result<Outcome, SqlError> {
    if let Some(look) = look {
        changes::after_all(conn, item, options, look, (outcome.row_count, demoted)).await?;
    }
    Ok(outcome)
}

/// Does the work of server process `pid` while `watcher` sees that it stays within `limit`.
pub(super) async fn limited(
    watcher: &mut PgConnection,
    pid: i32,
    limit: &SizeLimit,
    work: impl Future<Output = Result<Outcome, SqlError>>,
) -> Result<Outcome, SqlError> {
    let (outcome, stopped) = build::within(watcher, pid, limit, &Cell::new(false), work).await?;
    match (outcome, stopped) {
        (Err(error), Some(exceeded)) if error.kind == ErrorKind::Cancelled => Err(exceeded),
        (outcome, _) => outcome,
    }
}

/// Runs statements outside transactions, with the mart's role and settings.
async fn alone(conn: &mut PgConnection, frame: &Frame, statements: &[String]) -> Result<(), SqlError> {
    let mut session = SessionState::alone();
    let mut outcome = Ok(0);
    for sql in statements {
        outcome = build::run(conn, &mut session, frame, sql).await;
        if outcome.is_err() {
            break;
        }
    }
    let left = session.leave(conn).await;
    outcome?;
    left
}

async fn table(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let mart = &item.recorded.mart;
    let built = build::build_aside(conn, mart, live, frame, checks).await?;
    let published = match before_publishing(conn, item, live, options).await {
        Ok((_, live)) => {
            // By what hangs on it now: what came meanwhile may forbid to exchange it.
            let choice = whole(&item.recorded, &live, None, &Facts::default());
            publish(conn, mart, &live, &choice, options, frame, &built).await
        }
        Err(error) => Err(error),
    };
    if published.is_err() {
        // What was built goes; where the connection is gone, the next refresh removes it.
        let _ = build::remove_leftovers(conn, &mart.name, build::Needed::Yes, frame).await;
    }
    published
}

async fn publish(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    choice: &Choice,
    options: &Options,
    frame: &Frame,
    built: &build::Built,
) -> Result<Outcome, SqlError> {
    let mut outcome = Outcome { snapshot: Some(built.snapshot.clone()), ..Outcome::default() };
    let (mut method, mut reason) = match choice {
        Choice::Method(method, reason) => (*method, reason.clone()),
        _ => by_differences(conn, live, built, frame).await?,
    };
    if method == Method::Swap
        && let Some(why) = build::still_referenced(conn, live, built, frame).await?
    {
        (method, reason) = (Method::Merge, why);
    }
    if method == Method::Swap && keeps_others(conn, live, options).await? {
        (method, reason) = (Method::Merge, "whoever writes to it keeps marts that follow it".to_owned());
    }
    if method == Method::Swap {
        let defaults = options.defaults_of(frame.role.as_ref().unwrap_or(&live.owner), &live.name);
        let swapped = build::swap(conn, live, built, frame, options.publish_lock_timeout_ms, &defaults).await;
        match swapped {
            Ok(left) => {
                reason = [Some(reason), left].into_iter().flatten().collect::<Vec<_>>().join("; ");
                // An exchange does not count what differs: every row is new.
                outcome.inserted = i64::try_from(built.rows).ok();
            }
            Err(error) if error.is("55P03") && mart.publish != Publish::Swap => {
                method = Method::Merge;
                reason = format!("no exclusive lock in {} tries, so merged", crate::state::PUBLICATION_TRIES);
            }
            Err(error) if error.is("2BP01") && mart.publish != Publish::Swap => {
                method = Method::Merge;
                reason = format!("something came to depend on it meanwhile, so merged: {error}");
            }
            Err(error) if error.is("42501") => {
                method = Method::Merge;
                reason = format!("no right to exchange it, so merged: {error}");
            }
            Err(error) => return Err(error),
        }
    }
    if method == Method::Merge {
        let merged = build::merge(conn, live, built, frame).await?;
        outcome.inserted = i64::try_from(merged.inserted).ok();
        outcome.updated = i64::try_from(merged.updated).ok();
        outcome.deleted = i64::try_from(merged.deleted).ok();
        let tidied = alone(conn, frame, &[format!("VACUUM (ANALYZE) {}", live.name)]).await;
        outcome.afterwards("it was not vacuumed", tidied)?;
    }
    outcome.row_count = i64::try_from(built.rows).ok();
    outcome.method = Some(method);
    outcome.reason = Some(reason);
    Ok(outcome)
}

/// Whether marts are kept as writers to this one commit: an exchange would be no write.
async fn keeps_others(conn: &mut PgConnection, live: &Relation, options: &Options) -> Result<bool, SqlError> {
    let noted = Keeper::new(&options.registry, &options.project).transactions();
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid \
               WHERE t.tgrelid = pg_catalog.to_regclass($1) AND t.tgenabled = 'A' AND pg_catalog.strpos(p.prosrc, $2) > 0)";
    let noted = format!("INSERT INTO {noted} (xid)");
    Ok(sqlx::query_scalar(sql).bind(live.name.to_string()).bind(noted).fetch_one(conn).await?)
}

/// Whether a table had few rows when it was last analysed, as after each refresh.
pub fn is_small(live: &Relation) -> bool {
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    (0.0..=FEW as f64).contains(&live.tuples)
}

async fn by_differences(
    conn: &mut PgConnection,
    live: &Relation,
    built: &build::Built,
    frame: &Frame,
) -> Result<(Method, String), SqlError> {
    let Some(differ) = build::differences(conn, live, built, frame).await? else {
        return Ok(match is_small(live) && i64::try_from(built.rows).is_ok_and(|rows| rows <= FEW) {
            true => (Method::Merge, "few rows".to_owned()),
            false => (Method::Swap, "no key to merge by".to_owned()),
        });
    };
    let rows = built.rows.max(1) as f64;
    let merge = differ <= FEW || differ as f64 / rows <= MERGE_BELOW;
    let reason = format!("{differ} of {} rows differ", built.rows);
    Ok((if merge { Method::Merge } else { Method::Swap }, reason))
}

/// A run that is about to begin.
pub(super) fn beginning(item: &Item, reason: &str, now: chrono::DateTime<chrono::Utc>) -> Run {
    Run {
        run: 0,
        mart: item.mart.to_string(),
        method: None,
        reason: reason.to_owned(),
        status: super::RunStatus::Skipped,
        started_at: now,
        finished_at: now,
        duration_ms: 0.0,
        rows_inserted: None,
        rows_updated: None,
        rows_deleted: None,
        row_count: None,
        size_bytes: None,
        newest: None,
        revision: item.recorded.revision.clone(),
        checks: Vec::new(),
        error: None,
        not_before: None,
        snapshot: None,
        decision: None,
    }
}
