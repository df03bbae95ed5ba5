//! What came of trying to refresh by changes.

use crate::build::NextParts;
use crate::build::position::{Look, Standing};
use crate::refresh::decision::Decision;
use crate::refresh::outcome::Outcome;

/// What came of it.
pub(in crate::refresh) enum Done {
    /// The rows are up to date.
    Written(Box<Outcome>),
    /// The partitions that changes touch are built aside, in the transaction that is open.
    Filled(Box<Filled>),
    /// All rows have to be computed.
    Whole(Box<Whole>),
}

/// Partitions that are built aside.
pub(in crate::refresh) struct Filled {
    /// What was built.
    pub next: NextParts,
    /// Where its rows stand.
    pub look: Look,
    /// What is known of the mart's rows once they are published.
    pub standing: Standing,
    /// In words.
    pub reason: String,
    /// For the history.
    pub decision: Decision,
}

/// Why all rows have to be computed.
#[derive(Debug, Default)]
pub(in crate::refresh) struct Whole {
    /// In words.
    pub reason: String,
    /// For the history.
    pub decision: Decision,
    /// The rows were wrong: why the mart is not refreshed by changes any more.
    pub demoted: Option<String>,
    /// Writers keep these rows, some of which differ: they are written while no writer does.
    pub alone: bool,
    /// Where the mart stood before, as far as the logs could be looked at.
    pub look: Option<Look>,
}

/// What writers keep differs.
pub(super) fn alone(decision: Decision) -> Done {
    Done::Whole(Box::new(Whole { decision, alone: true, ..Whole::default() }))
}

/// Nothing says how the mart follows changes.
pub(super) fn unfollowed() -> Done {
    whole("nothing says yet how it follows changes", Decision::default())
}

/// All rows have to be computed.
pub(super) fn whole(reason: impl Into<String>, decision: Decision) -> Done {
    Done::Whole(Box::new(Whole {
        reason: reason.into(),
        decision: Decision { rung: "whole", ..decision },
        ..Whole::default()
    }))
}
