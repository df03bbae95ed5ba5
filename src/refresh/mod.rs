//! Keeping data fresh: how each mart is refreshed, in dependency order, with a row of history for each run.

mod again;
mod alike;
mod at_once;
mod before_totals;
mod chain;
mod changes;
mod choose;
mod cut;
mod divided;
mod decision;
mod ended;
mod event;
mod facts;
mod history;
mod items;
mod many;
mod matview;
mod method;
mod noticed;
mod one;
mod outcome;
mod part;
mod prune;
mod ready;
mod request;
mod space;
mod started;
mod still;
mod together;
mod unchanged;
mod verify;
mod version;
mod work;
mod worker;
mod workers;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::build::{CheckResult, SizeLimit};
use crate::catalog::{Actual, CatalogError, Recorded, Relation};
use crate::database::{DatabaseError, Endpoint, ErrorKind, LockError, SqlError};
use crate::manifest::{MaintenanceWindow, PauseWhen};
use crate::state::QName;

pub use chain::Along;
pub use changes::{Foreseen, foresee};
pub use choose::{Choice, Chosen, Facts, WITHOUT, choose, impossible};
pub use event::Event;
pub use facts::{facts, paused};
pub use history::DURATION_BOUNDS;
pub use items::items;
pub use many::{refresh, refresh_by};
pub use method::Method;
pub use noticed::{Noticed, marts_behind, noticed, renew_logs};
pub use one::is_small;
pub use part::Part;
pub use prune::prune;
pub use ready::{Readied, keep_partitions};
pub use request::{Stopped, cancel, enqueue, wake};
pub use space::{Tidied, tidy_logs};
pub use verify::{Verified, verify};
pub use version::{Series, another_version};
pub use workers::Workers;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// New data is published.
    Success,
    /// The old data stays.
    Failed,
    /// It was not started.
    Skipped,
    /// There was nothing to do.
    Noop,
    /// Somebody stopped it; the old data stays.
    Cancelled,
}

impl RunStatus {
    /// The word history and programs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Noop => "noop",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunError {
    /// One fixed word.
    pub kind: String,
    /// PostgreSQL's code.
    pub sqlstate: Option<String>,
    /// What it said.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The server's CONTEXT: the functions it came through.
    #[serde(skip)]
    pub context: Option<String>,
    /// What the server said, where the message says what it came from.
    #[serde(skip)]
    pub detail: Option<String>,
}

impl RunError {
    pub(crate) fn of(error: &SqlError) -> Self {
        Self {
            kind: error.kind.as_str().to_owned(),
            sqlstate: error.sqlstate.clone(),
            message: error.message.clone(),
            hint: error.hint.clone().or_else(|| error.detail.clone()),
            context: error.context.clone(),
            detail: None,
        }
    }
}

/// One refresh of one mart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Its number in the history; 0 where it was not written there.
    pub run: i64,
    /// The mart.
    pub mart: String,
    /// How; `None` where it did not begin.
    pub method: Option<Method>,
    /// Why so.
    pub reason: String,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Between the two.
    pub duration_ms: f64,
    /// Rows that came, where that is known.
    pub rows_inserted: Option<i64>,
    /// Rows that changed, where that is known.
    pub rows_updated: Option<i64>,
    /// Rows that went, where that is known.
    pub rows_deleted: Option<i64>,
    /// Rows afterwards.
    pub row_count: Option<i64>,
    /// Bytes afterwards, indexes included.
    pub size_bytes: Option<i64>,
    /// The newest value of `freshness.column`.
    pub newest: Option<String>,
    /// The git revision of the manifest.
    pub revision: Option<String>,
    /// What its checks found, in the order they are declared.
    pub checks: Vec<CheckResult>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// Where it was not started: when it may be.
    #[serde(skip)]
    pub not_before: Option<DateTime<Utc>>,
    /// The snapshot of the data, for the history.
    #[serde(skip)]
    pub snapshot: Option<String>,
    /// What was decided about changes, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<serde_json::Value>,
}

impl Run {
    /// Why the mart follows no changes from now on, where this run found out that its rows were wrong.
    pub fn demoted(&self) -> Option<&str> {
        self.decision.as_ref()?.get("verified").filter(|is| **is == false).map(|_| self.reason.as_str())
    }
}

/// What part of a mart's rows a refresh computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// What its manifest says.
    #[default]
    AsDeclared,
    /// All of them.
    Full,
    /// Those that changed.
    Incremental,
    /// Those that changed while the newest data is young, else all.
    Smart,
}

/// The most days of the past that a refresh may be asked for.
pub const MOST_DAYS: u32 = 36_500;

