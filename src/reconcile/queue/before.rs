//! What a run took that came to nothing.

use super::entry::{Before, Change, Entry};

impl Entry {
    /// What is due now.
    pub fn before(&self) -> Before {
        Before {
            lines: self.lines.clone(),
            lag: self.lag,
            change: self.change,
            retry: self.retry,
            owed: self.owed.clone(),
        }
    }

    /// The run that took this waits for quieter times: what need not wait is due as it was.
    pub fn as_before(&mut self, before: Before) {
        for line in self.lines.iter_mut().filter(|line| !line.whole) {
            let old = before.lines.iter().find(|old| old.same(line)).and_then(|old| old.next);
            if let (Some(next), Some(old)) = (line.next, old) {
                line.next = Some(next.min(old));
            }
        }
        self.lag = self.lag.into_iter().chain(before.lag).min();
        self.change = match (before.change, self.change) {
            (Some(old), Some(new)) => Some(Change { first: old.first, ..new }),
            (old, new) => new.or(old),
        };
        self.retry = self.retry.or(before.retry);
        self.owed.extend(before.owed);
    }
}
