//! Changes that a relation takes as it is, in a transaction, after it, or alone.

use std::collections::BTreeMap;

use super::Step;
use super::aspect::{Fix, Mend, Mode};
use super::builder::Builder;
use super::decision::Decision;
use super::mend::mend;
use crate::state::QName;

/// What waits for the transaction to be committed.
#[derive(Default)]
pub(super) struct Later {
    /// New things that are made alone.
    pub(super) alone: Vec<Step>,
    /// Old things that go alone, once the new ones are there.
    pub(super) last: Vec<Step>,
    /// What follows them in a transaction of the mart's own: the statement and its role.
    pub(super) after: BTreeMap<QName, Vec<(String, Option<String>)>>,
}

impl Builder<'_> {
    pub(super) fn alter(&mut self, decision: &Decision<'_>, later: &mut Later) {
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
                // An index build may take what every build may.
                settings: this.allowances(decision),
                ..this.step(name, sql, role.clone())
            };
            let Some(fix) = self.after_renames(name, &difference.fix) else { continue };
            for mend in mend(target, self.actual, &fix) {
                match mend {
                    Mend::InTransaction(sql) => self.push(name, sql, role.clone()),
                    Mend::Fill(sql) => {
                        let step = Step { settings: self.settings(decision), ..self.step(name, sql, role.clone()) };
                        self.out.steps.push(step);
                    }
                    Mend::Check(check, sql) => {
                        let step = self.step(name, sql, role.clone());
                        self.out.steps.push(Step { settings: self.settings(decision), check: Some(check), ..step });
                    }
                    Mend::Briefly(sql) => self.publish(name, sql, role.clone()),
                    Mend::AsOurselves(sql) => {
                        self.publish(name, sql, None);
                        role = self.role(target.mart.owner.as_ref());
                    }
                    Mend::Alone(sql) => {
                        later.alone.push(alone_step(self, sql, &role));
                        later.after.entry(name.clone()).or_default();
                    }
                    Mend::Undoable(sql, undo) => {
                        later.alone.push(Step { undo: Some(undo), ..alone_step(self, sql, &role) });
                        later.after.entry(name.clone()).or_default();
                    }
                    Mend::After(sql) => {
                        later.after.entry(name.clone()).or_default().push((sql, role.clone()));
                    }
                    Mend::Last(sql) => {
                        later.last.push(alone_step(self, sql, &role));
                        later.after.entry(name.clone()).or_default();
                    }
                }
            }
        }
    }
}
