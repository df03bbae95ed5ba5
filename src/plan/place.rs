//! The place that a mart's new relation takes, and what that means for what hangs on the old one.

use std::collections::{BTreeMap, BTreeSet};

use super::aspect::{Difference, Fix};
use super::lost::{Loss, Place, losses};
use super::statement::{carried_indexes, next};
use super::target::Target;
use super::{Hazard, HazardKind};
use crate::catalog::{ExtraKind, Relation};
use crate::state::QName;

/// The place that a mart's new relation takes. `owner` is whose it will be, `beside` what is exchanged with it.
pub(super) fn place<'a>(
    target: &'a Target<'_>,
    differences: &[Difference],
    live: &'a Relation,
    owner: String,
    beside: BTreeSet<QName>,
) -> Place<'a> {
    let mart = target.mart;
    let declared: BTreeSet<String> = target.indexes.keys().cloned().collect();
    let carried: BTreeSet<&String> = carried_indexes(target, Some(live)).into_iter().map(|(name, _)| name).collect();
    let healed = |name: &str| differences.iter().any(|d| matches!(&d.fix, Fix::DropConstraint(it) if it == name));
    let mut indexes = BTreeMap::new();
    let mut keys: Vec<Vec<String>> = vec![mart.primary_key.clone()];
    let columns = |name: &String| target.columns.iter().any(|column| column.name == *name);
    for (name, index) in &live.indexes {
        if index.primary {
            if index.keys == mart.primary_key {
                indexes.insert(name.clone(), target.primary_key_name());
            }
            continue;
        }
        let constraint = index.constraint.is_some() && index.valid && live.kind.is(mart.kind) && !healed(name);
        if declared.contains(name) || carried.contains(name) || constraint {
            indexes.insert(name.clone(), name.clone());
        }
        let again = (constraint && index.keys.iter().all(columns)) || carried.contains(name);
        if again && index.unique && !index.partial && !index.expressions {
            keys.push(index.keys.clone());
        }
    }
    for index in
        mart.indexes.iter().filter(|i| i.unique && i.predicate.is_none() && i.keys.iter().all(|k| !k.expression))
    {
        keys.push(index.keys.iter().map(|key| key.term.clone()).collect());
    }
    Place {
        live,
        kind: mart.kind,
        name: &mart.name,
        aside: mart.name.sibling(next(&mart.name.name)),
        columns: &target.columns,
        owner,
        indexes,
        declared,
        not_null: target.not_null().into_iter().map(str::to_owned).collect(),
        keys,
        beside,
    }
}

/// What cannot follow to the relation that takes the mart's place.
pub(super) fn lost(target: &Target<'_>, differences: &[Difference], live: &Relation) -> Vec<Loss> {
    let mut lost = losses(&place(target, differences, live, live.owner.clone(), BTreeSet::new()));
    lost.extend(lost_indexes(target, live));
    lost
}

/// Indexes that nobody declared, on columns that go.
fn lost_indexes(target: &Target<'_>, live: &Relation) -> Vec<Loss> {
    let ours = |name: &String| {
        target.indexes.contains_key(name)
            || target.recorded.is_some_and(|recorded| recorded.applied.indexes.contains_key(name))
    };
    let theirs = live.indexes.iter().filter(|(name, index)| {
        !ours(name) && index.valid && !index.primary && index.constraint.is_none() && live.kind.is(target.mart.kind)
    });
    let going = |index: &crate::catalog::Index| {
        index.keys.iter().find(|key| target.columns.iter().all(|column| column.name != **key)).cloned()
    };
    theirs
        .filter_map(|(name, index)| {
            let column = going(index)?;
            let message = format!("index {name} on {} is on column {column}, which goes", live.name);
            Some(Loss { message, allowable: true })
        })
        .collect()
}

/// That those who copy a mart's changes do not see it exchanged.
pub(super) fn published(live: &Relation) -> Option<Hazard> {
    let publications: Vec<&str> =
        live.extras.iter().filter(|e| e.kind == ExtraKind::Publication).map(|e| e.label.as_str()).collect();
    let message = format!(
        "{} is in {}; subscribers keep the old rows until they copy the table again",
        live.name,
        publications.join(", ")
    );
    (!publications.is_empty()).then(|| Hazard::new(HazardKind::ConflictsWithReplicaQueries, message))
}
