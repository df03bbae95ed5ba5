//! Whether what is exchanged is still what the plan saw: building takes hours, and nobody is kept from granting rights meanwhile.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::ApplyError;
use crate::catalog::{Relation, relations};
use crate::state::{Fingerprint, QName};

/// What follows to the relation that takes another's place. Dependents are not among it: a new one refuses the exchange by itself.
fn carried(relation: &Relation) -> Fingerprint {
    Fingerprint::of(&(
        (&relation.owner, &relation.comment, &relation.options, &relation.tablespace),
        (&relation.columns, &relation.indexes, &relation.grants, &relation.extras),
    ))
}

/// Refuses to exchange a relation that was changed by hand since `was` was read: its rights and policies would be lost.
pub(super) async fn still(
    conn: &mut PgConnection,
    was: &HashMap<QName, Relation>,
    exchanged: BTreeSet<QName>,
) -> Result<(), ApplyError> {
    if exchanged.is_empty() {
        return Ok(());
    }
    // The catalog is read once before the locks are taken, and once while they are held: by then it is planned.
    let planned = sqlx::raw_sql("SET LOCAL plan_cache_mode = force_generic_plan").execute(&mut *conn).await;
    planned.map_err(|error| ApplyError::Registry(error.into()))?;
    let now = relations(conn, &exchanged, &BTreeSet::new()).await.map_err(ApplyError::Catalog)?;
    let changed = |name: &&QName| match (was.get(*name), now.get(*name)) {
        (Some(was), Some(now)) => was.oid == now.oid && carried(was) != carried(now),
        _ => false,
    };
    let moved: Vec<String> = exchanged.iter().filter(changed).map(|name| format!("{name} changed meanwhile")).collect();
    if moved.is_empty() { Ok(()) } else { Err(ApplyError::Stale { moved }) }
}
