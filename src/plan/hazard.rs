//! What a change means for the database and those who use it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kinds of hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HazardKind {
    /// Data that could not be computed again would go.
    DeletesData,
    /// Something that is not ours stops compiling or loses a column.
    BreaksDependents,
    /// A strong lock on a source table for longer than catalog work.
    BlocksWrites,
    /// Readers would wait longer than a publication's lock timeout.
    AcquiresAccessExclusiveLock,
    /// A swap while replicas are attached.
    ConflictsWithReplicaQueries,
    /// Triggers appear on a source table.
    CapturesWrites,
    /// A mart is computed anew.
    RebuildsData,
    /// An index is built.
    IndexBuild,
    /// An index goes.
    IndexDropped,
    /// Owner or grants change.
    AuthzUpdate,
}

impl HazardKind {
    /// Every kind.
    pub const ALL: [HazardKind; 10] = [
        Self::DeletesData,
        Self::BreaksDependents,
        Self::BlocksWrites,
        Self::AcquiresAccessExclusiveLock,
        Self::ConflictsWithReplicaQueries,
        Self::CapturesWrites,
        Self::RebuildsData,
        Self::IndexBuild,
        Self::IndexDropped,
        Self::AuthzUpdate,
    ];

    /// The word plans and `--allow` use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeletesData => "DELETES_DATA",
            Self::BreaksDependents => "BREAKS_DEPENDENTS",
            Self::BlocksWrites => "BLOCKS_WRITES",
            Self::AcquiresAccessExclusiveLock => "ACQUIRES_ACCESS_EXCLUSIVE_LOCK",
            Self::ConflictsWithReplicaQueries => "CONFLICTS_WITH_REPLICA_QUERIES",
            Self::CapturesWrites => "CAPTURES_WRITES",
            Self::RebuildsData => "REBUILDS_DATA",
            Self::IndexBuild => "INDEX_BUILD",
            Self::IndexDropped => "INDEX_DROPPED",
            Self::AuthzUpdate => "AUTHZ_UPDATE",
        }
    }

    /// Whether a plan with it is refused until someone allows it.
    pub fn needs_allowing(self) -> bool {
        matches!(
            self,
            Self::DeletesData | Self::BreaksDependents | Self::BlocksWrites | Self::AcquiresAccessExclusiveLock
        )
    }
}

impl fmt::Display for HazardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HazardKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|k| k.as_str()).collect();
            format!("no hazard is called {text:?}; there are {}", known.join(", "))
        })
    }
}

/// A hazard and what it means here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    /// Which.
    #[serde(rename = "type")]
    pub kind: HazardKind,
    /// What it means on this database now.
    pub message: String,
}

impl Hazard {
    /// A hazard.
    pub fn new(kind: HazardKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for kind in HazardKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).ok(), Some(format!("\"{kind}\"")));
        }
        assert!("DELETES_EVERYTHING".parse::<HazardKind>().is_err());
    }
}
