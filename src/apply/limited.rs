//! An apply that keeps to what a build may take.

use std::cell::Cell;

use sqlx::{PgConnection, Row};

use super::{Applied, ApplyError, By, Event, execute};
use crate::build::{SizeLimit, within};
use crate::database::{ErrorKind, SqlError};
use crate::plan::Plan;

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
