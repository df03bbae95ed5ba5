//! A versioned mart whose definition changed gets another version; versions beyond those that are kept go.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::aspect::{Cause, Difference, Fix};
use super::difference::differences;
use super::parts::{as_it_was_made, freeze, pin, stable, version};
use super::target::Target;
use super::{Options, rename, shown};
use crate::catalog::{Actual, Recorded, Relation, next_version};
use crate::compile::{Compiled, recorded_for};
use crate::manifest::{Desired, DesiredMart};
use crate::state::{Mart, Part, QName, version_name};

/// Parts with their new versions.
pub(super) struct Versioned<'a> {
    pub desired: Cow<'a, Desired>,
    pub compiled: Cow<'a, Compiled>,
    pub actual: Cow<'a, Actual>,
    /// What changed, by the relation of the new version.
    pub news: BTreeMap<QName, Vec<Difference>>,
}

/// Gives every mart whose definition changed another version.
pub(super) fn versioned<'a>(
    desired: &'a Desired,
    compiled: &'a Compiled,
    actual: &'a Actual,
    options: &Options,
) -> Versioned<'a> {
    let mut found = Versioned {
        desired: Cow::Borrowed(desired),
        compiled: Cow::Borrowed(compiled),
        actual: Cow::Borrowed(actual),
        news: BTreeMap::new(),
    };
    let renames: Vec<(QName, QName)> = desired
        .marts
        .iter()
        .filter_map(|mart| {
            Some((
                Target::new(mart, compiled, actual, &desired.project).renamed_from()?.clone(),
                mart.mart.name.clone(),
            ))
        })
        .collect();
    for mart in &desired.marts {
        let Some(Part::Version { of, declared: true, .. }) = &mart.part else { continue };
        let target = Target::new(mart, compiled, actual, &desired.project);
        let (Some(live), Some(_)) = (target.live, target.recorded) else {
            found.beside_the_pinned(of, &target);
            continue;
        };
        if !options.selects(&mart.mart.name) {
            continue;
        }
        let respelled = options.respelled.get(&mart.mart.name).copied();
        let mut changed = differences(&target, live, actual, &renames, respelled);
        changed.retain(|d| d.cause == Cause::Declared && matches!(d.fix, Fix::Rebuild | Fix::Definition));
        if !changed.is_empty() {
            found.another(of, &mart.mart.name, changed);
        }
    }
    let views = shown::views(&found.desired, &found.compiled, &found.actual);
    if !views.is_empty() {
        let marts = &mut found.desired.to_mut().marts;
        views.into_iter().for_each(|(at, view)| marts[at].view = Some(view));
    }
    found
}

impl Versioned<'_> {
    /// A version that is made beside the newest one, which is pinned: where it says the same, there is none.
    fn beside_the_pinned(&mut self, of: &QName, target: &Target<'_>) {
        let name = &target.mart.name;
        let whole = self.desired.marts.iter().find_map(|mart| match &mart.part {
            Some(Part::Stable { whole, .. }) if whole.name == *of => Some(whole),
            _ => None,
        });
        let row = whole.and_then(|whole| recorded_for(whole, &self.actual));
        let Some(newest) = row.and_then(|row| row.versions.iter().max_by_key(|version| version.number)) else { return };
        if newest.mart.name == *name {
            return;
        }
        let same = target.definition == newest.applied.compiled && target.same_columns(&newest.applied.columns);
        if same {
            self.desired.to_mut().marts.retain(|mart| mart.mart.name != *name);
            return;
        }
        let changed = Difference {
            aspect: "definition".to_owned(),
            cause: Cause::Declared,
            expected: Some(target.definition.clone()),
            actual: Some(newest.applied.compiled.clone()),
            fix: Fix::Definition,
        };
        self.news.insert(name.clone(), vec![changed]);
    }

    /// Another version of a mart in the place of its newest.
    fn another(&mut self, of: &QName, old: &QName, changed: Vec<Difference>) {
        let marts = &mut self.desired.to_mut().marts;
        let view = marts.iter().position(|m| matches!(&m.part, Some(Part::Stable { whole, .. }) if whole.name == *of));
        let newest = marts.iter().position(|mart| mart.mart.name == *old);
        let (Some(view), Some(newest)) = (view, newest) else { return };
        let Some(Part::Stable { whole, number: published }) = marts[view].part.clone() else { return };
        let Some(row) = recorded_for(&whole, &self.actual).cloned() else { return };
        let Some(before) = row.versions.iter().find(|version| version.mart.name == *old) else { return };
        let Some(versions) = whole.versions else { return };
        let known = || self.actual.recorded.values().flat_map(|row| &row.versions);
        let number = next_version(Some(&row), of, |name| known().any(|version| version.mart.name == *name));
        let relation = version_name(of, number);
        let names = |desired: &DesiredMart| -> Vec<String> {
            desired.mart.indexes.iter().map(|index| index.name.clone()).collect()
        };
        let old_names = names(&marts[newest]);
        let another = version(&marts[newest], &whole, relation.clone(), number);
        let new_names = names(&another);
        let pinned = pin(&marts[view], versions, Some(&row)) == Some(before.number);
        if pinned {
            // It stays published, as it was made.
            let stays = as_it_was_made(&marts[newest], &whole, before);
            marts.insert(view, stays);
        } else if before.number == published {
            marts[view] = stable(&marts[view], &whole, number, &relation);
        }
        marts[newest] = another;
        if !pinned {
            freeze(self.actual.to_mut(), old);
        }
        let compiled = self.compiled.to_mut();
        if let Some(mut of_version) = compiled.marts.remove(old) {
            let mut spelled = std::mem::take(&mut of_version.indexes);
            let renamed = old_names.iter().zip(new_names);
            of_version.indexes = renamed.filter_map(|(old, new)| Some((new, spelled.remove(old)?))).collect();
            compiled.marts.insert(relation.clone(), of_version);
        }
        if let Some(of_view) = compiled.marts.get_mut(of).filter(|view| view.reads.contains(old) && !pinned) {
            of_view.definition = rename::in_definition(&of_view.definition, &[(old.clone(), relation.clone())]);
            of_view.reads.remove(old);
            of_view.reads.insert(relation.clone());
        }
        self.news.insert(relation, changed);
    }
}

