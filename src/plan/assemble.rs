//! From decisions to statements, in the order that cannot block readers.

use std::collections::{BTreeMap, BTreeSet};

use super::aspect::{Fix, Mode};
use super::decision::Decision;
use super::mend::{Mend, mend};
use super::order::{Old, dependents_first, query_text};
use super::statement::{self, next};
use super::{Action, Adopted, Record, RecordRow, Step, expire};
use crate::catalog::{Actual, Recorded};
use crate::manifest::{Desired, Project};
use crate::state::{Kind, Part, QName, quote_ident};

/// Statements and registry rows, in order.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    pub steps: Vec<Step>,
    pub records: Vec<Record>,
}

/// Who a statement runs as and how long it may wait.
pub(super) struct Builder<'a> {
    pub(super) actual: &'a Actual,
    pub(super) desired: &'a Desired,
    project: &'a Project,
    pub(super) transaction: u32,
    /// Schemas that exist or were created by an earlier step.
    schemas: BTreeSet<String>,
    /// Marts that go, and have not gone yet.
    dropped: BTreeMap<&'a QName, &'a Recorded>,
    pub(super) out: Assembly,
}

/// Statements for `decisions` in their transactions, then for the marts that are dropped, dependents first.
pub(crate) fn assemble<'a>(
    decisions: &[Decision<'_>],
    transactions: &[Vec<usize>],
    dropped: &[&'a Recorded],
    renames: &[(QName, QName)],
    actual: &'a Actual,
    desired: &'a Desired,
) -> Assembly {
    let mut builder = Builder {
        desired,
        project: &desired.project,
        actual,
        transaction: 0,
        schemas: actual.server.schemas.clone(),
        dropped: dropped.iter().map(|recorded| (&recorded.mart.name, *recorded)).collect(),
        out: Assembly::default(),
    };
    builder.renames(decisions, renames);
    for members in transactions {
        let members: Vec<&Decision<'_>> = members.iter().map(|i| &decisions[*i]).collect();
        builder.transaction(&members);
    }
    builder.drops(dropped);
    builder.out
}

impl Builder<'_> {
    fn begin(&mut self) {
        self.transaction += 1;
    }

    pub(super) fn role(&self, owner: Option<&String>) -> Option<String> {
        owner.filter(|owner| **owner != self.actual.server.user).cloned()
    }

    /// Who builds the mart: its declared owner, else who owns it now, else the connection's role. A view that is changed in place belongs to
    /// whom it belongs, unless that is changed, too.
    pub(super) fn builder_role(&self, decision: &Decision<'_>) -> Option<String> {
        let live = decision.target.live.map(|live| &live.owner);
        let handed_over = decision.differences.iter().any(|d| matches!(d.fix, Fix::Owner(_)));
        let declared = decision.target.mart.owner.as_ref().filter(|_| decision.mode != Mode::InPlace || handed_over);
        self.role(declared.or(live))
    }

    fn step(&self, mart: &QName, sql: String, role: Option<String>) -> Step {
        Step {
            transaction: Some(self.transaction),
            sql,
            lock_timeout_ms: self.project.database.lock_timeout_ms,
            statement_timeout_ms: self.project.database.statement_timeout_ms,
            mart: mart.to_string(),
            role,
            settings: Vec::new(),
            publication: false,
            check: None,
        }
    }

    pub(super) fn push(&mut self, mart: &QName, sql: String, role: Option<String>) {
        let step = self.step(mart, sql, role);
        self.out.steps.push(step);
    }

    /// As who builds the mart, with its settings.
    pub(super) fn push_with_settings(&mut self, decision: &Decision<'_>, sql: String) {
        let name = &decision.target.mart.name;
        let step = Step { settings: self.settings(decision), ..self.step(name, sql, self.builder_role(decision)) };
        self.out.steps.push(step);
    }

    pub(super) fn publish(&mut self, mart: &QName, sql: String, role: Option<String>) {
        let step = Step {
            lock_timeout_ms: self.project.database.publish_lock_timeout_ms,
            publication: true,
            ..self.step(mart, sql, role)
        };
        self.out.steps.push(step);
    }

    fn settings(&self, decision: &Decision<'_>) -> Vec<(String, String)> {
        let mut settings = decision.target.mart.settings();
        for (key, value) in self.project.limits.settings() {
            if !settings.iter().any(|(known, _)| *known == key) {
                settings.push((key, value));
            }
        }
        settings
    }

    fn renames(&mut self, decisions: &[Decision<'_>], renames: &[(QName, QName)]) {
        if renames.is_empty() {
            return;
        }
        self.begin();
        for decision in decisions {
            let target = &decision.target;
            let (Some(from), Some(live)) = (target.renamed_from(), target.live) else {
                continue;
            };
            self.schema(&target.mart.name, target.mart.owner.as_ref());
            let kind = target.recorded.map_or(target.mart.kind, |r| r.mart.kind);
            let role = self.role(Some(&live.owner));
            for sql in statement::rename(kind, from, &target.mart.name) {
                self.publish(&target.mart.name, sql, role.clone());
            }
            // The row moves with the relation; what else changes is recorded with its own transaction.
            self.record(decision, target.renamed_from().cloned());
        }
    }

    fn schema(&mut self, name: &QName, owner: Option<&String>) {
        if !self.schemas.insert(name.schema.clone()) {
            return;
        }
        let schema = quote_ident(&name.schema);
        self.push(name, format!("CREATE SCHEMA IF NOT EXISTS {schema}"), None);
        if let Some(owner) = self.role(owner) {
            let sql = format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {}", quote_ident(&owner));
            self.push(name, sql, None);
        }
    }

    /// One transaction: everything is built first, then published at once; what runs alone comes after it.
    fn transaction(&mut self, members: &[&Decision<'_>]) {
        self.begin();
        let aside: BTreeMap<QName, QName> = members
            .iter()
            .filter(|d| d.mode == Mode::Rebuild)
            .map(|d| &d.target.mart.name)
            .map(|name| (name.clone(), name.sibling(next(&name.name))))
            .collect();
        for decision in members.iter().filter(|d| d.builds()) {
            self.build(decision, &aside);
        }
        self.checks(members, &aside);
        let in_place =
            |changes: bool| members.iter().filter(move |d| d.mode == Mode::InPlace && d.redefined() == changes);
        // Views that only follow are re-pointed from the outermost inwards, as readers lock them.
        for decision in in_place(false).collect::<Vec<_>>().into_iter().rev() {
            self.replace_view(decision, &aside);
        }
        for decision in in_place(true) {
            self.replace_view(decision, &aside);
        }
        for old in dependents_first(members, &self.dropped, self.actual) {
            match old {
                Old::Exchanged(decision) => self.drop_old(decision),
                Old::Dropped(recorded) => self.drop(recorded),
            }
        }
        for decision in members.iter().filter(|d| d.mode == Mode::Rebuild) {
            self.take_place(decision, &aside);
        }
        for decision in members {
            self.expire(decision);
        }
        let mut alone = Vec::new();
        let mut last = Vec::new();
        let mut after: BTreeMap<QName, Vec<(String, Option<String>)>> = BTreeMap::new();
        for decision in members.iter().filter(|d| matches!(d.mode, Mode::Alter | Mode::InPlace)) {
            self.alter(decision, &mut alone, &mut after, &mut last);
        }
        for decision in members {
            if !after.contains_key(&decision.target.mart.name) {
                self.record(decision, None);
            }
        }
        // What is new is there before what is old goes.
        self.out.steps.append(&mut alone);
        self.out.steps.append(&mut last);
        for decision in members {
            let name = &decision.target.mart.name;
            if let Some(statements) = after.remove(name) {
                self.begin();
                for (sql, role) in statements {
                    self.publish(name, sql, role);
                }
                self.record(decision, None);
            }
        }
    }

    fn build(&mut self, decision: &Decision<'_>, aside: &BTreeMap<QName, QName>) {
        let target = &decision.target;
        let mart = target.mart;
        self.schema(&mart.name, mart.owner.as_ref());
        let name = aside.get(&mart.name).unwrap_or(&mart.name).clone();
        let role = self.builder_role(decision);
        if let Some(left) = self.actual.taken.get(&name).filter(|left| left.is_left_of(&mart.name)) {
            // What a refresh that was killed had built.
            let sql = format!("DROP TABLE {name}");
            self.push(&mart.name, sql, self.role(Some(&left.owner)));
        }
        let live = target.live.filter(|_| decision.mode == Mode::Rebuild);
        let query = query_text(decision, aside);
        self.push_with_settings(decision, statement::create(mart, &name, &query));
        for sql in statement::complete(target, &name, live, self.actual, role.as_deref()) {
            self.push_with_settings(decision, sql);
        }
    }

    fn replace_view(&mut self, decision: &Decision<'_>, aside: &BTreeMap<QName, QName>) {
        let mart = decision.target.mart;
        let owner = mart.owner.as_ref().filter(|_| decision.differences.iter().any(|d| matches!(d.fix, Fix::Owner(_))));
        if let Some(owner) = owner {
            // Its new owner's query is run by its new owner.
            let sql = format!("ALTER VIEW {} OWNER TO {}", mart.name, quote_ident(owner));
            self.publish(&mart.name, sql, None);
        }
        let query = query_text(decision, aside);
        let step = Step {
            settings: self.settings(decision),
            lock_timeout_ms: self.project.database.publish_lock_timeout_ms,
            publication: true,
            ..self.step(&mart.name, statement::replace_view(mart, &query), self.builder_role(decision))
        };
        self.out.steps.push(step);
    }

    fn drop_old(&mut self, decision: &Decision<'_>) {
        let target = &decision.target;
        let Some(live) = target.live else { return };
        let kind = target.recorded.map_or(target.mart.kind, |r| r.mart.kind);
        let role = self.role(Some(&live.owner));
        self.publish(&target.mart.name, format!("DROP {} {}", kind.sql(), target.mart.name), role);
    }

    fn take_place(&mut self, decision: &Decision<'_>, aside: &BTreeMap<QName, QName>) {
        let target = &decision.target;
        let mart = target.mart;
        let Some(built) = aside.get(&mart.name) else { return };
        let role = self.builder_role(decision);
        let rename = |index: &str| {
            let from = mart.name.sibling(next(index));
            format!("ALTER INDEX {from} RENAME TO {}", quote_ident(index))
        };
        for sql in statement::rename(mart.kind, built, &mart.name) {
            self.publish(&mart.name, sql, role.clone());
        }
        if mart.kind == Kind::Table && !mart.primary_key.is_empty() {
            self.publish(&mart.name, rename(&target.primary_key_name()), role.clone());
        }
        let declared = mart.indexes.iter().map(|index| index.name.clone());
        let carried = statement::carried_indexes(target, target.live);
        let carried = carried.into_iter().map(|(name, _)| name.clone());
        for index in declared.chain(carried).collect::<Vec<_>>() {
            self.publish(&mart.name, rename(&index), role.clone());
        }
    }

    fn alter(
        &mut self,
        decision: &Decision<'_>,
        alone: &mut Vec<Step>,
        after: &mut BTreeMap<QName, Vec<(String, Option<String>)>>,
        last: &mut Vec<Step>,
    ) {
        let target = &decision.target;
        let name = &target.mart.name;
        let mut role = match decision.mode {
            Mode::InPlace => self.builder_role(decision),
            _ => self.role(target.live.map(|live| &live.owner)),
        };
        for difference in &decision.differences {
            // CREATE OR REPLACE VIEW sets the options it names, and those it does not name go.
            let done = matches!(difference.fix, Fix::SetOption(..) | Fix::ResetOption(_) | Fix::Owner(_));
            if decision.mode == Mode::InPlace && done {
                continue;
            }
            let alone_step = |this: &Self, sql: String, role: &Option<String>| Step {
                transaction: None,
                lock_timeout_ms: 0,
                ..this.step(name, sql, role.clone())
            };
            for mend in mend(target, &difference.fix) {
                match mend {
                    Mend::InTransaction(sql) => self.push(name, sql, role.clone()),
                    Mend::Briefly(sql) => self.publish(name, sql, role.clone()),
                    Mend::AsOurselves(sql) => {
                        self.publish(name, sql, None);
                        role = self.role(target.mart.owner.as_ref());
                    }
                    Mend::Alone(sql) => {
                        alone.push(alone_step(self, sql, &role));
                        after.entry(name.clone()).or_default();
                    }
                    Mend::After(sql) => {
                        after.entry(name.clone()).or_default().push((sql, role.clone()));
                    }
                    Mend::Last(sql) => {
                        last.push(alone_step(self, sql, &role));
                        after.entry(name.clone()).or_default();
                    }
                }
            }
        }
    }

    fn record(&mut self, decision: &Decision<'_>, renamed_from: Option<QName>) {
        let target = &decision.target;
        let action = action(decision);
        let declared = match (&renamed_from, target.recorded) {
            // In the transaction of the rename the rest is still as it was.
            (Some(_), Some(recorded)) => {
                let mut mart = recorded.mart.clone();
                mart.name = target.mart.name.clone();
                mart
            }
            _ => target.mart.clone(),
        };
        let definition = match (&renamed_from, target.recorded) {
            (Some(_), Some(recorded)) => recorded.applied.compiled.clone(),
            _ => decision.adopted.as_ref().and_then(Option::as_ref).unwrap_or(&target.definition).clone(),
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
                reads: target.read_signatures(self.actual),
                renamed_from,
                action,
                adopted,
                part: expire::part_row(decision),
                // What is built anew is as declared.
                drifted: if decision.builds() { Vec::new() } else { decision.drifted.clone() },
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

    fn drop(&mut self, recorded: &Recorded) {
        let name = &recorded.mart.name;
        self.dropped.remove(name);
        if let Some(live) = self.actual.relations.get(name) {
            let role = self.role(Some(&live.owner));
            self.publish(name, format!("DROP {} {name}", recorded.mart.kind.sql()), role);
        }
        let row = match &recorded.part {
            Some(Part::Version { of, number, .. }) => RecordRow::Forget { of: of.clone(), number: *number },
            _ => RecordRow::Delete,
        };
        self.out.records.push(Record { transaction: self.transaction, mart: name.clone(), row });
    }
}

/// What the summary counts a decision as.
pub(crate) fn action(decision: &Decision<'_>) -> Action {
    match decision.mode {
        Mode::Create => Action::Create,
        Mode::Rebuild => Action::Replace,
        _ if decision.target.renamed_from().is_some() => Action::Rename,
        _ => Action::Update,
    }
}
