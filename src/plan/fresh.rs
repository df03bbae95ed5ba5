//! Fresh marts: the view of such a mart's name shows its rows as they would be now.

use std::collections::BTreeSet;

use super::PlanProblem;
use super::aspect::Mode;
use super::builder::Builder;
use super::capture::Capture;
use super::decision::Decision;
use super::shown::{changes, fresh};
use super::statement::with;
use crate::catalog::Actual;
use crate::compile::Compiled;
use crate::manifest::Desired;
use crate::sql::asked_by;
use crate::state::{ChangeLog, Part, QName, quote_ident, quote_idents};

/// Fresh marts that cannot be.
pub(super) fn problems(
    desired: &Desired,
    compiled: &Compiled,
    actual: &Actual,
    selects: impl Fn(&QName) -> bool,
) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    for (_, fresh) in fresh(desired).filter(|(_, fresh)| selects(&fresh.whole.name)) {
        let mut problem = |message: String, help: &str| {
            problems.push(PlanProblem {
                mart: fresh.whole.name.clone(),
                file: fresh.view.file.clone(),
                key: "refresh.fresh".to_owned(),
                message,
                help: help.to_owned(),
            });
        };
        let Some(changes) = changes(fresh.version, compiled, actual) else {
            let message = "its rows cannot follow what changes in its sources, so that no read of it is exact";
            problem(message.to_owned(), "`datamart explain` says which clause stops that; or remove `fresh`");
            continue;
        };
        if !changes.functions.is_empty() {
            let message = format!(
                "its query calls {}, and a view calls it with the rights of whoever reads",
                changes.functions.join(", ")
            );
            problem(message, "write it with PostgreSQL's own functions, or remove `fresh`");
        }
        if asked_by(changes).is_empty() {
            let names: Vec<&str> = changes.key.iter().map(|key| key.name.as_str()).collect();
            let message = format!("its rows are told apart by {}, which is an array", names.join(", "));
            problem(message, "group by something else, too, or remove `fresh`");
        }
        if actual.server.replicas > 0 && !desired.project.capture.logged {
            let message =
                format!("{} replica(s) are attached, and none can read an unlogged log", actual.server.replicas);
            problem(message, "set `[capture] logged = true` in project.toml, or remove `fresh`");
        }
    }
    problems
}

/// A log that is made again cannot go while views of fresh marts read it: these are the query meanwhile. Those that change in this
/// plan are made anew later.
pub(super) fn leave_logs(
    capture: &mut Capture,
    decisions: &[Decision<'_>],
    dropped: &BTreeSet<QName>,
    desired: &Desired,
    actual: &Actual,
) {
    for (name, row) in &actual.recorded {
        let Some(Part::Stable { whole, number }) = &row.part else { continue };
        let Some(live) = actual.relations.get(name).filter(|_| whole.refresh.fresh) else { continue };
        let shown = actual.recorded.values().find(
            |other| matches!(&other.part, Some(Part::Version { of, number: n, .. }) if of == name && n == number),
        );
        // One that another takes the place of is no row of its own any more.
        let frozen = || row.versions.iter().find(|version| version.number == *number).map(|version| &version.applied);
        let Some(applied) = shown.map(|version| &version.applied).or_else(frozen) else { continue };
        let Some(definition) = &live.definition else { continue };
        let create = format!("CREATE OR REPLACE VIEW {name}{} AS\n", with(&live.options));
        let columns = quote_idents(live.columns.iter().map(|column| &column.name));
        let query = applied.compiled.trim_end().trim_end_matches(';');
        let meanwhile = vec![format!("{create}SELECT {columns} FROM (\n{query}\n) AS q")];
        let changed = decisions.iter().any(|decision| {
            let is = decision.target.live.is_some_and(|live| live.name == *name);
            is && matches!(decision.mode, Mode::InPlace | Mode::Rebuild)
        });
        for source in applied.changes.iter().flat_map(|changes| &changes.sources) {
            let log = ChangeLog {
                registry: desired.project.registry_schema.clone(),
                project: desired.project.name.clone(),
                table: source.table.clone(),
                columns: source.columns.clone(),
                logged: desired.project.capture.logged,
                commits: actual.captures.logs.get(&source.table).is_some_and(|log| log.commits),
            };
            let segments = log.segments().map(|segment| segment.to_string()).join(", ");
            let mut again = vec![format!("{create}{definition}")];
            if live.owner != actual.server.user {
                again.insert(0, format!("GRANT SELECT ON {segments} TO {}", quote_ident(&live.owner)));
            }
            // Until it is made anew it shows what it did, where the log has what that takes.
            let has = |log: &ChangeLog| source.columns.iter().all(|column| log.columns.contains(column));
            let goes = dropped.contains(name) || (changed && !capture.again(&source.table).is_some_and(has));
            let last = if goes { Vec::new() } else { again };
            // What is dropped or made anew is so before logs go at the end.
            capture.beside(&log, &meanwhile, &last, dropped.contains(name) || changed);
        }
    }
}

impl Builder<'_> {
    /// Who owns a fresh mart's view reads the logs through it, and gets no more of the registry than that takes.
    pub(super) fn let_read(&mut self, decision: &Decision<'_>) {
        let target = &decision.target;
        let (Some(view), Some(owner)) = (&target.desired.view, self.builder_role(decision)) else { return };
        let owner = quote_ident(&owner);
        let schema = quote_ident(&self.project.registry_schema);
        let tables: Vec<String> = view.reads.iter().map(QName::to_string).collect();
        self.push(&target.mart.name, format!("GRANT USAGE ON SCHEMA {schema} TO {owner}"), None);
        self.push(&target.mart.name, format!("GRANT SELECT ON {} TO {owner}", tables.join(", ")), None);
    }
}
