//! Logs that views of fresh marts read, of relations that this plan makes: the views come before the relations have their triggers.

use super::world::Need;
use super::{Asked, Capture, Made};
use crate::plan::log::{create_log, create_tables, register_log};
use crate::state::ChangeLog;

impl Capture {
    /// The statements that make the log of a mart that is there by then. What views read of it is made before them.
    pub(super) fn log_of_new(&mut self, log: &ChangeLog, need: &Need, asked: &Asked<'_>) -> Vec<String> {
        if !need.shown {
            return create_log(log);
        }
        let (change, _) = self.made(log, need, "", Vec::new(), asked);
        self.early.push((change, vec![create_tables(log)]));
        vec![register_log(log)]
    }

    /// What makes the log of a relation that is exchanged comes before the exchange; afterwards it is told of the new relation.
    pub(super) fn split(&mut self, (change, mut lists): Made, log: &ChangeLog) -> Made {
        let create = create_log(log);
        let of_log = lists.first().map(|list| list.iter().position(|sql| Some(sql) == create.last()));
        if let (Some(Some(end)), Some(list)) = (of_log, lists.first_mut()) {
            let early: Vec<String> = list.drain(..=end).collect();
            list.insert(0, register_log(log));
            self.early.push((change.clone(), vec![early]));
        }
        (change, lists)
    }
}
