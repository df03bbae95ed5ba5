//! What stands on a log, and has to leave it while it is made again.

use super::Capture;
use crate::plan::log::create_log;
use crate::state::{ChangeLog, QName};

impl Capture {
    /// Something is done about a table that is followed, or its log.
    pub fn concerns(&self, table: &QName) -> bool {
        let address = table.to_string();
        self.before.iter().chain(&self.after).any(|(change, _)| change.address == address)
    }

    /// Runs `first` and `last` around the statements that make a log again, in their transaction. Whether it is made again. What is
    /// `dropped` is gone before logs go at the end.
    pub fn beside(&mut self, log: &ChangeLog, first: &[String], last: &[String], dropped: bool) -> bool {
        let drops = create_log(log).first().cloned();
        let mut found = false;
        let after = self.after.iter_mut().filter(|_| !dropped);
        for (_, lists) in self.before.iter_mut().chain(after) {
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
