//! When and how a mart is refreshed.

use serde::{Deserialize, Serialize};

/// The word behind `strategy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// On request.
    #[default]
    Manual,
    /// By schedule or target lag.
    Scheduled,
    /// By schedule if one is given, always whole.
    Full,
}

impl Strategy {
    /// The word manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Manual => "manual",
            Strategy::Scheduled => "scheduled",
            Strategy::Full => "full",
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
}
