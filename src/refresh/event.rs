//! What refreshing tells while it works.

use super::{Method, Run};
use crate::state::QName;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A session was opened; its server process can be cancelled.
    Session {
        /// The server process.
        pid: i32,
    },
    /// A mart's refresh begins.
    Started {
        /// The mart.
        mart: QName,
        /// How.
        method: Method,
        /// Why so.
        reason: String,
    },
    /// All that is left of a run is to commit it: the server computes nothing for it any more.
    Closing {
        /// The mart.
        mart: QName,
    },
    /// A run ended, however.
    Ended {
        /// The run.
        run: Box<Run>,
    },
    /// A run took longer than the mart's `warn_duration`.
    Slow {
        /// The mart.
        mart: QName,
        /// How long, in seconds.
        seconds: f64,
        /// How long it should take at most, in seconds.
        limit: u64,
    },
}
