//! What became of a revision, and of drift.

use std::sync::Arc;

use serde_json::Value;

use super::Seen;
use crate::manifest::Desired;
use crate::plan::Drift;

/// What became of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The database was as it says.
    Unchanged,
    /// It is what it was at the last look, about which everything is said: nothing was looked at.
    AsBefore,
    /// It was applied.
    Applied {
        /// The marts that changed.
        marts: Vec<String>,
        /// Of the plan.
        fingerprint: String,
    },
    /// Its plan is refused: it waits for an approval, if that helps.
    Pending {
        /// Of the plan that waits.
        fingerprint: String,
        /// Why, in words.
        message: String,
        /// Whether an approval helps; else the manifests or the database have to change.
        allowable: bool,
        /// Nobody was told of it before.
        new: bool,
    },
    /// It says something that cannot be.
    Invalid {
        /// Why, in words, the first problem among them.
        message: String,
        /// Nobody was told of it before.
        new: bool,
    },
    /// It could not be read, planned or applied.
    Failed {
        /// One fixed word.
        kind: String,
        /// Why, in words.
        message: String,
        /// It is tried again by itself.
        passing: bool,
        /// Nobody was told of it before.
        new: bool,
    },
}

impl Outcome {
    /// One fixed word: log, metric label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::AsBefore => "as_before",
            Self::Applied { .. } => "applied",
            Self::Pending { .. } => "pending",
            Self::Invalid { .. } => "invalid",
            Self::Failed { .. } => "failed",
        }
    }

    /// Says whether somebody was told of it before; what is not known is news.
    pub(super) fn is_news(&mut self, news: Option<bool>) {
        if let Self::Pending { new, .. } | Self::Invalid { new, .. } | Self::Failed { new, .. } = self {
            *new = news.unwrap_or(true);
        }
    }
}

/// What a look at a revision came to.
#[derive(Debug, Clone)]
pub struct Reconciled {
    /// The manifests in force: the last good ones. `None` until there are any. What marts are and when they are refreshed stands in
    /// `seen.actual.recorded`, which an apply keeps up to date; this is for what the project says.
    pub desired: Option<Arc<Desired>>,
    /// The database afterwards; `None` where it was not reached, or nothing was looked for.
    pub seen: Option<Seen>,
    /// The revision that was tried: `branch@sha1:…`, or `files@sha256:…` outside a repository.
    pub revision: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a look for drift came to.
#[derive(Debug, Clone, Default)]
pub struct Drifted {
    /// What is there, and was not put back.
    pub found: Vec<Drift>,
    /// Of that, what the look before did not find.
    pub new: Vec<Drift>,
    /// What was put back.
    pub healed: Vec<Drift>,
    /// The marts of which something was put back three times within an hour, that were not told of before.
    pub stalled: Vec<String>,
    /// The database afterwards.
    pub seen: Option<Seen>,
    /// Why nothing could be looked at or put back, in words.
    pub trouble: Option<String>,
}

/// Who reads a log has no `status` beside it: the first problem, at its place. Warnings stand among them.
pub(super) fn with_first(message: &str, problems: Option<&Value>) -> String {
    let mut errors =
        problems.and_then(Value::as_array).into_iter().flatten().filter(|one| one["severity"] != "warning");
    let Some(problem) = errors.next() else { return message.to_owned() };
    let said = problem["message"].as_str().unwrap_or_default();
    let Some(file) = problem["file"].as_str() else { return format!("{message}: {said}") };
    let numbers = ["line", "column"].map(|key| problem[key].as_u64());
    let place: String = numbers.iter().flatten().map(|number| format!(":{number}")).collect();
    format!("{message}: {file}{place}: {said}")
}
