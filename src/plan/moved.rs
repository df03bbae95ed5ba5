//! What a plan looked at, and what of it moved since.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::row_fingerprint;
use super::{Plan, Read, Record};
use crate::catalog::{Actual, Left, Recorded, Relation, Scope, Taken};
use crate::state::{Part, QName, next_name};

/// A fingerprint of everything a plan of `declared` marts looks at in `actual`, where it changes those that are `touched`.
pub(crate) fn reads(declared: &BTreeSet<QName>, touched: &BTreeSet<&QName>, actual: &Actual) -> Vec<Read> {
    let managed: BTreeSet<&QName> = declared.iter().chain(actual.recorded.keys()).collect();
    let mut reads: BTreeMap<&QName, Read> = BTreeMap::new();
    for name in &managed {
        // Where every refresh makes a version, whatever the plan is about, only what readers see of it matters.
        if let Some(of) = versioned_by_refreshes(actual, name).filter(|of| !touched.contains(of)) {
            let relation = actual.relations.get(name).map(Relation::signature);
            let read = Read { name: (*name).clone(), managed: false, relation, row: None, aside: false };
            reads.extend((of == *name).then_some((*name, read)));
            continue;
        }
        let read = Read {
            name: (*name).clone(),
            managed: true,
            relation: actual.relations.get(name).map(|r| r.fingerprint()),
            row: row_fingerprint(actual, name),
            aside: false,
        };
        reads.insert(name, read);
    }
    // Of what follows marts only that matters which does, or which marts read.
    let aside = |name: &QName| actual.followers.get(name).is_some_and(|follower| !follower.is_read);
    let sources = actual.relations.iter().filter(|(name, _)| !managed.contains(name) && !aside(name));
    for (name, relation) in sources {
        let read =
            Read { name: name.clone(), managed: false, relation: Some(relation.signature()), row: None, aside: false };
        reads.insert(name, read);
    }
    reads.into_values().collect()
}

/// The mart whose refreshes make versions, where `name` is its own or that of one of them.
fn versioned_by_refreshes<'a>(actual: &'a Actual, name: &'a QName) -> Option<&'a QName> {
    let has = |row: &&Recorded| row.versions.iter().any(|version| version.mart.name == *name);
    let of = match actual.recorded.get(name).map(|row| &row.part) {
        Some(Some(Part::Version { of, .. })) => of,
        Some(_) => name,
        None => &actual.recorded.values().find(has)?.mart.name,
    };
    actual.recorded.get(of).filter(|row| row.makes_versions()).map(|_| of)
}

/// The marts that a plan changes.
pub(crate) fn touched(records: &[Record]) -> BTreeSet<&QName> {
    records.iter().map(Record::of).collect()
}

/// What stands under the names at which `marts` are built aside, and everything that applies left.
pub(crate) fn asides(marts: &BTreeSet<QName>, actual: &Actual) -> Vec<Read> {
    let needed = marts.iter().map(|mart| mart.sibling(next_name(&mart.name)));
    let names: BTreeSet<QName> = needed.chain(actual.left.keys().cloned()).collect();
    names.into_iter().map(|name| aside(name, actual)).collect()
}

fn aside(name: QName, actual: &Actual) -> Read {
    let relation = actual.taken.get(&name).map(Taken::fingerprint);
    let relation = relation.or_else(|| actual.left.get(&name).map(Left::fingerprint));
    Read { name, managed: false, relation, row: None, aside: true }
}

/// What has to be looked at to tell whether a plan still holds.
pub fn read_scope(plan: &Plan, registry: Option<String>) -> Scope {
    let names = |managed: bool| {
        plan.reads.iter().filter(move |r| r.managed == managed && !r.aside).map(|r| r.name.clone()).collect()
    };
    Scope {
        brief: false,
        refreshing: false,
        project: plan.project.clone(),
        registry,
        names: names(true),
        sources: names(false),
        roles: BTreeSet::new(),
        taken: plan.reads.iter().filter(|r| r.aside).map(|r| r.name.clone()).collect(),
        earlier: BTreeMap::new(),
        divided: BTreeSet::new(),
        versioned: Vec::new(),
        capture: None,
    }
}

/// Everything the plan looked at that is not what it was, in words.
pub fn moved(plan: &Plan, actual: &Actual) -> Vec<String> {
    let declared = plan.reads.iter().filter(|r| r.managed).map(|r| r.name.clone()).collect();
    let now: BTreeMap<QName, Read> =
        reads(&declared, &touched(&plan.records), actual).into_iter().map(|read| (read.name.clone(), read)).collect();
    let mut moved = Vec::new();
    for read in &plan.reads {
        let aside = read.aside.then(|| aside(read.name.clone(), actual));
        let is = aside.as_ref().or_else(|| now.get(&read.name));
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
