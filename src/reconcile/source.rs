//! Where manifests come from, and why a daemon looks at them again.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where manifests come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// The folder that `LoadOptions::dir` names; it is watched.
    Folder,
    /// A branch of a git repository, fetched again and again into a work tree of our own.
    Git {
        /// The repository, as `git` takes it; may carry a password.
        url: String,
        /// The branch.
        branch: String,
        /// The folder with the manifests in it; empty: its root.
        path: String,
        /// Between two looks.
        interval: Duration,
        /// Where work trees are kept.
        home: PathBuf,
    },
}

/// Without the password that an address may carry.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder => f.write_str("Folder"),
            Self::Git { branch, path, .. } => {
                f.debug_struct("Git").field("branch", branch).field("path", path).finish_non_exhaustive()
            }
        }
    }
}

/// Why manifests or database are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The first look after the start.
    Start,
    /// Somebody asked for it: SIGHUP, a webhook, an apply by hand.
    Asked,
    /// A plan that waited was approved.
    Approved,
    /// Files changed, and are quiet now.
    Files,
    /// It is time to look into the repository.
    Git,
    /// What failed may pass now.
    Retry,
    /// It is time to look for drift.
    Drift,
}

/// Tells [`Revisions`](super::Revisions) to look, from wherever it is held.
#[derive(Debug, Clone)]
pub struct Poker(UnboundedSender<Reason>);

impl Poker {
    pub(super) fn new() -> (Self, UnboundedReceiver<Reason>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Asks for a look. Where nobody looks any more, nothing happens.
    pub fn poke(&self, reason: Reason) {
        let _ = self.0.send(reason);
    }
}
