//! What stands on a log, and has to leave it while it is made again.

use super::Capture;
use crate::plan::log::create_log;
use crate::state::{ChangeLog, LoggedColumn, QName};

impl Capture {
    /// Something is done about a table that is followed, or its log.
    pub fn concerns(&self, table: &QName) -> bool {
        let address = table.to_string();
        self.before.iter().chain(&self.after).any(|(change, _)| change.address == address)
    }

    /// Whether every write to a table is noticed all the time, so that who keeps marts by these columns of it goes on.
    pub fn goes_on(&self, table: &QName, columns: &[LoggedColumn]) -> bool {
        let has = |log: &ChangeLog| log.commits && columns.iter().all(|column| log.columns.contains(column));
        !self.concerns(table) || (!self.unseen.contains(table) && self.again.get(table).is_some_and(has))
    }

    /// The log of a table, where it is made again before anything is built.
    pub fn again(&self, table: &QName) -> Option<&ChangeLog> {
        self.again.get(table)
    }

    /// Runs `first` and `last` around the statements that make a log again, in their transaction. Whether it is made again. What
    /// `left` the log is gone, or another one, before logs go at the end.
    pub fn beside(&mut self, log: &ChangeLog, first: &[String], last: &[String], left: bool) -> bool {
        let drops = create_log(log).first().cloned();
        let mut found = false;
        let after = self.after.iter_mut().filter(|_| !left);
        for (_, lists) in self.before.iter_mut().chain(&mut self.early).chain(after) {
            for list in lists.iter_mut() {
                let Some(at) = list.iter().position(|sql| Some(sql) == drops.as_ref()) else { continue };
                list.splice(at..at, first.iter().cloned());
                list.extend(last.iter().cloned());
                found = true;
            }
        }
        found
    }
}
