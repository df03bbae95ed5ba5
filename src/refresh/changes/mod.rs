//! Refreshes that compute the rows whose key the logged changes of the sources may affect.
//!
//! All of it is one REPEATABLE READ transaction: the sources are locked against what MVCC does not cover, one statement tells where the
//! mart stands and what is new in the logs, the server finds the keys, its planner says whether computing their rows pays, and the
//! rows that differ are written together with the new position. What speaks against it is a reason to compute all rows.

mod aside;
mod begun;
mod done;
mod explain;
mod foresee;
mod found;
mod gate;
mod keeping;
mod kept;
mod keys;
mod learned;
mod nothing;
mod parts;
mod proof;
mod refused;
mod task;
mod waiting;
mod within;
mod words;

use sqlx::PgConnection;

pub(super) use self::done::{Done, Filled};
use self::done::{unfollowed, whole};
pub use self::foresee::{Foreseen, foresee};
pub(super) use self::nothing::nothing;
pub(super) use self::parts::method;
use self::task::Task;
pub(super) use self::task::{since, tidy, wrote_many};
pub(super) use self::waiting::{Waiting, waiting};
use super::decision::Decision;
use super::{How, Item, Options, renew_logs};
use crate::build::position::{self, Look, Standing, Watched};
use crate::build::{self, CheckResult, Frame};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::state::Changes;

/// How often a refresh begins again that met others' commits.
const TRIES: u32 = 5;

/// What tells where the mart's rows stand; `None` where they do not follow changes.
pub(super) fn watched<'a>(item: &'a Item, options: &'a Options) -> Option<Watched<'a>> {
    Some(watched_by(item, options, item.recorded.applied.changes.as_ref()?))
}

/// The same, by what is known of the query otherwise.
pub(super) fn watched_by<'a>(item: &'a Item, options: &'a Options, changes: &'a Changes) -> Watched<'a> {
    let recorded = &item.recorded;
    let compiled = &recorded.applied.compiled;
    let watched = Watched::new(&options.registry, &options.project, &recorded.mart, compiled, changes);
    Watched { mart: &item.mart, ..watched }
}

/// Refreshes by changes, if that can be and pays.
pub(super) async fn refresh(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Done, SqlError> {
    let Some(mut task) = Task::of(conn, item, live, options, frame, checks) else { return Ok(unfollowed()) };
    task.kept = keeping::begin(item);
    let mut tries = 0;
    loop {
        match Box::pin(task.attempt()).await {
            Ok(written @ Done::Written(_)) => return Ok(written),
            Ok(Done::Filled(filled)) => {
                build::close(task.conn, Ok(())).await?;
                return Ok(Done::Filled(filled));
            }
            Ok(Done::Whole(whole)) if task.goes_on(&whole) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut *task.conn).await?;
                task.checks.clear();
                if !whole.alone {
                    // What a crash emptied begins again.
                    before_all(task.conn, item, options, None).await?;
                }
            }
            Ok(whole) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut *task.conn).await?;
                return Ok(whole);
            }
            Err(error) => {
                let again = error.is("23505") && !task.apart;
                let error = match build::close::<()>(task.conn, Err(error)).await {
                    Err(error) => error,
                    Ok(()) => return Ok(whole("it was stopped", Decision::default())),
                };
                if item.recorded.mart.partition.is_some() && error.is("23514") {
                    return Ok(whole("rows have no partition yet", Decision::default()));
                }
                // Somebody committed meanwhile what marts are kept by that follow this one.
                let beside = error.is("40001") && tries < TRIES;
                if !again && !beside {
                    return Err(error);
                }
                tries += u32::from(beside);
                // Rows exchange values of a unique index.
                task.apart |= again;
                task.checks.clear();
            }
        }
    }
}

/// As [`refresh`], in a transaction that has begun with [`position::begin_all`]: it stays open and as it was, but for a mart whose rows
/// are up to date by then.
///
/// # Errors
/// What the server says.
pub(super) async fn along(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Done, SqlError> {
    let Some(mut task) = Task::of(conn, item, live, options, frame, checks) else { return Ok(unfollowed()) };
    task.within = true;
    loop {
        sqlx::raw_sql("SAVEPOINT datamart").execute(&mut *task.conn).await?;
        let attempted = Box::pin(task.attempt()).await;
        if matches!(attempted, Ok(Done::Written(_))) {
            sqlx::raw_sql("RELEASE SAVEPOINT datamart").execute(&mut *task.conn).await?;
            return attempted;
        }
        task.checks.clear();
        sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart; RELEASE SAVEPOINT datamart").execute(&mut *task.conn).await?;
        match attempted {
            // Rows exchange values of a unique index.
            Err(error) if error.is("23505") && !task.apart => task.apart = true,
            // Somebody committed meanwhile what was to be written: another snapshot sees it.
            Err(error) if error.is("40001") => {
                return Ok(whole("somebody else wrote at the same time", Decision::default()));
            }
            attempted => return attempted,
        }
    }
}

/// Looks where a mart stands before all of its rows are computed, if nobody has; `None` where it follows no changes.
pub(super) async fn before_all(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    looked: Option<Look>,
) -> Result<Option<Look>, SqlError> {
    let Some(watched) = watched(item, options) else { return Ok(None) };
    if let Some(look) = looked {
        return counting(conn, options, &watched, look).await;
    }
    match position::before_all(conn, &watched).await? {
        Some(look) => Ok(Some(look)),
        None => begun_again(conn, options, &watched).await,
    }
}

/// A look that was taken before all rows are computed, or another one, if its logs tell what comes next.
pub(super) async fn counting(
    conn: &mut PgConnection,
    options: &Options,
    watched: &Watched<'_>,
    look: Look,
) -> Result<Option<Look>, SqlError> {
    if look.counts() { Ok(Some(look)) } else { begun_again(conn, options, watched).await }
}

/// What a crash emptied begins again: what is logged from now on can be counted on.
async fn begun_again(
    conn: &mut PgConnection,
    options: &Options,
    watched: &Watched<'_>,
) -> Result<Option<Look>, SqlError> {
    match renew_logs(conn, &options.registry, &options.project).await {
        Ok(0) => Ok(None),
        Ok(_) => position::before_all(conn, watched).await,
        Err(error) if error.is("42P01") || error.is("42703") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes where a mart stands whose rows are published, all of which were computed after `look`: how many there are, and why it
/// follows no changes from now on.
pub(super) async fn after_all(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    look: Look,
    (rows, demoted): (Option<i64>, Option<String>),
) -> Result<(), SqlError> {
    let Some(watched) = watched(item, options) else { return Ok(()) };
    let known = &look.standing;
    // Who asks for all rows by hand, or changes the query, begins again.
    let by_hand = item.asked.how == How::Full && matches!(item.asked.cause, None | Some("request"));
    let again = by_hand || look.before.as_ref().is_none_or(|before| !before.stand.means_the_same(&look.now.stand));
    let standing = match demoted {
        None if again => Standing { rows, ..Standing::default() },
        demoted => {
            let demoted = demoted.or_else(|| known.demoted.clone());
            Standing { rows, verified: known.verified, demoted, ..Standing::default() }
        }
    };
    position::published(conn, &watched, &look, &standing).await
}

/// Notes where a mart stands of which some rows are published that were computed in the snapshot of `look`.
pub(super) async fn published(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    look: &Look,
    standing: &Standing,
) -> Result<(), SqlError> {
    let Some(watched) = watched(item, options) else { return Ok(()) };
    position::published(conn, &watched, look, standing).await
}
