//! Making the change of a plan, under the locks of what it touches; as the command line and the daemon do it.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::PgConnection;

use super::ReconcileError;
use super::wanted::Wanted;
use crate::apply::{self, Applied, ApplyError, By, Event};
use crate::build::SizeLimit;
use crate::database::lock::mart_lock;
use crate::database::{Endpoint, LockError, LockSession};
use crate::manifest::Project;
use crate::plan::{Plan, RecordRow};
use crate::state::QName;

/// Takes the locks of the marts that a plan touches, so that no refresh comes in between.
///
/// # Errors
/// A lock that somebody else has.
pub async fn lock_marts(locks: &mut LockSession, plan: &Plan, wait: Duration) -> Result<(), LockError> {
    let marts: Vec<String> = touched(plan).iter().map(mart_lock).collect();
    let names: Vec<&str> = marts.iter().map(String::as_str).collect();
    locks.acquire_all(&names, wait).await
}

/// The marts that a plan touches.
fn touched(plan: &Plan) -> BTreeSet<QName> {
    // Whoever refreshes a mart that is renamed holds the lock of its old name.
    let old = plan.records.iter().filter_map(|record| match &record.row {
        RecordRow::Upsert { renamed_from, .. } => renamed_from.as_ref(),
        _ => None,
    });
    plan.records.iter().map(|record| record.of()).chain(old).cloned().collect()
}

/// Runs a plan within what the project allows a build to take. The caller holds the locks, in the session that `by` names.
///
/// # Errors
/// What [`apply::apply`] says.
pub async fn execute(
    conn: &mut PgConnection,
    endpoint: &Endpoint,
    project: &Project,
    plan: &Plan,
    by: &By,
    events: &mut dyn FnMut(Event),
) -> Result<Applied, ApplyError> {
    let schema = &project.registry_schema;
    match project.max_size() {
        None => {
            let sessions = project.database.connections.saturating_sub(1);
            let number = usize::try_from(project.limits.parallel_refreshes.min(sessions).max(1)).unwrap_or(1);
            let by = By { sessions: Some((endpoint.clone(), number)), ..by.clone() };
            apply::apply(conn, plan, schema, &by, events).await
        }
        Some((bytes, origin)) => {
            let mut watcher = endpoint.direct().session("apply size").await?;
            let limit = SizeLimit { bytes, origin };
            apply::apply_within(conn, (&mut watcher, &limit), plan, schema, by, events).await
        }
    }
}

/// Takes the locks, runs the plan, gives them back. While it waits for those of marts, these are `wanted`, and where it
/// does not get one, that one.
///
/// # Errors
/// A lock that somebody else has for longer than `wait`; what [`apply::apply`] says.
pub(super) async fn make(
    conn: &mut PgConnection,
    endpoint: &Endpoint,
    project: &Project,
    plan: &Plan,
    by: &By,
    (wait, wanted): (Duration, &Wanted),
) -> Result<Applied, ReconcileError> {
    let mut locks = LockSession::open(endpoint, &project.registry_schema, &project.name, "apply lock").await?;
    locks.acquire("apply", wait).await?;
    let marts = touched(plan);
    wanted.are(marts.clone());
    let locked = lock_marts(&mut locks, plan, wait).await;
    // One that runs for longer than that rests once it has ended, and the next try finds it so; the others go on until then.
    wanted.are(match &locked {
        Err(LockError::Held { name, .. }) => marts.into_iter().filter(|mart| mart_lock(mart) == *name).collect(),
        _ => BTreeSet::new(),
    });
    locked?;
    let by = By { holder: Some(locks.pid()), ..by.clone() };
    let applied = execute(conn, endpoint, project, plan, &by, &mut |_| {}).await;
    let closed = locks.close().await;
    let applied = applied?;
    // What was committed was committed under the lock; a session that ended afterwards changes nothing.
    if let Err(error) = closed {
        tracing::debug!(%error, "the session of the locks of an apply did not end well");
    }
    Ok(applied)
}
