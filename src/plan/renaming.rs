//! Marts that are renamed, with their indexes and rows, before anything else changes.

use std::collections::{BTreeMap, BTreeSet};

use super::PartRow;
use super::aspect::{Fix, Mode};
use super::builder::Builder;
use super::decision::Decision;
use super::passing::hops;
use super::statement;
use crate::catalog::{Recorded, Relation};
use crate::state::{Mart, Part, QName, passing_name, quote_ident};

/// A relation that gets another name.
struct Moving<'a, 'b> {
    decision: &'b Decision<'a>,
    from: &'a QName,
    live: &'a Relation,
}

impl<'b> Moving<'_, 'b> {
    fn name(&self) -> &'b QName {
        &self.decision.target.mart.name
    }

    fn role(&self, builder: &Builder<'_>) -> Option<String> {
        builder.role(Some(&self.live.owner))
    }

    /// Its indexes with the names they will have.
    fn indexes(&self) -> impl Iterator<Item = (&str, &str)> {
        let renamed = renamed_indexes(self.decision);
        self.live.indexes.keys().map(move |name| (name.as_str(), renamed.get(name.as_str()).copied().unwrap_or(name)))
    }

    /// Whether an index of that name is wanted on it.
    fn wants(&self, index: &str) -> bool {
        let target = &self.decision.target;
        let key = || !target.mart.primary_key.is_empty() && target.primary_key_name() == index;
        target.indexes.contains_key(index) || key()
    }
}

/// The indexes of a renamed mart that get its new name: old name, new name.
fn renamed_indexes<'b>(decision: &'b Decision<'_>) -> BTreeMap<&'b str, &'b str> {
    let renamed = decision.differences.iter().filter_map(|difference| match &difference.fix {
        Fix::RenameIndex { from, to } => Some((from.as_str(), to.as_str())),
        _ => None,
    });
    renamed.collect()
}

