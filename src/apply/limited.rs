//! An apply that keeps to what a build may take.

use std::cell::Cell;

use sqlx::{PgConnection, Row};

use super::{Applied, ApplyError, By, Event, execute};
use crate::build::{SizeLimit, lacking_room, within};
use crate::database::{ErrorKind, SqlError};
use crate::plan::{Action, Plan, Step};
use crate::state::QName;

/// As [`super::apply`], with `watcher`, a session of its own, over the size of each mart's build.
///
/// # Errors
/// Those of [`super::apply`]; where a build grew past the limit, or has no room on the disk, that is what the failed step
/// says.
pub async fn apply_within(
    conn: &mut PgConnection,
    (watcher, limit): (&mut PgConnection, &SizeLimit),
    plan: &Plan,
    registry: &str,
    by: &By,
    events: &mut dyn FnMut(Event),
) -> Result<Applied, ApplyError> {
    let pid = backend(conn).await.map_err(ApplyError::Registry)?;
    let anew = Cell::new(false);
    let mut at = String::new();
    let mut tell = |event: Event| {
        if let Event::Step { mart, .. } = &event
            && *mart != at
        {
            at.clone_from(mart);
            anew.set(true);
        }
        events(event);
    };
    let work = execute::apply(conn, plan, registry, by, &mut tell);
    let (outcome, stopped) = within(watcher, pid, limit, &anew, work).await.map_err(ApplyError::Registry)?;
    outcome.map_err(|mut error| {
        if let (ApplyError::Step { source, .. }, Some(exceeded)) = (&mut error, stopped)
            && source.kind == ErrorKind::Cancelled
        {
            *source = exceeded;
        }
        error
    })
}

async fn backend(conn: &mut PgConnection) -> Result<i32, SqlError> {
    Ok(sqlx::query("SELECT pg_catalog.pg_backend_pid()").fetch_one(conn).await?.try_get(0)?)
}

/// Refuses a plan that builds marts anew for which the disk has no room.
pub(super) async fn room(conn: &mut PgConnection, plan: &Plan) -> Result<(), ApplyError> {
    let replaced = |mart: &QName| {
        let address = mart.to_string();
        let built = |step: &Step| step.mart == address && !step.publication && step.sql.starts_with("CREATE ");
        // What an interrupted apply had built has its room already.
        plan.changes.iter().any(|change| change.action == Action::Replace && change.address == address)
            && plan.steps.iter().any(built)
    };
    let marts: Vec<&QName> = plan.records.iter().map(|record| &record.mart).filter(|mart| replaced(mart)).collect();
    if marts.is_empty() {
        return Ok(());
    }
    match lacking_room(conn, &marts).await.map_err(ApplyError::Room)? {
        Some(error) => Err(ApplyError::Room(error)),
        None => Ok(()),
    }
}
