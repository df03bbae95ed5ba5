//! What a daemon is given, what it is told, and how it ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{RevisionOptions, Vitals};
use crate::database::Endpoint;
use crate::manifest::Desired;
use crate::refresh::Event;

/// Runs at work have this long to end by themselves where a daemon is told to stop.
pub const GRACE: Duration = Duration::from_secs(30);

/// What a daemon is given.
pub struct Setup {
    /// The database.
    pub endpoint: Endpoint,
    /// The registry's schema.
    pub registry: String,
    /// The project.
    pub project: String,
    /// The manifests as they were read first.
    pub desired: Arc<Desired>,
    /// How manifests are read again, and on whose behalf they are applied.
    pub revisions: RevisionOptions,
    /// This machine.
    pub host: String,
    /// Who asks for what is refreshed by itself.
    pub who: String,
    /// Who hears what happens in runs.
    pub hear: Rc<dyn Fn(Event)>,
    /// Where the daemon shows how it is.
    pub vitals: watch::Sender<Vitals>,
    /// One pass, then the end.
    pub once: bool,
    /// How long runs have to end by themselves.
    pub grace: Duration,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("endpoint", &self.endpoint)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

/// What a daemon is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Read manifests and project file again.
    Reload,
    /// Stop: nothing begins any more, what runs has its time. Said again: at once.
    Stop,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing failed.
    Good,
    /// Something failed, was refused or waits for somebody.
    Bad,
}
