//! Whether a relation whose text is not the one that was applied says the same in other words: another major prints otherwise, and what was
//! dumped and restored is printed otherwise, too.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::needed::is_fresh;
use super::restate::is_without_temporary;
use super::{CompileError, Compiled, Stated, canonical, restate};
use crate::catalog::{Actual, Recorded, untrusted};
use crate::manifest::Desired;
use crate::state::QName;

/// For the marts whose relation does not read as it was applied: whether it says the same. One that the server does not say anything about is
/// left out; so is every one on a standby, where nothing can be tried.
///
/// # Errors
/// Something else than a query that is refused.
pub async fn respelled(
    conn: &mut PgConnection,
    desired: &Desired,
    compiled: &Compiled,
    actual: &Actual,
) -> Result<BTreeMap<QName, bool>, CompileError> {
    let mut live = Vec::new();
    let mut base = Vec::new();
    let mut declared: BTreeSet<&QName> = desired.marts.iter().map(|desired| &desired.mart.name).collect();
    // What stands under such a name now belongs to another mart.
    let leaves: BTreeSet<&QName> = actual.renamed.values().collect();
    declared.retain(|name| !leaves.contains(name));
    for (name, recorded) in actual.recorded.iter().filter(|(name, _)| declared.contains(name)) {
        let relation = actual.relations.get(name).filter(|_| !actual.server.in_recovery);
        let definition = relation.and_then(|relation| relation.definition.as_deref());
        let Some(definition) = definition.filter(|text| is_other(recorded, text, actual)) else { continue };
        let text = match (recorded.applied.major == actual.server.major(), compiled.marts.get(name)) {
            (true, _) => &recorded.applied.compiled,
            // It is more than its query.
            _ if is_fresh(recorded.part.as_ref()) => &recorded.applied.compiled,
            (false, Some(mart)) => &mart.definition,
            (false, None) => continue,
        };
        let stated = |query| Stated { mart: name, query, settings: Vec::new(), again: Vec::new(), indexes: Vec::new() };
        live.push(stated(definition));
        base.push(stated(text.as_str()));
    }
    if live.is_empty() {
        return Ok(BTreeMap::new());
    }
    let oid = |stated: &Stated<'_>| actual.relations.get(stated.mart).map(|relation| relation.oid);
    let oids: Vec<i64> = live.iter().filter_map(oid).collect();
    let untrusted = untrusted(conn, &oids).await?;
    live.retain(|stated| oid(stated).is_some_and(|oid| !untrusted.queries.contains_key(&oid)));
    let wait = desired.project.database.lock_timeout_ms;
    let live = match restate(conn, &live, wait).await {
        Ok(live) => live,
        // Who only reads sees what reads otherwise as drift.
        Err(CompileError::Sql(error)) if error.is("25006") || is_without_temporary(&error) => {
            return Ok(BTreeMap::new());
        }
        Err(error) => return Err(error),
    };
    let mut base = restate(conn, &base, wait).await?;
    let both = live.into_iter().filter_map(|(name, live)| Some((live.ok()?, base.remove(&name)?.ok()?, name)));
    Ok(both.map(|(live, base, name)| (name, live.canonical == base.canonical)).collect())
}

fn is_other(recorded: &Recorded, definition: &str, actual: &Actual) -> bool {
    let applied = &recorded.applied;
    let otherwise = || definition != applied.definition && canonical(definition) != canonical(&applied.definition);
    applied.major != actual.server.major() || otherwise()
}
