//! A log of changes: of which table, of which columns, and what its parts are called.

use super::{LOG_SEGMENTS, LoggedColumn, QName, log_name, log_segments, log_trigger};

/// The events by which a table changes, each with a trigger of its own: what one statement wrote can be seen as tables by
/// triggers of one event only.
pub const LOG_EVENTS: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"];

/// What is logged of a source table, for a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeLog {
    /// The schema of the registry, where the log is, too.
    pub registry: String,
    /// The project.
    pub project: String,
    /// The table.
    pub table: QName,
    /// Columns of which it keeps the values before and after each change. Without any it has one row for each statement.
    pub columns: Vec<LoggedColumn>,
    /// It is written to the server's write-ahead log: a crash does not empty it, and a standby can read it.
    pub logged: bool,
    /// Marts are kept by it as writers commit: it can be asked for one transaction's rows, and whoever writes to it is noted.
    pub commits: bool,
}

impl ChangeLog {
    /// The function that fills it, and what the names of its tables begin with.
    pub fn name(&self) -> QName {
        log_name(&self.registry, &self.project, &self.table)
    }

    /// Its tables.
    pub fn segments(&self) -> [QName; LOG_SEGMENTS] {
        log_segments(&self.name())
    }

    /// Its trigger for an event, on whatever table: registries and projects have their own.
    pub fn trigger(&self, event: &str) -> String {
        log_trigger(&self.registry, &self.name().name, event)
    }
}
