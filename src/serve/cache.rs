//! What was seen and counted last, for those who only watch the process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::observe::Gauges;

/// What was seen is told again for so long, without another look.
const YOUNG: Duration = Duration::from_secs(5);

/// A mart, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Brief {
    pub name: String,
    pub status: &'static str,
    pub age_seconds: Option<i64>,
    pub warning: Option<String>,
    /// More is wrong than that its data grows old.
    #[serde(skip)]
    pub unwell: bool,
}

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Cache {
    last: Mutex<Option<(Instant, Vec<Brief>)>>,
    /// One at a time looks again, whoever asks.
    pub turn: tokio::sync::Mutex<()>,
}

/// What was counted last. One at a time counts.
#[derive(Debug, Default)]
pub(super) struct Counted(pub tokio::sync::Mutex<Option<(Instant, Gauges, String)>>);

impl Cache {
    /// What was seen, and when.
    pub fn get(&self) -> Option<(Instant, Vec<Brief>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is no need to look again.
    pub fn is_young(&self) -> bool {
        self.get().is_some_and(|(at, _)| at.elapsed() < YOUNG)
    }

    /// Keeps what was seen now.
    pub fn set(&self, marts: Vec<Brief>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), marts));
    }
}
