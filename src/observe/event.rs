//! What a daemon hears of, and may have to tell.

use std::sync::Arc;

use crate::manifest::Desired;
use crate::plan::Drift;
use crate::refresh::Run;
use crate::state::Mart;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run of the daemon's ended, however.
    Ended(Box<Run>),
    /// Somebody else refreshed this mart: schema and name, quoted where needed.
    Elsewhere(String),
    /// A look for drift found this and put nothing of it back, and put back that.
    Drifted(Vec<Drift>, Vec<Drift>),
    /// These manifests are in force, and the database is as they say as far as it can be. Where they cannot be read, the marts that
    /// were applied before.
    Settled(Arc<Desired>, Arc<Vec<Mart>>),
}
