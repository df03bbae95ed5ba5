//! What a daemon knows of itself, for whoever answers for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::manifest::Desired;
use crate::observe::Gauges;
use crate::state::QName;

/// Whether this daemon leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Leadership {
    /// Not known yet, or the database is out of reach.
    #[default]
    Unknown,
    /// Another daemon leads.
    Following,
    /// This one does, in this epoch.
    Leading(i64),
}

/// What a daemon knows of itself. The loop writes it, the HTTP side reads it (through a `tokio::sync::watch` channel).
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// PostgreSQL is reached.
    pub connected: bool,
    /// The registry could be read.
    pub registry: bool,
    /// Whether this daemon leads.
    pub leadership: Leadership,
    /// The last good manifests.
    pub desired: Option<Arc<Desired>>,
    /// Runs that are due and have not begun.
    pub queue_depth: usize,
    /// Runs at work.
    pub running: usize,
    /// How late the last run began, in seconds.
    pub schedule_lag: f64,
    /// When each mart is due next.
    pub next: BTreeMap<QName, DateTime<Utc>>,
    /// Why no full build starts now.
    pub paused: Option<String>,
    /// What went wrong last, where it still does.
    pub trouble: Option<String>,
}

impl Vitals {
    /// As metrics tell it.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            up: self.connected && self.registry,
            leader: matches!(self.leadership, Leadership::Leading(_)),
            queue_depth: self.queue_depth,
            running: self.running,
            schedule_lag: self.schedule_lag,
            paused: self.paused.is_some(),
        }
    }
}
