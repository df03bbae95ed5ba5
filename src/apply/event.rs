//! What an apply tells while it works.

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
