//! What the queue is told of the marts, and what it tells of them.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::refresh::{Asked, Run, RunStatus};
use crate::state::{Fingerprint, QName, RefreshPolicy};

/// A mart to be kept fresh.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name.
    pub mart: QName,
    /// When it is due: what its manifest says, overrides applied (`suspend` is one).
    pub policy: RefreshPolicy,
    /// The clock of its cron expressions.
    pub timezone: Tz,
    /// The marts it reads, directly or through views that are no marts. Views that are marts stand for themselves.
    pub reads: BTreeSet<QName>,
    /// Whether it stores rows. A view is never run; what reads it follows what it reads.
    pub has_rows: bool,
    /// Largest first, among those of one instant.
    pub size_bytes: i64,
    /// How long its last good runs took.
    pub usual: Duration,
    /// Everything that a failure that does not pass depends on: the mart as declared, the columns of what it reads. Another
    /// one lets it run again.
    pub basis: Fingerprint,
    /// How it went. Read only where the queue does not know the mart yet.
    pub past: Past,
}

/// How a mart's refreshes went before the queue knew it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// When the last run began, good or bad.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// When the rows that are published were read: by the last good run, or by the build of an apply.
    pub snapshot: Option<DateTime<Utc>>,
    /// Since when it is a mart of ours: what came due before that was nobody's.
    pub known: Option<DateTime<Utc>>,
    /// When the last run of the whole mart began, or the build of an apply.
    pub full: Option<DateTime<Utc>>,
    /// When the last run ended that changed rows, and the snapshot that it read.
    pub changed: Option<(DateTime<Utc>, String)>,
    /// The snapshot that the last good run read.
    pub read: Option<String>,
    /// Failures in a row, up to now.
    pub failures: u32,
    /// Whether the last of them can pass.
    pub can_pass: bool,
}

/// Why a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Its schedule.
    Schedule,
    /// Its own target lag, or that of a mart that reads it.
    Lag,
    /// A mart it reads was refreshed.
    After,
    /// Somebody asked.
    Request,
    /// A source changed.
    Change,
    /// Somebody notified its channel.
    Notify,
    /// It failed, or what it reads did.
    Retry,
    /// Nobody was there when it was due.
    Missed,
}

impl Cause {
    /// The word history uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Lag => "lag",
            Self::After => "after",
            Self::Request => "request",
            Self::Change => "change",
            Self::Notify => "notify",
            Self::Retry => "retry",
            Self::Missed => "missed",
        }
    }
}

/// A run that begins now.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The mart.
    pub mart: QName,
    /// Why.
    pub cause: Cause,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// For the run: what is computed, the number of its waiting row, cause and due time.
    pub asked: Asked,
    /// Waiting rows of the same wish; they end as this run does.
    pub joined: Vec<i64>,
}

/// A run that was due and does not begin, because of one it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Skip {
    /// The mart.
    pub mart: QName,
    /// What it reads and what was not refreshed.
    pub upstream: QName,
    /// Why it would have run.
    pub cause: Cause,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// Rows that wait in the history.
    pub runs: Vec<i64>,
}

impl Skip {
    /// Why, for the history.
    pub fn reason(&self) -> String {
        format!("{}, which it reads, was not refreshed", self.upstream)
    }
}

/// How a run ended, for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// New data is published. What reads it follows.
    Good,
    /// There was nothing to do: as good, but nothing follows.
    Unchanged,
    /// It failed by what can pass (a connection, a lock): tried again, later each time.
    Passing,
    /// It failed by its data, or was stopped: the next due time is the next try.
    Failed,
    /// It failed by what does not pass (syntax, a missing column): waits for another [`Job::basis`] or a change of its source.
    /// Not everything shows there (a table made again by an ETL job), so a due time is its next try after a minute, then two,
    /// four, an hour at most.
    Lasting,
    /// What it would compute has to wait for quieter times, until then.
    Postponed(DateTime<Utc>),
    /// It did not begin, because somebody else is refreshing it, and is tried again then.
    Held(DateTime<Utc>),
}

impl Outcome {
    /// What a run's end means.
    pub fn of(run: &Run) -> Self {
        match (run.status, run.error.as_ref().map(|error| error.kind.as_str())) {
            // Its rows were computed, and are what they were.
            (RunStatus::Success, _) if [run.rows_inserted, run.rows_updated, run.rows_deleted] == [Some(0); 3] => {
                Self::Unchanged
            }
            (RunStatus::Success, _) => Self::Good,
            (RunStatus::Noop, _) => Self::Unchanged,
            (RunStatus::Failed, Some(kind)) => Self::of_kind(kind),
            (RunStatus::Failed | RunStatus::Skipped | RunStatus::Cancelled, _) => Self::Failed,
        }
    }

    /// What a failure means, by the fixed word of its kind.
    pub fn of_kind(kind: &str) -> Self {
        match kind {
            "connection" | "authentication" | "lock" | "serialization" | "timeout" | "resource" | "io"
            | "read_only" => Self::Passing,
            "syntax" | "missing" => Self::Lasting,
            _ => Self::Failed,
        }
    }
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When it began.
    pub started: DateTime<Utc>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the whole mart was computed.
    pub whole: bool,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// It waits for its turn.
    Queued,
    /// One like it waits already, under this number; both end together.
    Joined(i64),
    /// The queue does not know the mart.
    Unknown,
    /// The mart is a view: there is nothing to refresh.
    NoRows,
}
