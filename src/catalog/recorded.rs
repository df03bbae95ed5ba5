//! What the registry has of marts, as types.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::columns::{Column, Index};
use super::extent::Divided;
use crate::state::{Changes, Fingerprint, GrantDecl, Kind, Mart, Part, QName};

/// A mart as the registry has it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// As declared when it was applied.
    pub mart: Mart,
    /// Its fingerprint then.
    pub fingerprint: Fingerprint,
    /// The registry's status word.
    pub status: String,
    /// What the database had right after the apply.
    pub applied: Applied,
    /// The relation's OID then.
    pub relation: Option<i64>,
    /// Its manifest.
    pub file: String,
    /// The git revision it came from.
    pub revision: Option<String>,
    /// First applied.
    pub created_at: DateTime<Utc>,
    /// Last changed.
    pub changed_at: DateTime<Utc>,
    /// The versions of a versioned mart, by number; `applied` is then what its view was, and reads what the published one reads.
    pub versions: Vec<RecordedVersion>,
    /// A rollback that holds until the mart's file changes.
    pub held: Option<Held>,
    /// Where this is not a whole row but the view or a version of a versioned mart; see `plan::parts`.
    pub part: Option<Part>,
}

impl Recorded {
    /// Whether a refresh writes into its table, and exchanges nothing, as long as nothing stands against that.
    pub fn is_written_in_place(&self) -> bool {
        self.versions.is_empty() && self.mart.kind == Kind::Table && self.applied.changes.is_some()
    }
}

/// A version of a mart.
#[derive(Debug, Clone)]
pub struct RecordedVersion {
    /// Its number.
    pub number: u32,
    /// Its relation, as declared when it was made or last changed: name, query, indexes and all that is stored.
    pub mart: Mart,
    /// What the database had right after that.
    pub applied: Applied,
    /// The mart's view selects from it.
    pub published: bool,
    /// The relation's OID then.
    pub relation: Option<i64>,
    /// The git revision it came from.
    pub revision: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A rollback that holds until the mart's file changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The version that is published.
    pub pin: u32,
    /// The fingerprint of the mart's file when it was rolled back.
    pub file: Fingerprint,
    /// What other checkouts may say still: the mart as it was applied last, and what rollbacks before this one held against.
    #[serde(default)]
    pub others: BTreeSet<Fingerprint>,
}

/// What the database had right after an apply: what drift is measured against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// The server's major version, which decides how definitions are printed.
    pub major: i32,
    /// The text of a view or materialized view as the server printed it, or of a table's query as compiled.
    pub definition: String,
    /// The text of the query as compiled: what another query is told by.
    #[serde(default)]
    pub compiled: String,
    /// The fingerprint of the query it came from.
    pub query: String,
    /// Columns.
    pub columns: Vec<Column>,
    /// Indexes by name.
    pub indexes: BTreeMap<String, Box<Index>>,
    /// Relations it reads, with the signature each had.
    pub reads: BTreeMap<String, Box<ReadSignature>>,
    /// Owner.
    pub owner: String,
    /// Comment.
    pub comment: Option<String>,
    /// Options.
    pub options: BTreeMap<String, String>,
    /// Tablespace.
    pub tablespace: Option<String>,
    /// Grants.
    pub grants: Vec<GrantDecl>,
    /// How its rows follow what changed, where the query allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// Where its partitions began and ended, of a mart that is divided by time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divided: Option<Divided>,
    /// Partitions that it had when it was taken over, which keep their names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub partitions: BTreeSet<QName>,
    /// It was taken over as it was, and its relation is still the one of then: how old its rows were nobody knows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

/// A relation that a mart reads, and what its columns were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSignature {
    /// The relation.
    pub name: QName,
    /// Fingerprint of its columns.
    pub signature: Fingerprint,
}