/// How one refresh was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// What is computed.
    pub how: How,
    /// For `window`: this many days of the past, instead of `lookback`.
    pub days: Option<u32>,
    /// Overrides what the manifest says about CONCURRENTLY, for this one.
    pub concurrent: Option<bool>,
    /// The number of the run, where its row waits in the history as `queued`.
    pub run: Option<i64>,
    /// Why it runs now: `schedule`, `lag`, `after`, `request`, `change`, `notify`, `retry`, `missed`.
    pub cause: Option<&'static str>,
    /// When it was due.
    pub due_at: Option<DateTime<Utc>>,
    /// That it has to wait stands in the history already: it is no news that it still has to.
    pub waits: bool,
    /// It goes along with what it reads, where that changes; else there is nothing to tell of it.
    pub along: bool,
}

/// A mart to be refreshed.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name.
    pub mart: QName,
    /// What stores its rows, as the registry has it: the mart, or its published version.
    pub recorded: Recorded,
    /// As it is; `None` where the relation is gone.
    pub live: Option<Relation>,
    /// Items it has to wait for.
    pub upstream: Vec<QName>,
    /// Where the refresh makes another version: what that needs.
    pub series: Option<Box<Series>>,
    /// How it was asked for.
    pub asked: Asked,
    /// It is known that nothing is left of a build aside; else somebody has to look.
    pub tidy: bool,
    /// It is known to take so little that nobody has to ask whether there is room for it.
    pub light: bool,
    /// Whatever is behind its query has a log of changes.
    pub logged: bool,
    /// Marts that writers keep follow its rows: who writes them is such a writer.
    pub feeds: bool,
}

impl Item {
    /// A mart of the registry, with the items that it has to wait for.
    pub fn new(row: &Recorded, actual: &Actual, upstream: Vec<QName>) -> Self {
        let recorded = row.stored();
        let feeds = actual.captures.logs.get(&recorded.mart.name).is_some_and(|log| log.commits);
        Self {
            mart: row.mart.name.clone(),
            recorded,
            feeds,
            live: actual.stored(&row.mart.name).cloned(),
            upstream,
            series: Series::new(row, actual).map(Box::new),
            asked: Asked::default(),
            tidy: false,
            light: false,
            logged: unchanged::is_logged(row, actual),
        }
    }
}

/// What the caller wants.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `Some` overrides what the manifests say about CONCURRENTLY.
    pub concurrent: Option<bool>,
    /// How many at once.
    pub parallel: usize,
    /// How many there are sessions for: beyond `parallel`, those of runs that only wait for their commit.
    pub most: usize,
    /// How long to wait for another refresh of the same mart.
    pub wait: std::time::Duration,
    /// Milliseconds, for locks that queue others.
    pub lock_timeout_ms: u64,
    /// Milliseconds, for the short exclusive lock of a publication.
    pub publish_lock_timeout_ms: u64,
    /// Milliseconds, where a mart has no timeout of its own.
    pub statement_timeout_ms: u64,
    /// Settings of every build: memory, workers.
    pub settings: Vec<(String, String)>,
    /// How much a build may add to the database.
    pub max_size: Option<SizeLimit>,
    /// How long marts are refreshed in one snapshot, before the next ones take another; `None`: five minutes.
    pub max_snapshot: Option<std::time::Duration>,
    /// Bytes beyond which a log of changes is emptied, whoever has not seen it.
    pub max_log: Option<u64>,
    /// Outside it no refresh makes readers wait.
    pub window: Option<MaintenanceWindow>,
    /// When no build of all rows begins.
    pub pause_when: PauseWhen,
    /// Roles that default privileges give something to, by creating role.
    pub defaults: Vec<crate::catalog::DefaultAcl>,
    /// Who asked, for the history.
    pub requested_by: String,
    /// The registry's schema.
    pub registry: String,
    /// The project.
    pub project: String,
    /// Where a refresh gets sessions that help it; `None`: it has its own.
    pub beside: Option<Endpoint>,
    /// The leadership under which it runs: a run of an older one than the registry knows is refused. `None` by hand.
    pub epoch: Option<i64>,
}

impl Options {
    /// The roles that default privileges give something to, where `creator` makes a relation in the schema of `name`.
    pub(crate) fn defaults_of(&self, creator: &str, name: &QName) -> Vec<String> {
        self.defaults
            .iter()
            .filter(|acl| acl.owner == creator && acl.schema.as_ref().is_none_or(|schema| *schema == name.schema))
            .map(|acl| acl.role.clone())
            .collect()
    }
}

/// Why refreshing could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No session, no registry.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Somebody else refreshes the mart.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The history could not be written.
    #[error("cannot write the history: {0}")]
    History(#[source] SqlError),
    /// Another daemon leads by now.
    #[error("leadership {epoch} is over: another daemon leads by now")]
    Superseded {
        /// Under which it was to run.
        epoch: i64,
    },
}

impl RefreshError {
    /// One fixed word: exit code, metric label, retry policy.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Database(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::Catalog(error) => error.kind().as_str(),
            Self::History(error) => error.kind.as_str(),
            Self::Superseded { .. } => "superseded",
        }
    }
}

/// Whether an error means that somebody stopped the run.
pub(crate) fn cancelled(error: &SqlError) -> bool {
    error.kind == ErrorKind::Cancelled
}
