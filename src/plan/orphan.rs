//! Marts that the registry knows and no manifest declares.

use std::collections::{BTreeMap, BTreeSet};

use super::{HazardKind, Options, Orphan, Refusal};
use crate::catalog::{Actual, Recorded, RelationKind};
use crate::manifest::Desired;
use crate::state::QName;

/// The orphans, dependents first.
pub(crate) fn orphans<'a>(desired: &Desired, actual: &'a Actual) -> Vec<&'a Recorded> {
    let declared: BTreeSet<&QName> = desired
        .marts
        .iter()
        .flat_map(|d| {
            let earlier = d.mart.renamed_from.iter();
            let renamed = earlier.filter(|old| !actual.recorded.contains_key(&d.mart.name) && actual.recorded.contains_key(*old));
            std::iter::once(&d.mart.name).chain(renamed)
        })
        .collect();
    let orphans: BTreeMap<&QName, &Recorded> =
        actual.recorded.iter().filter(|(name, _)| !declared.contains(name)).collect();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for name in orphans.keys() {
        visit(name, &orphans, actual, &mut seen, &mut order);
    }
    order
}

/// Puts a relation after everything that depends on it.
fn visit<'a>(
    name: &QName,
    orphans: &BTreeMap<&QName, &'a Recorded>,
    actual: &Actual,
    seen: &mut BTreeSet<QName>,
    order: &mut Vec<&'a Recorded>,
) {
    if !seen.insert(name.clone()) {
        return;
    }
    let dependents = actual.relations.get(name).map(|r| r.dependents.as_slice()).unwrap_or_default();
    for dependent in dependents.iter().filter_map(|d| d.relation.as_ref()) {
        if orphans.contains_key(dependent) {
            visit(dependent, orphans, actual, seen, order);
        }
    }
    order.extend(orphans.get(name));
}

/// As a plan lists one that stays.
pub(crate) fn listed(recorded: &Recorded) -> Orphan {
    Orphan {
        address: recorded.mart.name.to_string(),
        kind: recorded.mart.kind,
        file: recorded.file.clone(),
        prevent_destroy: recorded.mart.prevent_destroy,
    }
}

/// Why an orphan cannot go, or may not go without leave.
pub(crate) fn refusals(
    recorded: &Recorded,
    dropped: &BTreeSet<QName>,
    desired: &Desired,
    actual: &Actual,
    options: &Options,
) -> Vec<Refusal> {
    let name = &recorded.mart.name;
    let refuse = |hazard, message, allowable| Refusal { address: name.to_string(), hazard, message, allowable };
    let mut refused = Vec::new();
    if recorded.mart.prevent_destroy {
        refused.push(refuse(
            HazardKind::DeletesData,
            format!("{name} was applied with prevent_destroy = true; bring its manifest {} back without it first", recorded.file),
            false,
        ));
    }
    let Some(live) = actual.relations.get(name) else {
        return refused;
    };
    for dependent in &live.dependents {
        let goes = dependent.relation.as_ref().is_some_and(|relation| dropped.contains(relation));
        if !goes {
            let ours = desired.marts.iter().find(|d| Some(&d.mart.name) == dependent.relation.as_ref());
            let what = match ours {
                Some(reader) => format!("{} ({}) still reads {name}", reader.mart.name, reader.file.display()),
                None => format!("the {} {} depends on {name} and is not managed", dependent.kind, dependent.name),
            };
            refused.push(refuse(HazardKind::BreaksDependents, what, false));
        }
    }
    let readers = desired.marts.iter().filter(|d| {
        let reads = actual.recorded.get(&d.mart.name).map(|r| &r.applied.reads);
        let unchanged = actual.recorded.get(&d.mart.name).is_some_and(|r| r.applied.query == d.mart.query_fingerprint().0);
        unchanged && !d.mart.kind.eq(&crate::state::Kind::View) && reads.is_some_and(|reads| reads.contains_key(&name.to_string()))
    });
    for reader in readers.filter(|r| !live.dependents.iter().any(|d| d.relation.as_ref() == Some(&r.mart.name))) {
        let what = format!("{} ({}) still reads {name}", reader.mart.name, reader.file.display());
        refused.push(refuse(HazardKind::BreaksDependents, what, false));
    }
    let sources: Vec<_> = recorded
        .applied
        .reads
        .values()
        .filter_map(|read| actual.relations.get(&read.name))
        .filter(|source| source.kind == RelationKind::Table)
        .collect();
    let emptied = !live.empty && recorded.mart.kind.has_data() && !sources.is_empty() && sources.iter().all(|s| s.empty);
    if emptied && !options.allow.contains(&HazardKind::DeletesData) {
        let message = format!("every table that {name} read is empty; its rows could not be computed again");
        refused.push(refuse(HazardKind::DeletesData, message, true));
    }
    refused
}
