//! Logs that nothing needs any more.

use super::told::change;
use super::{Asked, Capture};
use crate::catalog::{Log, Source};
use crate::plan::log::{detach_log, drop_log};
use crate::state::{ChangeLog, QName};

impl Capture {
    /// Nobody follows it any more, or it is gone.
    pub(super) fn remove(&mut self, table: &QName, log: &Log, asked: &Asked<'_>) {
        let known = ChangeLog {
            registry: asked.desired.project.registry_schema.clone(),
            project: asked.desired.project.name.clone(),
            table: table.clone(),
            columns: log.columns.clone(),
            logged: log.logged,
            commits: log.commits,
        };
        let tables = &asked.actual.captures.tables;
        let on: Vec<(&QName, &Source)> = tables.iter().filter(|(_, source)| source.has_triggers(&log.name)).collect();
        if log.name != known.name().name || on.iter().any(|(_, source)| !source.owned) {
            return;
        }
        let mut sql: Vec<Vec<String>> = on.iter().map(|(name, _)| detach_log(&known, name)).collect();
        sql.push(drop_log(&known));
        // A relation that gets another name takes its triggers along: they go while it has this one.
        let renamed = asked.actual.renamed.iter().any(|(to, from)| from == table && asked.options.selects(to));
        let change = change(table, "no mart follows its changes any more", &format!("log {}", known.name()), "");
        if renamed { self.before.push((change, sql)) } else { self.after.push((change, sql)) }
    }
}