/// The newest version of a mart that is wanted.
pub(super) fn newest(desired: &Desired, of: &QName) -> u32 {
    let versions = desired.marts.iter().filter_map(|desired| match &desired.part {
        Some(Part::Version { of: mart, number, .. }) if mart == of => Some(*number),
        _ => None,
    });
    versions.max().unwrap_or(0)
}

/// A version that goes because newer ones are kept.
#[derive(Debug, Clone)]
pub(crate) struct Expired {
    /// Its number.
    pub number: u32,
    /// Its row.
    pub mart: Mart,
    /// Its relation's owner; `None` where it is gone already.
    pub owner: Option<String>,
}

/// Whether a mart has versions that should have gone: somebody read them when they were to.
pub(super) fn overdue(desired: &DesiredMart, actual: &Actual) -> bool {
    let Some(Part::Stable { whole, .. }) = &desired.part else { return false };
    let newest = recorded_for(whole, actual).and_then(|row| row.versions.iter().map(|version| version.number).max());
    newest.is_some_and(|newest| !expired_of(desired, newest, actual).is_empty())
}

/// The versions of a mart that go when its view is as wanted.
pub(super) fn expired_of(desired: &DesiredMart, newest: u32, actual: &Actual) -> Vec<Expired> {
    let Some(Part::Stable { whole, number }) = &desired.part else { return Vec::new() };
    let Some(row) = recorded_for(whole, actual) else { return Vec::new() };
    expired(whole, row, *number, newest, actual)
}

/// The versions of a mart that go when `published` is, and `newest` is there: those beyond `keep`, but never one that
/// something else reads.
pub(crate) fn expired(whole: &Mart, row: &Recorded, published: u32, newest: u32, actual: &Actual) -> Vec<Expired> {
    let Some(versions) = whole.versions else { return Vec::new() };
    let mut numbers: Vec<u32> = row.versions.iter().map(|version| version.number).chain([newest]).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.dedup();
    let others = usize::try_from(versions.keep).unwrap_or(usize::MAX).saturating_sub(1);
    let mut kept: BTreeSet<u32> = numbers.into_iter().filter(|number| *number != published).take(others).collect();
    // The newest is what the manifest says, published or not.
    kept.extend([published, newest]);
    let goes = row.versions.iter().filter(|version| !kept.contains(&version.number));
    goes.filter_map(|version| {
        let live = actual.relations.get(&version.mart.name);
        let read_by_others = |live: &Relation| {
            live.dependents.iter().any(|dependent| dependent.relation.as_ref() != Some(&row.mart.name))
        };
        (!live.is_some_and(read_by_others)).then(|| Expired {
            number: version.number,
            mart: version.mart.clone(),
            owner: live.map(|live| live.owner.clone()),
        })
    })
    .collect()
}
