//! What goes along with a mart whose relation is exchanged: the place it takes, and when each statement comes.

use std::collections::{BTreeMap, BTreeSet};

use super::aspect::{Difference, Fix};
use super::builder::Builder;
use super::carry::{self, Made};
use super::decision::Decision;
use super::lost::{Loss, Place, losses};
use super::statement::{carried_indexes, next};
use super::target::Target;
use super::{Hazard, HazardKind, Step};
use crate::catalog::{ExtraKind, Relation};
use crate::state::{Kind, QName};

/// The place that a mart's new relation takes. `owner` is whose it will be, `beside` what is exchanged with it.
fn place<'a>(
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
    losses(&place(target, differences, live, live.owner.clone(), BTreeSet::new()))
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

impl Builder<'_> {
    fn place<'a>(&self, decision: &'a Decision<'_>, members: &[&Decision<'_>]) -> Option<Place<'a>> {
        let target = &decision.target;
        let live = target.live.filter(|_| decision.exchanges())?;
        let owner = self.builder_role(decision).unwrap_or_else(|| self.actual.server.user.clone());
        let exchanged = members.iter().filter(|d| d.exchanges() && d.target.mart.kind == Kind::Table);
        let beside = exchanged.filter_map(|d| Some(d.target.live?.name.clone())).collect();
        Some(place(target, &decision.differences, live, owner, beside))
    }

    /// While the new relation stands aside and holds its rows.
    pub(super) fn carry_aside(&mut self, decision: &Decision<'_>) {
        let made = self.place(decision, &[]).map(|place| carry::aside(&place)).unwrap_or_default();
        for made in made {
            let role = self.role_of(decision, &made);
            self.push(&decision.target.mart.name, made.sql, role);
        }
    }

    /// In the publication, before the old relations go.
    pub(super) fn carry_before(&mut self, members: &[&Decision<'_>]) {
        for decision in members {
            let made = self.place(decision, members).map(|place| carry::before(&place));
            self.carry(decision, made.unwrap_or_default());
        }
    }

    /// In the publication, once every new relation has its name. Gives what is then done alone.
    pub(super) fn carry_after(&mut self, members: &[&Decision<'_>]) -> Vec<Step> {
        let mut alone = Vec::new();
        for decision in members {
            let Some(place) = self.place(decision, members) else { continue };
            let mut made = Vec::new();
            let mut last = Vec::new();
            for (add, validate) in carry::foreign_keys(&place, place.name) {
                made.extend(add);
                last.extend(validate);
            }
            made.extend(carry::after(&place));
            last.extend(carry::last(&place));
            self.carry(decision, made);
            let name = &decision.target.mart.name;
            for made in last {
                let role = self.role_of(decision, &made);
                alone.push(Step { transaction: None, lock_timeout_ms: 0, ..self.step(name, made.sql, role) });
            }
        }
        alone
    }

    fn carry(&mut self, decision: &Decision<'_>, made: Vec<Made>) {
        for made in made {
            let role = self.role_of(decision, &made);
            self.publish(&decision.target.mart.name, made.sql, role);
        }
    }

    fn role_of(&self, decision: &Decision<'_>, made: &Made) -> Option<String> {
        if made.ours { None } else { self.builder_role(decision) }
    }
}
