//! What is refreshed together: the marts, what each has to wait for, and what holds for all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, Options};
use crate::build::SizeLimit;
use crate::catalog::{Actual, Recorded};
use crate::manifest::Project;
use crate::state::QName;

/// What is refreshed, upstream first; a mart waits for every selected one it reads, through others too.
///
/// # Errors
/// The selected marts that were never applied.
pub fn items(actual: &Actual, selected: &BTreeSet<QName>) -> Result<Vec<Item>, Vec<QName>> {
    let recorded = &actual.recorded;
    let unknown: Vec<QName> = selected.iter().filter(|n| !recorded.contains_key(*n)).cloned().collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut closures = BTreeMap::new();
    for name in selected {
        closure(name, recorded, &mut closures);
    }
    let mut items: Vec<Item> = selected
        .iter()
        .filter_map(|name| recorded.get(name))
        .map(|mart| {
            let upstream = closures[&mart.mart.name].intersection(selected).cloned().collect();
            Item::new(mart, actual, upstream)
        })
        .collect();
    items.sort_by_key(|item| (closures[&item.mart].len(), item.mart.clone()));
    Ok(items)
}

/// Every mart that `name` reads, directly or not.
fn closure<'a>(
    name: &QName,
    recorded: &BTreeMap<QName, Recorded>,
    known: &'a mut BTreeMap<QName, BTreeSet<QName>>,
) -> &'a BTreeSet<QName> {
    if !known.contains_key(name) {
        // A cycle cannot be applied; the empty set ends one all the same.
        known.insert(name.clone(), BTreeSet::new());
        let mut all = BTreeSet::new();
        let reads = recorded.get(name).map(|r| r.applied.reads.values()).into_iter().flatten();
        for read in reads.filter(|read| recorded.contains_key(&read.name)) {
            all.insert(read.name.clone());
            all.extend(closure(&read.name, recorded, known).iter().cloned());
        }
        known.insert(name.clone(), all);
    }
    &known[name]
}

impl Options {
    /// What the project says about every refresh.
    pub fn of(project: &Project, actual: &Actual) -> Self {
        // Each worker has a session, and another one that watches what it may add to the database.
        let max_size = project.max_size().map(|(bytes, origin)| SizeLimit { bytes, origin });
        let sessions = if max_size.is_some() { 2 } else { 1 };
        let most = (project.database.connections / sessions).max(1);
        let parallel = project.limits.parallel_refreshes.min(most);
        Self {
            concurrent: None,
            parallel: usize::try_from(parallel).unwrap_or(1),
            most: usize::try_from(most.min(parallel.saturating_mul(2))).unwrap_or(1),
            wait: std::time::Duration::ZERO,
            lock_timeout_ms: project.database.lock_timeout_ms,
            publish_lock_timeout_ms: project.database.publish_lock_timeout_ms,
            statement_timeout_ms: project.database.statement_timeout_ms,
            settings: project.limits.settings(),
            max_size,
            max_snapshot: None,
            max_log: Some(project.capture.max_log()),
            window: project.maintenance_window.clone(),
            pause_when: project.limits.pause_when.clone(),
            defaults: actual.default_acls.clone(),
            requested_by: String::new(),
            registry: project.registry_schema.clone(),
            project: project.name.clone(),
            beside: None,
            epoch: None,
        }
    }
}
