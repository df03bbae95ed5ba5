//! What came of several runs, in numbers.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::PastRun;
use crate::refresh::Run;

/// What came of several runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Summary {
    /// New data is published.
    pub refreshed: usize,
    /// The old data stayed.
    pub failed: usize,
    /// Not started.
    pub skipped: usize,
    /// There was nothing to do.
    pub noop: usize,
    /// Somebody stopped them.
    pub cancelled: usize,
    /// Rows of what was refreshed.
    pub rows: i64,
    /// From the first beginning to the last end.
    pub seconds: f64,
}

impl Summary {
    /// Of runs that have ended just now.
    pub fn of(runs: &[Run]) -> Self {
        Self::from(runs.iter().map(|run| (run.status.as_str(), run.row_count, run.started_at, Some(run.finished_at))))
    }

    /// Of runs as the registry keeps them.
    pub fn of_past(runs: &[PastRun]) -> Self {
        Self::from(runs.iter().map(|run| (run.status.as_str(), run.row_count, run.started_at, run.finished_at)))
    }

    fn from<'a>(
        runs: impl Iterator<Item = (&'a str, Option<i64>, DateTime<Utc>, Option<DateTime<Utc>>)> + Clone,
    ) -> Self {
        let counted = |wanted: &str| runs.clone().filter(|(status, ..)| *status == wanted).count();
        let refreshed = runs.clone().filter(|(status, ..)| *status == "success");
        let began = runs.clone().map(|(_, _, began, _)| began).min();
        let ended = runs.clone().filter_map(|(_, _, _, ended)| ended).max();
        Self {
            refreshed: counted("success"),
            failed: counted("failed"),
            skipped: counted("skipped"),
            noop: counted("noop"),
            cancelled: counted("cancelled"),
            rows: refreshed.filter_map(|(_, rows, ..)| rows).sum(),
            seconds: began.zip(ended).map_or(0.0, |(a, b)| (b - a).num_milliseconds() as f64 / 1_000.0),
        }
    }
}
