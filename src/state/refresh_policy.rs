//! When and how a mart is refreshed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{QName, derived_name, format_duration};

/// The word behind `strategy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// On request.
    #[default]
    Manual,
    /// By schedule or target lag.
    Scheduled,
    /// When a source changed, and by schedule if one is given.
    Triggered,
    /// By schedule if one is given, always what changed only.
    Incremental,
    /// By schedule if one is given, always whole.
    Full,
    /// By schedule if one is given; what changed only, while the newest data is young.
    Smart,
    /// Within the transaction that writes to a source.
    OnCommit,
}

impl Strategy {
    /// The word manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Manual => "manual",
            Strategy::Scheduled => "scheduled",
            Strategy::Triggered => "triggered",
            Strategy::Incremental => "incremental",
            Strategy::Full => "full",
            Strategy::Smart => "smart",
            Strategy::OnCommit => "on_commit",
        }
    }
}

/// What happens to a due time that nobody was there for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// Made up once.
    #[default]
    Run,
    /// Dropped.
    Skip,
}

/// The word behind `[refresh.incremental] method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncrementalMethod {
    /// The rows whose key a logged change of a source affects are computed again.
    Changes,
    /// The newest part of the time is computed again.
    Window,
    /// Rows beyond the newest one are added.
    Append,
    /// Rows of the query are merged in by a key.
    Upsert,
    /// The partitions of the newest part of the time are computed again, and exchanged.
    Partition,
}

impl IncrementalMethod {
    /// The word manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Window => "window",
            Self::Append => "append",
            Self::Upsert => "upsert",
            Self::Partition => "partition",
        }
    }
}

/// Everything under `[refresh.incremental]`. Durations are seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incremental {
    /// How.
    pub method: IncrementalMethod,
    /// The output column that tells old rows from new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
    /// How much of the past is computed again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback: Option<u64>,
    /// Output columns by which rows are merged in; empty: the primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique_key: Vec<String>,
    /// A whole refresh on top, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_schedule: Option<String>,
    /// Rows older than this, in seconds, are history: never computed again, never deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_before: Option<u64>,
}

impl Incremental {
    /// Whether what its sources logged tells which rows are computed. Without a `lookback` partitions are told so, too.
    pub fn follows_changes(&self) -> bool {
        match self.method {
            IncrementalMethod::Changes => true,
            IncrementalMethod::Partition => self.lookback.is_none(),
            IncrementalMethod::Window | IncrementalMethod::Append | IncrementalMethod::Upsert => false,
        }
    }
}

/// For people: `window on day, 2d back`, `append by day`, `upsert by id`.
impl fmt::Display for Incremental {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.time_column.as_deref().unwrap_or_default();
        match self.method {
            IncrementalMethod::Changes => write!(f, "changes"),
            IncrementalMethod::Window => {
                write!(f, "window on {column}, {} back", format_duration(self.lookback.unwrap_or_default()))
            }
            IncrementalMethod::Append => write!(f, "append by {column}"),
            IncrementalMethod::Partition => match self.lookback {
                Some(lookback) => write!(f, "partition, {} back", format_duration(lookback)),
                None => write!(f, "partition, those that changes touch"),
            },
            IncrementalMethod::Upsert if self.unique_key.is_empty() => write!(f, "upsert by the primary key"),
            IncrementalMethod::Upsert => write!(f, "upsert by {}", self.unique_key.join(", ")),
        }
    }
}

/// Everything under `[refresh]`. Durations are seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshPolicy {
    /// The strategy.
    pub strategy: Strategy,
    /// Cron expressions and intervals, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<String>,
    /// Never older than this, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_lag: Option<u64>,
    /// What a missed due time means.
    #[serde(default)]
    pub misfire: Misfire,
    /// A missed due time is made up only while younger than this, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_deadline: Option<u64>,
    /// Also when a mart it reads from was refreshed.
    pub after: bool,
    /// `Some` where the manifest says so itself; `None` prefers concurrent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<bool>,
    /// The statement is cancelled after this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Slower than this many seconds is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_duration: Option<u64>,
    /// Larger starts first.
    #[serde(default)]
    pub priority: i64,
    /// Not scheduled.
    #[serde(default)]
    pub suspend: bool,
    /// How a refresh computes only what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Incremental>,
    /// Quiet to wait for after a change of a source, in seconds; a second where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debounce: Option<u64>,
    /// … and how long at most, in seconds; half a minute where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait: Option<u64>,
    /// The channel whose NOTIFY means that a source changed; `datamart_<mart>` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Under `smart`, data older than this is computed whole, in seconds; a day where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_after: Option<u64>,
    /// Reads are exact at any time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

impl RefreshPolicy {
    /// The channel whose NOTIFY means that a source of this mart changed. PostgreSQL knows no longer ones than it knows names.
    pub fn channel_of(&self, mart: &QName) -> String {
        self.channel.clone().unwrap_or_else(|| derived_name(&format!("datamart_{}", mart.name), ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_no_longer_than_postgresql_s() {
        let policy = RefreshPolicy::default();
        assert_eq!(policy.channel_of(&QName::new("public", "sales")), "datamart_sales");
        let long = policy.channel_of(&QName::new("public", "\u{e4}".repeat(28)));
        assert_eq!(long, format!("datamart_{}", "\u{e4}".repeat(27)));
        let said = RefreshPolicy { channel: Some("loaded".to_owned()), ..policy };
        assert_eq!(said.channel_of(&QName::new("public", "sales")), "loaded");
    }
}
