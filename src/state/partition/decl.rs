//! What a manifest says of partitions.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use super::span::Span;
use crate::state::quote_ident;

/// Everything under `[partition]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The output column that decides where a row goes.
    pub column: String,
    /// How.
    #[serde(flatten)]
    pub by: PartitionBy,
    /// Whether there is a partition for rows that no other takes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
}

/// What decides where a row goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum PartitionBy {
    /// A time: each partition takes one interval of it.
    Range(Ranges),
    /// Listed values, by the partition that takes them.
    List {
        /// The values of each partition, as text.
        values: BTreeMap<String, Vec<String>>,
    },
    /// A hash of the value.
    Hash {
        /// How many partitions there are.
        modulus: u32,
    },
}

/// Partitions by time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges {
    /// What one partition takes.
    pub interval: Span,
    /// Where the first partition begins; absent: at the earliest value there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDateTime>,
    /// How many partitions are kept ready beyond that of now.
    pub premake: u32,
    /// Partitions older than this leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Span>,
    /// How they leave.
    #[serde(default)]
    pub on_expire: OnExpire,
}

/// What becomes of a partition that is too old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpire {
    /// It is dropped.
    #[default]
    Drop,
    /// It becomes a table of its own.
    Detach,
}

impl Partition {
    /// The key, as PostgreSQL prints it: `RANGE (day)`.
    pub fn key(&self) -> String {
        let word = match self.by {
            PartitionBy::Range(_) => "RANGE",
            PartitionBy::List { .. } => "LIST",
            PartitionBy::Hash { .. } => "HASH",
        };
        format!("{word} ({})", quote_ident(&self.column))
    }

    /// The key of partitions by lists of a column's values, as PostgreSQL prints it.
    pub fn list(column: &str) -> String {
        format!("LIST ({})", quote_ident(column))
    }

    /// Where partitions are by time.
    pub fn ranges(&self) -> Option<&Ranges> {
        match &self.by {
            PartitionBy::Range(ranges) => Some(ranges),
            _ => None,
        }
    }

    /// Whether rows that stand in one partition now would stand in another, so that all of them have to be divided anew.
    pub fn divides_as(&self, other: &Self) -> bool {
        let same = match (&self.by, &other.by) {
            (PartitionBy::Range(a), PartitionBy::Range(b)) => a.interval == b.interval,
            (a, b) => a == b,
        };
        same && self.column == other.column && self.default == other.default
    }
}
