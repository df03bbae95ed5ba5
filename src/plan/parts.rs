//! A versioned mart as the marts it is made of: its versions, and the view of its name that selects from one of them.
//!
//! Everything after this (compiling, deciding, assembling) sees ordinary marts. Versions that are neither the newest nor the
//! pinned one are left out: nothing is declared of them, they stay as they are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Actual, Held, Recorded, RecordedVersion, next_version};
use crate::compile::recorded_for;
use crate::manifest::{Desired, DesiredMart, stable_mart, version_mart};
use crate::sql::RelationRef;
use crate::state::{Fingerprint, Mart, Part, QName, Versions, version_name};

/// Manifests and database with versioned marts taken apart.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What is wanted.
    pub desired: Cow<'a, Desired>,
    /// What there is.
    pub actual: Cow<'a, Actual>,
}

/// Takes versioned marts apart; where there are none, everything is as it was.
pub fn parts<'a>(desired: &'a Desired, actual: &'a Actual) -> Parts<'a> {
    let declared = desired.marts.iter().any(|desired| desired.mart.versions.is_some());
    if !declared && actual.recorded.values().all(|recorded| recorded.versions.is_empty()) {
        return Parts { desired: Cow::Borrowed(desired), actual: Cow::Borrowed(actual) };
    }
    let mut marts = Vec::with_capacity(desired.marts.len() + 1);
    // Of each registry row with versions, those that a manifest still says something about; all where none does.
    let mut spoken: BTreeMap<QName, BTreeSet<u32>> = BTreeMap::new();
    for desired in &desired.marts {
        let recorded = recorded_for(&desired.mart, actual);
        match desired.mart.versions {
            None => marts.push(desired.clone()),
            Some(versions) => {
                let apart = take_apart(desired, versions, recorded);
                if let Some(recorded) = recorded {
                    let numbers = apart.iter().filter_map(|mart| match mart.part {
                        Some(Part::Version { number, .. }) => Some(number),
                        _ => None,
                    });
                    spoken.insert(recorded.mart.name.clone(), numbers.collect());
                }
                marts.extend(apart);
            }
        }
    }
    let mut recorded = BTreeMap::new();
    for (name, row) in &actual.recorded {
        if row.versions.is_empty() {
            recorded.insert(name.clone(), row.clone());
            continue;
        }
        let spoken = spoken.get(name);
        for version in row.versions.iter().filter(|version| spoken.is_none_or(|s| s.contains(&version.number))) {
            recorded.insert(version.mart.name.clone(), version_row(row, version));
        }
        recorded.insert(name.clone(), stable_row(row));
    }
    let mut apart = desired.clone();
    apart.marts = marts;
    let mut actual = Actual { recorded, ..actual.clone() };
    let frozen = actual.frozen.keys().filter(|name| !actual.recorded.contains_key(*name)).cloned();
    for name in frozen.collect::<Vec<_>>() {
        freeze(&mut actual, &name);
    }
    Parts { desired: Cow::Owned(apart), actual: Cow::Owned(actual) }
}

/// Nothing is declared of a version any more: it follows what it reads as it is.
pub(super) fn freeze(actual: &mut Actual, version: &QName) {
    actual.recorded.remove(version);
    if let Some(follower) = actual.frozen.remove(version) {
        actual.followers.insert(version.clone(), follower);
    }
}

/// The version whose number is asked for: by a rollback that still holds, else by the manifest.
pub(super) fn pin(desired: &DesiredMart, versions: Versions, recorded: Option<&Recorded>) -> Option<u32> {
    recorded.and_then(|recorded| holds(desired, recorded)).map_or(versions.pin, |held| Some(held.pin))
}

/// The rollback that still decides which version is published: the mart's file is what it was then, or says what was applied
/// before it.
pub(super) fn holds<'a>(desired: &DesiredMart, recorded: &'a Recorded) -> Option<&'a Held> {
    let held = recorded.held.as_ref()?;
    let file = file_fingerprint(desired);
    let known = held.file == file || held.others.contains(&file) || held.others.contains(&whole(desired).fingerprint());
    known.then_some(held)
}

/// Whether a mart's file says by itself what a rollback asks for, or something newer: then nothing is remembered any more, so
/// that whoever writes another pin is heard.
pub(super) fn overtaken(desired: &DesiredMart, recorded: &Recorded) -> bool {
    let Some(held) = &recorded.held else { return false };
    let newest = recorded.versions.iter().map(|version| version.number).max();
    let says = whole(desired).versions.and_then(|versions| versions.pin).or(newest);
    holds(desired, recorded).is_none() || says == Some(held.pin)
}

fn whole(desired: &DesiredMart) -> &Mart {
    match &desired.part {
        Some(Part::Stable { whole, .. }) => whole,
        _ => &desired.mart,
    }
}

/// What a rollback remembers of a mart's file: it holds until that changes.
pub fn file_fingerprint(desired: &DesiredMart) -> Fingerprint {
    Fingerprint::of(&(&*desired.text, &whole(desired).query))
}

