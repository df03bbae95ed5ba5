//! What moved since a plan was made.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::ApplyError;
use super::worker::transaction;
use crate::catalog::{Actual, Relation, introspect};
use crate::database::registry;
use crate::database::retry::Rereads;
use crate::plan::{Plan, moved, read_scope};
use crate::state::QName;

/// Looks again, and refuses a plan that no longer holds. Gives the server's major version, and what it saw.
pub(super) async fn unmoved(
    conn: &mut PgConnection,
    plan: &Plan,
    registry: &str,
) -> Result<(i32, HashMap<QName, Relation>), ApplyError> {
    let actual = look(conn, plan, registry).await?;
    if actual.server.in_recovery {
        return Err(ApplyError::Standby { database: plan.database.clone() });
    }
    let moved = moved(plan, &actual);
    if !moved.is_empty() {
        return Err(ApplyError::Stale { moved });
    }
    Ok((actual.server.major(), actual.relations))
}

async fn look(conn: &mut PgConnection, plan: &Plan, registry: &str) -> Result<Actual, ApplyError> {
    let mut rereads = Rereads::default();
    loop {
        match look_once(conn, plan, registry).await {
            Err(ApplyError::Catalog(error)) if error.is_outdated() && rereads.another() => {
                transaction(conn, "ROLLBACK").await?;
            }
            done => return done,
        }
    }
}

async fn look_once(conn: &mut PgConnection, plan: &Plan, registry: &str) -> Result<Actual, ApplyError> {
    transaction(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'").await?;
    let known = registry::state(conn, registry).await?.usable(registry)?;
    let scope = read_scope(plan, known.map(|_| registry.to_owned()));
    let actual = introspect(conn, &scope).await?;
    transaction(conn, "COMMIT").await?;
    Ok(actual)
}
