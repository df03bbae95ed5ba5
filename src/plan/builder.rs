//! A plan's statements as they come to be: who each runs as, with which settings, in which transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::aspect::{Fix, Mode};
use super::capture::Capture;
use super::decision::Decision;
use super::keep::Keep;
use super::{Record, Step};
use crate::catalog::{Actual, Recorded};
use crate::manifest::{Desired, Project};
use crate::state::{QName, quote_ident};

/// Statements and registry rows, in order.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    pub steps: Vec<Step>,
    pub records: Vec<Record>,
    /// Marts that an apply that was interrupted had built aside, and that are published as they are.
    pub adopted: BTreeSet<QName>,
    /// What applies left and nobody needs: it is removed.
    pub leftovers: Vec<String>,
}

impl Assembly {
    /// Source tables get their triggers before everything else, and lose them after it.
    pub(super) fn around(&mut self, capture: &Capture, desired: &Desired) {
        let last =
            self.steps.iter().filter_map(|step| step.transaction).chain(self.records.iter().map(|r| r.transaction));
        let (mut steps, mut after) = capture.steps(desired, last.max().unwrap_or(0));
        let shift = capture.transactions();
        self.steps.iter_mut().filter_map(|step| step.transaction.as_mut()).for_each(|number| *number += shift);
        self.records.iter_mut().for_each(|record| record.transaction += shift);
        steps.append(&mut self.steps);
        steps.append(&mut after);
        self.steps = steps;
    }

    /// Marts that writers keep are kept once all else is done, and are not from the beginning on where something is done about them.
    pub(super) fn kept(&mut self, keep: &mut Keep, desired: &Desired) {
        let last =
            self.steps.iter().filter_map(|step| step.transaction).chain(self.records.iter().map(|r| r.transaction));
        let last = last.max().unwrap_or(0);
        let shift = keep.around(&mut self.steps, desired, last);
        self.records.iter_mut().for_each(|record| record.transaction += shift);
    }
}

/// Who a statement runs as and how long it may wait.
pub(super) struct Builder<'a> {
    pub(super) actual: &'a Actual,
    pub(super) desired: &'a Desired,
    pub(super) project: &'a Project,
    pub(super) transaction: u32,
    /// Schemas that exist or were created by an earlier step.
    pub(super) schemas: BTreeSet<String>,
    /// Marts that go, and have not gone yet.
    pub(super) dropped: BTreeMap<&'a QName, &'a Recorded>,
    /// Indexes of renamed marts that have made room for another's: by mart and name, the name they have now; `None` if gone.
    pub(super) indexes: BTreeMap<(QName, String), Option<String>>,
    pub(super) out: Assembly,
}

impl Builder<'_> {
    pub(super) fn begin(&mut self) {
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

    pub(super) fn step(&self, mart: &QName, sql: String, role: Option<String>) -> Step {
        Step {
            transaction: Some(self.transaction),
            sql,
            lock_timeout_ms: self.project.database.lock_timeout_ms,
            statement_timeout_ms: self.project.database.statement_timeout_ms,
            mart: mart.to_string(),
            role,
            settings: Vec::new(),
            publication: false,
            aside: false,
            beside: false,
            check: None,
            undo: None,
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

    pub(super) fn settings(&self, decision: &Decision<'_>) -> Vec<(String, String)> {
        let mut settings = decision.target.mart.settings();
        for (key, value) in self.project.limits.settings() {
            if !settings.iter().any(|(known, _)| *known == key) {
                settings.push((key, value));
            }
        }
        settings
    }

    /// What the mart's statements may use: its settings, but for those that decide what its query means.
    pub(super) fn allowances(&self, decision: &Decision<'_>) -> Vec<(String, String)> {
        let mut settings = self.settings(decision);
        settings.retain(|(key, _)| !key.eq_ignore_ascii_case("search_path") && !key.eq_ignore_ascii_case("TimeZone"));
        settings
    }

    /// As who builds the mart.
    pub(super) fn push_as_builder(&mut self, decision: &Decision<'_>, sql: String) {
        let role = self.builder_role(decision);
        self.push(&decision.target.mart.name, sql, role);
    }

    pub(super) fn schema(&mut self, name: &QName, owner: Option<&String>) {
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
}
