//! What a plan looked at, and what of it moved since.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::row_fingerprint;
use super::{Plan, Read};
use crate::catalog::{Actual, Scope};
use crate::state::QName;

/// A fingerprint of everything a plan of `declared` marts looks at in `actual`.
pub(crate) fn reads(declared: &BTreeSet<QName>, actual: &Actual) -> Vec<Read> {
    let managed: BTreeSet<&QName> = declared.iter().chain(actual.recorded.keys()).collect();
    let mut reads: BTreeMap<&QName, Read> = BTreeMap::new();
    for name in &managed {
        let read = Read {
            name: (*name).clone(),
            managed: true,
            relation: actual.relations.get(name).map(|r| r.fingerprint()),
            row: row_fingerprint(actual, name),
        };
        reads.insert(name, read);
    }
    for (name, relation) in actual.relations.iter().filter(|(name, _)| !managed.contains(name)) {
        let read = Read { name: name.clone(), managed: false, relation: Some(relation.signature()), row: None };
        reads.insert(name, read);
    }
    reads.into_values().collect()
}

/// What has to be looked at to tell whether a plan still holds.
pub fn read_scope(plan: &Plan, registry: Option<String>) -> Scope {
    let names =
        |managed: bool| plan.reads.iter().filter(move |r| r.managed == managed).map(|r| r.name.clone()).collect();
    Scope {
        project: plan.project.clone(),
        registry,
        names: names(true),
        sources: names(false),
        roles: BTreeSet::new(),
        taken: BTreeSet::new(),
        versioned: Vec::new(),
    }
}

/// Everything the plan looked at that is not what it was, in words.
pub fn moved(plan: &Plan, actual: &Actual) -> Vec<String> {
    let declared = plan.reads.iter().filter(|r| r.managed).map(|r| r.name.clone()).collect();
    let now: BTreeMap<QName, Read> =
        reads(&declared, actual).into_iter().map(|read| (read.name.clone(), read)).collect();
    let mut moved = Vec::new();
    for read in &plan.reads {
        let is = now.get(&read.name);
        let relation = is.and_then(|r| r.relation.as_ref());
        if relation != read.relation.as_ref() {
            moved.push(match (&read.relation, relation) {
                (Some(_), None) => format!("{} is gone", read.name),
                (None, Some(_)) => format!("{} exists now", read.name),
                _ => format!("{} changed", read.name),
            });
        }
        if is.and_then(|r| r.row.as_ref()) != read.row.as_ref() {
            moved.push(format!("{} was applied by somebody else", read.name));
        }
    }
    moved
}
