//! What an apply tells while it works.

use crate::plan::Step;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It begins.
    Started {
        /// Statements in all.
        steps: usize,
    },
    /// A statement begins.
    Step {
        /// Its number, from 1.
        number: usize,
        /// Its mart.
        mart: String,
        /// Its first line.
        sql: String,
    },
    /// A transaction is committed, or a statement outside transactions done.
    Committed {
        /// The marts it completed.
        marts: Vec<String>,
    },
    /// It ended well.
    Finished,
}

impl Event {
    /// A statement begins.
    pub(super) fn begins(number: usize, step: &Step) -> Self {
        let sql = step.sql.lines().next().unwrap_or_default().to_owned();
        Self::Step { number, mart: step.mart.clone(), sql }
    }
}
