//! From decisions to statements, in the order that cannot block readers.

use std::collections::BTreeMap;

use super::alter::Later;
use super::aside::{self, Aside};
use super::aspect::Mode;
use super::builder::{Assembly, Builder};
use super::decision::Decision;
use super::statement::next;
use super::{Adopted, Record, RecordRow, expire};
use crate::catalog::{Actual, Recorded};
use crate::manifest::Desired;
use crate::state::{Part, QName};

/// Statements for `decisions` in their transactions, then for the marts that are dropped, dependents first.
pub(crate) fn assemble<'a>(
    decisions: &[Decision<'a>],
    transactions: &[Vec<usize>],
    dropped: &[&'a Recorded],
    actual: &'a Actual,
    desired: &'a Desired,
) -> Assembly {
    let mut builder = Builder {
        actual,
        desired,
        project: &desired.project,
        transaction: 0,
        schemas: actual.server.schemas.clone(),
        dropped: dropped.iter().map(|recorded| (&recorded.mart.name, *recorded)).collect(),
        indexes: BTreeMap::new(),
        out: Assembly::default(),
    };
    let left = builder.left(decisions);
    if !left.is_empty() {
        builder.begin();
    }
    let first = builder.transaction;
    builder.renames(decisions);
    for (at, members) in transactions.iter().enumerate() {
        let members: Vec<&Decision<'_>> = members.iter().map(|i| &decisions[*i]).collect();
        let before = builder.out.records.len();
        builder.transaction(&members);
        if at == 0 {
            let later = transactions.iter().skip(1).flatten().map(|i| &decisions[*i]);
            builder.behind(before, later);
        }
    }
    builder.drops(dropped);
    builder.remove(left, first);
    builder.out
}

impl Builder<'_> {
    /// What is built is committed before anything of it is published: only then it can be vacuumed, the locks of a
    /// publication are held for catalog work alone, and a publication that fails leaves it to the next apply. Where nothing
    /// but new marts comes, there is nobody to wait for, and one transaction does.
    fn transaction(&mut self, members: &[&Decision<'_>]) {
        let (lets, rest): (Vec<_>, Vec<_>) = members.iter().copied().partition(|decision| lets_read(decision, members));
        if !lets.is_empty() {
            self.transaction(&lets);
            return self.transaction(&rest);
        }
        let exchanges = aside::exchanges(members);
        let (altered, together): (Vec<_>, Vec<_>) = members.iter().copied().partition(|d| d.mode == Mode::Alter);
        if exchanges && !altered.is_empty() {
            // What takes its time in a relation that stays does not keep the locks of an exchange.
            self.transaction(&together);
            return self.transaction(&altered);
        }
        let built = members.iter().filter(|d| exchanges && d.builds()).map(|d| &d.target.mart.name);
        let aside: Aside = built.map(|name| (name.clone(), name.sibling(next(&name.name)))).collect();
        self.begin();
        let steps = self.out.steps.len();
        self.build_all(members, &aside);
        let builds = self.out.steps[steps..].iter().any(|step| step.transaction.is_some());
        if !exchanges {
            for decision in members.iter().filter(|d| d.builds()) {
                self.record(decision, None);
            }
        }
        let (steps, records) = (self.out.steps.len(), self.out.records.len());
        let mut later = Later::default();
        self.publish_all(members, &aside);
        later.alone = self.carry_after(members);
        for decision in members.iter().filter(|d| matches!(d.mode, Mode::Alter | Mode::InPlace)) {
            self.alter(decision, &mut later);
            self.forget(decision);
        }
        // What is not ours has no row.
        let ours = members.iter().filter(|d| d.target.follower.is_none());
        for decision in ours.filter(|d| exchanges || !d.builds()) {
            if !later.after.contains_key(&decision.target.mart.name) {
                self.record(decision, None);
            }
        }
        // A publication that does not get its locks is rolled back and tried again: nothing is built again for that.
        if builds && self.out.steps[steps..].iter().any(|step| step.publication) {
            self.begin();
            let transaction = self.transaction;
            self.out.steps[steps..].iter_mut().for_each(|step| step.transaction = Some(transaction));
            self.out.records[records..].iter_mut().for_each(|record| record.transaction = transaction);
        }
        // What is new is there before what is old goes.
        self.out.steps.append(&mut later.alone);
        self.out.steps.append(&mut later.last);
        for decision in members {
            let name = &decision.target.mart.name;
            if let Some(statements) = later.after.remove(name) {
                self.begin();
                for (sql, role) in statements {
                    self.publish(name, sql, role);
                }
                self.record(decision, None);
            }
        }
        for decision in members {
            self.expire(decision);
        }
    }

    /// Marts that are built anew in a later transaction than the first: where that is not reached, the next plan builds them.
    fn behind<'d>(&mut self, first: usize, later: impl Iterator<Item = &'d Decision<'d>>) {
        let records = self.out.records.iter().skip(first);
        let Some(transaction) = records.map(|record| record.transaction).min() else { return };
        let stored = later.filter(|d| d.exchanges() && d.target.has_data() && d.target.follower.is_none());
        for target in stored.map(|decision| &decision.target) {
            let mart = target.desired.part.as_ref().map_or(&target.mart.name, Part::mart).clone();
            self.out.records.push(Record { transaction, mart, row: RecordRow::Behind });
        }
    }

    pub(super) fn record(&mut self, decision: &Decision<'_>, renamed_from: Option<QName>) {
        let target = &decision.target;
        let action = decision.action();
        let (declared, part) = match (&renamed_from, target.recorded) {
            // In the transaction of the rename the rest is still as it was.
            (Some(_), Some(recorded)) => self.moved_row(decision, recorded),
            _ => (target.mart.clone(), expire::part_row(decision)),
        };
        let definition = match (&renamed_from, target.recorded) {
            (Some(_), Some(recorded)) => recorded.applied.compiled.clone(),
            _ => decision.adopted.as_ref().and_then(Option::as_ref).unwrap_or(&target.definition).clone(),
        };
        let changes = match (&renamed_from, target.recorded) {
            (Some(_), Some(recorded)) => recorded.applied.changes.clone(),
            _ => target.changes.clone(),
        };
        let adopted = decision.adopted.as_ref().map(|text| match text {
            None => Adopted::AsDeclared,
            Some(_) => Adopted::Pending,
        });
        self.out.records.push(Record {
            transaction: self.transaction,
            mart: target.mart.name.clone(),
            row: RecordRow::Upsert {
                declared: Box::new(declared),
                file: target.desired.path.clone(),
                definition,
                changes: changes.map(Box::new),
                reads: target.read_signatures(self.actual),
                renamed_from,
                action,
                adopted,
                part,
                drifted: decision.stays_drifted(),
            },
        });
    }

    /// Marts without a manifest, dependents first; those that had to go earlier are gone.
    fn drops(&mut self, dropped: &[&Recorded]) {
        let left = |builder: &Self, recorded: &Recorded| builder.dropped.contains_key(&recorded.mart.name);
        if dropped.iter().any(|recorded| left(self, recorded)) {
            self.begin();
        }
        for recorded in dropped {
            if left(self, recorded) {
                self.drop(recorded);
            }
        }
    }
}

/// Whether others among them are built from a mart whose rights change: whoever builds them may need these.
fn lets_read(decision: &Decision<'_>, members: &[&Decision<'_>]) -> bool {
    let name = &decision.target.mart.name;
    decision.mode == Mode::Alter
        && decision.differences.iter().any(|difference| difference.aspect.starts_with("grants:"))
        && members.iter().any(|other| other.builds() && other.target.desired.upstream.contains(name))
}