impl Builder<'_> {
    /// All marts that are renamed get their names in one transaction, in which names may go round; what reads them follows.
    pub(super) fn renames(&mut self, decisions: &[Decision<'_>]) {
        let renamed = || decisions.iter().filter_map(|d| Some((d, d.target.renamed_from()?)));
        if renamed().next().is_none() {
            return;
        }
        self.begin();
        let moving =
            renamed().filter_map(|(decision, from)| Some(Moving { decision, from, live: decision.target.live? }));
        let moving: Vec<Moving<'_, '_>> = moving.collect();
        for one in &moving {
            self.schema(one.name(), one.decision.target.mart.owner.as_ref());
        }
        let aside = self.indexes_aside(&moving);
        let ways: Vec<(QName, QName)> = moving.iter().map(|one| (one.from.clone(), one.name().clone())).collect();
        for hop in hops(&ways) {
            let one = &moving[hop.at];
            let target = &one.decision.target;
            let kind = target.recorded.map_or(target.mart.kind, |r| r.mart.kind);
            for sql in statement::rename(kind, &hop.from, &hop.to) {
                self.publish(one.name(), sql, one.role(self));
            }
        }
        self.indexes_follow(&moving, &aside);
        for (decision, from) in renamed() {
            // The row moves with the relation; what else changes is recorded with its own transaction.
            self.record(decision, Some(from.clone()));
        }
    }

    /// An index goes with its relation to another schema: where another has its name there, it steps aside first.
    fn indexes_aside(&mut self, moving: &[Moving<'_, '_>]) -> BTreeSet<QName> {
        let there: BTreeSet<QName> = moving
            .iter()
            .flat_map(|one| one.live.indexes.keys().map(|index| one.from.sibling(index.as_str())))
            .collect();
        let mut aside = BTreeSet::new();
        for one in moving.iter().filter(|one| one.from.schema != one.name().schema) {
            for index in one.live.indexes.keys().filter(|index| there.contains(&one.name().sibling(index.as_str()))) {
                let index = one.from.sibling(index.as_str());
                self.rename_index(one, &index, &passing_name(&index));
                aside.insert(index);
            }
        }
        aside
    }

    fn indexes_follow(&mut self, moving: &[Moving<'_, '_>], aside: &BTreeSet<QName>) {
        let mut ways: Vec<(QName, QName)> = Vec::new();
        let mut whose = Vec::new();
        for one in moving {
            for (index, mut to) in one.indexes() {
                let passing = passing_name(&one.from.sibling(index));
                let now = if aside.contains(&one.from.sibling(index)) { &passing } else { index };
                let in_the_way = to == index && !one.wants(index) && {
                    let others = moving.iter().filter(|other| other.name() != one.name());
                    others.into_iter().any(|other| other.name().schema == one.name().schema && other.wants(index))
                };
                if in_the_way {
                    let place = (one.name().clone(), index.to_owned());
                    let goes = |fix: &Fix| matches!(fix, Fix::DropIndex(name) if name == index);
                    let drops = one.decision.mode == Mode::Alter;
                    if drops && one.decision.differences.iter().any(|difference| goes(&difference.fix)) {
                        let sql = format!("DROP INDEX {}", one.name().sibling(now));
                        self.publish(one.name(), sql, one.role(self));
                        self.indexes.insert(place, None);
                        continue;
                    }
                    self.indexes.insert(place, Some(passing.clone()));
                    to = &passing;
                }
                ways.push((one.name().sibling(now), one.name().sibling(to)));
                whose.push(one);
            }
        }
        for hop in hops(&ways) {
            self.rename_index(whose[hop.at], &hop.from, &hop.to.name);
        }
    }

    fn rename_index(&mut self, one: &Moving<'_, '_>, index: &QName, to: &str) {
        let sql = format!("ALTER INDEX {index} RENAME TO {}", quote_ident(to));
        self.publish(one.name(), sql, one.role(self));
    }

    /// A row as it moves to its mart's new name: all that is recorded but the names is as it was.
    pub(super) fn moved_row(&self, decision: &Decision<'_>, recorded: &Recorded) -> (Mart, Option<PartRow>) {
        let target = &decision.target;
        // That the mart was renamed is known from now on, whatever becomes of the rest of the plan.
        let renamed = |mart: &Mart| Mart {
            name: target.mart.name.clone(),
            renamed_from: target.mart.renamed_from.clone(),
            ..mart.clone()
        };
        let mut declared = renamed(&recorded.mart);
        let indexes = renamed_indexes(decision);
        declared.indexes.retain_mut(|index| {
            let room = self.indexes.get(&(target.mart.name.clone(), index.name.clone()));
            let to = indexes.get(index.name.as_str()).copied();
            if let Some(to) = to.or(room.and_then(Option::as_deref)).map(str::to_owned) {
                index.name = to;
            }
            room.is_none_or(Option::is_some)
        });
        let part = match &recorded.part {
            Some(Part::Stable { whole, number }) => {
                Some(PartRow::Stable { whole: Box::new(renamed(whole)), number: *number, held: recorded.held.clone() })
            }
            _ => None,
        };
        (declared, part)
    }

    /// A fix with the name that an index has once its mart is renamed; `None` where there is nothing left to do.
    pub(super) fn after_renames(&self, mart: &QName, fix: &Fix) -> Option<Fix> {
        let now = |index: &String| match self.indexes.get(&(mart.clone(), index.clone())) {
            Some(now) => now.clone(),
            None => Some(index.clone()),
        };
        Some(match fix {
            Fix::RenameIndex { .. } => return None,
            Fix::DropIndex(index) => Fix::DropIndex(now(index)?),
            Fix::DropConstraint(index) => Fix::DropConstraint(now(index)?),
            Fix::PrimaryKey { old } => Fix::PrimaryKey { old: old.as_ref().and_then(now) },
            other => other.clone(),
        })
    }
}