/// The newest version as the manifest says it, the pinned one as it was made, and the view; in this order.
fn take_apart(desired: &DesiredMart, versions: Versions, recorded: Option<&Recorded>) -> Vec<DesiredMart> {
    let mart = &desired.mart;
    let known = recorded.map(|recorded| recorded.versions.as_slice()).unwrap_or_default();
    let newest = known.iter().max_by_key(|version| version.number);
    let (number, relation) = match newest {
        Some(version) => (version.number, version.mart.name.clone()),
        None => (1, version_name(&mart.name, 1)),
    };
    // One that is not there is a problem that is told; see `problem.rs`.
    let pinned = pin(desired, versions, recorded).and_then(|pin| known.iter().find(|version| version.number == pin));
    let other = |pinned: &&RecordedVersion| {
        let now = version_mart(mart, pinned.mart.name.clone(), pinned.number);
        pinned.number == number && pinned.mart.query_fingerprint() != now.query_fingerprint()
    };
    if let (Some(pinned), Some(recorded)) = (pinned.filter(other), recorded) {
        // The newest is pinned, and its readers go on with it: what the manifest says now is made beside it.
        let next = next_version(Some(recorded), &mart.name, |_| false);
        let made = version(desired, mart, version_name(&mart.name, next), next);
        let view = stable(desired, mart, pinned.number, &pinned.mart.name);
        return vec![made, as_it_was_made(desired, mart, pinned), view];
    }
    let mut published = (number, relation.clone());
    let mut parts = vec![version(desired, mart, relation, number)];
    if let Some(pinned) = pinned.filter(|pinned| pinned.number != number) {
        published = (pinned.number, pinned.mart.name.clone());
        parts.push(as_it_was_made(desired, mart, pinned));
    }
    parts.push(stable(desired, mart, published.0, &published.1));
    parts
}

/// A version as the manifest says it now.
pub(super) fn version(desired: &DesiredMart, whole: &Mart, relation: QName, number: u32) -> DesiredMart {
    DesiredMart {
        mart: version_mart(whole, relation, number),
        part: Some(Part::Version { of: whole.name.clone(), number, declared: true }),
        origins: BTreeMap::new(),
        view: None,
        ..desired.clone()
    }
}

/// An older version: nothing about it is to change.
pub(super) fn as_it_was_made(desired: &DesiredMart, whole: &Mart, version: &RecordedVersion) -> DesiredMart {
    DesiredMart {
        mart: version.mart.clone(),
        reads: Vec::new(),
        upstream: version.applied.reads.values().map(|read| read.name.clone()).collect(),
        part: Some(Part::Version { of: whole.name.clone(), number: version.number, declared: false }),
        origins: BTreeMap::new(),
        view: None,
        ..desired.clone()
    }
}

/// The view of the mart's name.
pub(super) fn stable(desired: &DesiredMart, whole: &Mart, number: u32, relation: &QName) -> DesiredMart {
    let read =
        RelationRef { schema: Some(relation.schema.clone()), name: relation.name.clone(), span: 0..0, aliased: false };
    DesiredMart {
        mart: stable_mart(whole, relation),
        reads: vec![read],
        upstream: BTreeSet::from([relation.clone()]),
        part: Some(Part::Stable { whole: Box::new(whole.clone()), number }),
        view: None,
        ..desired.clone()
    }
}

/// The registry's row of a version, as if it were a mart's.
fn version_row(row: &Recorded, version: &RecordedVersion) -> Recorded {
    let part = Part::Version { of: row.mart.name.clone(), number: version.number, declared: false };
    Recorded {
        fingerprint: version.mart.fingerprint(),
        mart: version.mart.clone(),
        applied: version.applied.clone(),
        relation: version.relation,
        revision: version.revision.clone(),
        created_at: version.created_at,
        versions: Vec::new(),
        held: None,
        part: Some(part),
        ..row.clone()
    }
}

/// The registry's row of the view.
fn stable_row(row: &Recorded) -> Recorded {
    let published = row.published();
    let nothing = row.mart.name.clone();
    let mart = stable_mart(&row.mart, published.map_or(&nothing, |version| &version.mart.name));
    let number = published.map_or(0, |version| version.number);
    let mut stable = Recorded {
        fingerprint: mart.fingerprint(),
        mart,
        part: Some(Part::Stable { whole: Box::new(row.mart.clone()), number }),
        ..row.clone()
    };
    stable.applied.reads.retain(|_, read| row.versions.iter().any(|version| version.mart.name == read.name));
    stable
}

/// What a plan compares to see whether a row of the registry is what it was. The same before and after it is taken apart; what
/// a rollback remembers is left out, since it publishes something else or changes nothing.
pub(super) fn row_fingerprint(actual: &Actual, name: &QName) -> Option<Fingerprint> {
    let whole = |row: &Recorded, mart: &Mart| match row.versions.is_empty() {
        true => row.fingerprint.clone(),
        false => {
            let versions: Vec<_> = row.versions.iter().map(|v| (v.number, v.published)).collect();
            Fingerprint::of(&(mart.fingerprint(), versions))
        }
    };
    if let Some(row) = actual.recorded.get(name) {
        return Some(match &row.part {
            Some(Part::Stable { whole: mart, .. }) => whole(row, mart),
            _ => whole(row, &row.mart),
        });
    }
    let versions = actual.recorded.values().flat_map(|row| &row.versions);
    versions.into_iter().find(|version| version.mart.name == *name).map(|version| version.mart.fingerprint())
}
