//! One mart, as programs see it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::ages::{Ages, Freshness};
use super::following::Following;
use super::partitions::{PartitionStatus, PartitionSummary};
use super::runs::PastRun;
use crate::state::{Kind, QName};

/// How a mart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MartState {
    /// Declared, not applied yet.
    Creating,
    /// As it should be.
    Active,
    /// A run is at work.
    Refreshing,
    /// Its data is too old.
    Stale,
    /// Its last run failed, or its relation is gone.
    Error,
    /// Removed; only its history is left.
    Dropped,
}

impl MartState {
    /// The word programs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Active => "active",
            Self::Refreshing => "refreshing",
            Self::Stale => "stale",
            Self::Error => "error",
            Self::Dropped => "dropped",
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnStatus {
    /// Its name.
    pub name: String,
    /// Its type, as PostgreSQL prints it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// An index. What a command did not look at is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexStatus {
    /// Its name.
    pub name: String,
    /// As PostgreSQL prints it.
    pub definition: String,
    /// Unique.
    pub unique: bool,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Scans since the statistics were reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scans: Option<i64>,
}

/// Schedules that hold instead of a manifest's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rescheduled {
    /// As a manifest would say them.
    pub schedule: Vec<String>,
    /// Who said so.
    pub who: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// One statement about a mart that is true, false or unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `Ready`, `Reconciling` or `Stalled`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `True` or `False`.
    pub status: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in words.
    pub message: String,
}

/// A mart, whole. What a command did not look at is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MartStatus {
    /// Its name, as a key.
    #[serde(skip)]
    pub id: QName,
    /// Its own name.
    pub name: String,
    /// Its schema.
    pub schema: String,
    /// Both, quoted where needed.
    pub full_name: String,
    /// Storage.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The word in its manifest.
    pub refresh_strategy: &'static str,
    /// How it is.
    pub status: MartState,
    /// Whether its manifest is gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub orphan: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Free-form.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_count: Option<i64>,
    /// `row_count` is the planner's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Bytes, indexes included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// How many columns.
    pub column_count: usize,
    /// Its columns, in order.
    pub columns: Vec<ColumnStatus>,
    /// Its indexes, by name.
    pub indexes: Vec<IndexStatus>,
    /// When it was first applied.
    pub created_at: Option<DateTime<Utc>>,
    /// When its data was last computed.
    pub last_refreshed: Option<DateTime<Utc>>,
    /// When it is due next; never, while it is suspended.
    pub next_run: Option<DateTime<Utc>>,
    /// No refresh begins by itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Who suspended it, where its manifest does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_by: Option<String>,
    /// What holds instead of its schedule and its target lag, until its file changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescheduled: Option<Rescheduled>,
    /// Never older than this, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_lag_seconds: Option<u64>,
    /// The age that freshness is judged by, in seconds.
    pub age_seconds: Option<i64>,
    /// All its ages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ages: Option<Ages>,
    /// What the age means.
    pub freshness: Option<Freshness>,
    /// Which version is published, for versioned marts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// How it stands to the changes of its sources, where it follows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub following: Option<Following>,
    /// How its partitions are, where it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitioned: Option<PartitionSummary>,
    /// Its partitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionStatus>,
    /// What is true of it.
    pub conditions: Vec<Condition>,
    /// Its last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<PastRun>,
}

impl MartStatus {
    /// Leaves out rows and sizes, where nobody asked for them.
    pub fn without_sizes(&mut self) {
        (self.row_count, self.estimated) = (None, false);
        (self.size_bytes, self.size) = (None, None);
    }

    /// Its data is too old, whatever else it is.
    pub fn is_stale(&self) -> bool {
        self.freshness == Some(Freshness::Stale)
    }

    /// Its last run failed.
    pub fn has_failed(&self) -> bool {
        self.last_run.as_ref().is_some_and(|run| run.status == "failed")
    }
}
