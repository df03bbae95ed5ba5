//! Building: what a transaction makes before anything of it is published, marked so that a later apply knows it.

use std::collections::{BTreeMap, BTreeSet};

use super::Step;
use super::aspect::Mode;
use super::builder::Builder;
use super::decision::Decision;
use super::order::query_text;
use super::partitions;
use super::statement::{self, next};
use crate::catalog::RelationKind;
use crate::state::{Fingerprint, Kind, Part, QName, aside_fingerprint, aside_mark, quote_literal};

/// What is built aside in one transaction: by the name it will have, the name it has.
pub(super) type Aside = BTreeMap<QName, QName>;

/// The marts that are built under another name, to be published together: where one takes another's place, all of its
/// transaction.
pub(super) fn marts(decisions: &[Decision<'_>], transactions: &[Vec<usize>]) -> BTreeSet<QName> {
    let mut marts = BTreeSet::new();
    for members in transactions {
        let members: Vec<&Decision<'_>> = members.iter().map(|i| &decisions[*i]).collect();
        if exchanges(&members) {
            marts.extend(members.iter().filter(|d| d.builds()).map(|d| d.target.mart.name.clone()));
        }
    }
    marts
}

/// Whether something is published that readers have already: a relation that takes another's place, or a version that a view
/// changes to; or something is so large that several sessions fill it, which only see what is committed.
pub(super) fn exchanges(members: &[&Decision<'_>]) -> bool {
    let version = |d: &&Decision<'_>| matches!(d.target.desired.part, Some(Part::Version { .. })) && d.builds();
    members.iter().any(|d| d.exchanges() || d.fills_beside(members))
        || (members.iter().any(version) && members.iter().any(|d| d.mode == Mode::InPlace))
}

impl<'a> Builder<'a> {
    /// Builds everything that `members` build, and checks it.
    pub(super) fn build_all(&mut self, members: &[&Decision<'_>], aside: &Aside) {
        for decision in members.iter().filter(|d| d.builds()) {
            self.schema(&decision.target.mart.name, decision.target.mart.owner.as_ref());
        }
        let from = self.out.steps.len();
        // Those read none of the others. What is committed before their rows are there would have no mark.
        let built = members.iter().copied().filter(|decision| decision.builds());
        let (beside, others): (Vec<&Decision<'_>>, Vec<_>) = built.partition(|decision| decision.fills_beside(members));
        beside.into_iter().for_each(|decision| self.build(decision, aside, true));
        others.into_iter().for_each(|decision| self.build(decision, aside, false));
        self.checks(members, aside);
        if aside.is_empty() {
            return;
        }
        let fingerprint = self.made_by(members, aside, &self.out.steps[from..]);
        if self.is_there(members, aside, &fingerprint) {
            self.out.steps.truncate(from);
            self.out.adopted.extend(aside.keys().cloned());
        } else {
            self.mark(members, aside, &fingerprint);
        }
        self.vacuum(members, aside);
    }

    fn build(&mut self, decision: &Decision<'_>, aside: &Aside, beside: bool) {
        let target = &decision.target;
        let mart = target.mart;
        let name = aside.get(&mart.name).unwrap_or(&mart.name).clone();
        let role = self.builder_role(decision);
        let live = target.live.filter(|_| decision.exchanges());
        self.let_read(decision);
        let query = target.retained(&query_text(decision, aside));
        let create = match &mart.partition {
            Some(partition) => partitions::create(target, partition, &name, self.actual, role.as_deref()),
            None => vec![statement::create(&decision.stored(), &name, &query, live)],
        };
        for sql in create {
            self.push_with_settings(decision, sql);
        }
        match mart.partition {
            Some(_) if beside => self.fill_beside(decision, &name),
            // Rows go in before there are indexes.
            Some(_) => self.push_with_settings(decision, format!("INSERT INTO {name}\n{}", query.trim())),
            None => {}
        }
        for sql in statement::complete(target, &name, live, self.actual, role.as_deref()) {
            self.push_with_settings(decision, sql);
        }
        self.carry_aside(decision);
    }

    /// The fingerprint of everything that makes what is built: the statements, and the relations that they read.
    fn made_by(&self, members: &[&Decision<'_>], aside: &Aside, steps: &[Step]) -> Fingerprint {
        let made: Vec<_> = steps.iter().map(|step| (&step.sql, &step.role, &step.settings)).collect();
        let reads: BTreeSet<&QName> = members.iter().flat_map(|d| &d.target.reads).collect();
        let reads: Vec<_> = reads
            .into_iter()
            .filter(|name| !aside.contains_key(*name))
            .filter_map(|name| Some((name, self.actual.relation(name)?)))
            .map(|(name, relation)| (name, relation.oid, relation.signature()))
            .collect();
        Fingerprint::of(&(made, reads))
    }

    /// Whether an apply that was interrupted had built all of it, just so.
    fn is_there(&self, members: &[&Decision<'_>], aside: &Aside, fingerprint: &Fingerprint) -> bool {
        members.iter().filter(|d| d.builds()).all(|decision| {
            let target = &decision.target;
            let Some(name) = aside.get(&target.mart.name) else { return false };
            let left = self.actual.left.get(name).filter(|left| left.kind.is(target.mart.kind));
            let mark = left.and_then(|left| aside_fingerprint(&left.mark, &self.project.name, name));
            let index = |index: &String| {
                let taken = self.actual.taken.get(&name.sibling(next(index)));
                taken.is_some_and(|taken| taken.index_of.as_ref() == Some(name))
            };
            mark.as_ref() == Some(fingerprint) && target.indexes.keys().all(index)
        })
    }

    /// Until it is published its comment says whose it is.
    fn mark(&mut self, members: &[&Decision<'_>], aside: &Aside, fingerprint: &Fingerprint) {
        for decision in members {
            let mart = decision.target.mart;
            let Some(name) = aside.get(&mart.name) else { continue };
            let mark = aside_mark(&self.project.name, name, fingerprint);
            let sql = format!("COMMENT ON {} {name} IS {}", mart.kind.sql(), quote_literal(&mark));
            let step = Step { aside: true, ..self.step(&mart.name, sql, self.builder_role(decision)) };
            self.out.steps.push(step);
        }
    }

    /// Statistics and visibility map, which no transaction can make of what it builds itself.
    fn vacuum(&mut self, members: &[&Decision<'_>], aside: &Aside) {
        for decision in members.iter().filter(|d| d.target.mart.kind != Kind::View) {
            let Some(name) = aside.get(&decision.target.mart.name) else { continue };
            let beside = decision.fills_beside(members);
            let sql = match beside {
                true => super::beside::complete(&decision.target, name),
                false => vec![format!("VACUUM (ANALYZE) {name}")],
            };
            for sql in sql {
                self.push_with_settings(decision, sql);
                if let Some(step) = self.out.steps.last_mut() {
                    (step.transaction, step.aside, step.beside) = (None, true, beside);
                    // They wait for one another only, and then as long as it takes.
                    step.lock_timeout_ms = if beside { 0 } else { step.lock_timeout_ms };
                }
            }
        }
    }

    /// What earlier applies left, and what earlier refreshes left under names that are needed now, with its owner:
    /// dependents before what they read.
    pub(super) fn left(&self, decisions: &[Decision<'_>]) -> Vec<(QName, &'a str, &'a String)> {
        let actual = self.actual;
        let mut going: BTreeSet<&QName> = actual.left.keys().collect();
        let mut order = Vec::new();
        while !going.is_empty() {
            let read = |name: &QName| {
                actual.left.get(name).is_some_and(|left| left.readers.iter().any(|reader| going.contains(reader)))
            };
            let free: Vec<&QName> = going.iter().copied().filter(|name| !read(name)).collect();
            if free.is_empty() {
                break;
            }
            for name in free {
                going.remove(name);
                order.extend(actual.left.get(name).map(|left| (name.clone(), drop_word(left.kind), &left.owner)));
            }
        }
        for decision in decisions.iter().filter(|d| d.builds() || d.redefined()) {
            let mart = &decision.target.mart.name;
            let name = mart.sibling(next(&mart.name));
            let left = actual.taken.get(&name).filter(|left| left.is_left_of(mart, &self.project.name));
            let left = left.filter(|_| !actual.left.contains_key(&name));
            order.extend(left.map(|left| (name, drop_word(left.kind), &left.owner)));
        }
        order
    }

    /// Removes what was left and is not published after all, before anything else is done.
    pub(super) fn remove(&mut self, left: Vec<(QName, &str, &String)>, transaction: u32) {
        let kept: BTreeSet<QName> = self.out.adopted.iter().map(|name| name.sibling(next(&name.name))).collect();
        let mut steps = Vec::new();
        for (name, kind, owner) in left.into_iter().filter(|(name, ..)| !kept.contains(name)) {
            let step = self.step(&name, format!("DROP {kind} {name}"), self.role(Some(owner)));
            steps.push(Step { transaction: Some(transaction), ..step });
            if self.actual.left.contains_key(&name) {
                self.out.leftovers.push(name.to_string());
            }
        }
        self.out.steps.splice(0..0, steps);
    }
}

fn drop_word(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::View => Kind::View.sql(),
        RelationKind::MaterializedView => Kind::MaterializedView.sql(),
        _ => Kind::Table.sql(),
    }
}
