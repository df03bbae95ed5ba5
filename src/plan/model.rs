//! A plan, as people and programs read it and `apply` runs it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Hazard, HazardKind};
use crate::catalog::{Held, ReadSignature};
use crate::state::{Changes, CheckDecl, Fingerprint, Kind, Mart, QName};

/// Everything `apply` would do, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this form.
    pub format_version: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The git revision of the manifests, `branch@sha1:…`.
    pub revision: Option<String>,
    /// The registry's key.
    pub project: String,
    /// Host and database, for people.
    pub database: String,
    /// What two plans share that do the same to the same.
    pub fingerprint: Fingerprint,
    /// How many of what.
    pub summary: Summary,
    /// What changes, in the order it is done.
    pub changes: Vec<Change>,
    /// What was changed behind the manifests' back and will not be healed.
    pub drift: Vec<Drift>,
    /// Marts without a file that stay.
    pub orphans: Vec<Orphan>,
    /// The statements.
    pub steps: Vec<Step>,
    /// The registry's rows that change with them.
    pub records: Vec<Record>,
    /// Everything the plan looked at, with what it was.
    pub reads: Vec<Read>,
    /// How many marts the manifests declare.
    pub marts: usize,
    /// What applies that were interrupted had built aside and nobody needs: it is removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
    /// Why it may not be applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
}

impl Plan {
    /// The fingerprint of what a plan does and of what it read. What its hazards mean in words is left out: the rows and bytes in
    /// them are others the next minute, and the plan is the same.
    pub(crate) fn fingerprint_of(
        changes: &[Change],
        steps: &[Step],
        records: &[Record],
        reads: &[Read],
    ) -> Fingerprint {
        let mut changes = changes.to_vec();
        changes.iter_mut().flat_map(|change| &mut change.hazards).for_each(|hazard| hazard.message.clear());
        Fingerprint::of(&(changes, steps, records, reads))
    }

    /// Whether it still does what it did when it was made: a file may have been edited.
    pub fn is_intact(&self) -> bool {
        Self::fingerprint_of(&self.changes, &self.steps, &self.records, &self.reads) == self.fingerprint
    }

    /// Nothing would happen.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Something a plan looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The relation.
    pub name: QName,
    /// A mart: looked at whole. Else only its columns matter.
    pub managed: bool,
    /// What it was; `None` where it did not exist.
    pub relation: Option<Fingerprint>,
    /// What the registry's row said; `None` where there was none.
    pub row: Option<Fingerprint>,
    /// A name under which something is built aside, or was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
}

/// Counts for the summary line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Created.
    pub add: usize,
    /// Changed in place.
    pub change: usize,
    /// Built anew.
    pub replace: usize,
    /// Dropped.
    pub destroy: usize,
    /// Of these, what deletes data that cannot be computed again.
    pub destructive: usize,
}

/// What happens to a mart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It does not exist.
    Create,
    /// In place.
    Update,
    /// Built aside and exchanged.
    Replace,
    /// Dropped.
    Delete,
    /// Another name, the same relation.
    Rename,
    /// Another version of a versioned mart.
    Publish,
}

impl Action {
    /// The word programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Rename => "rename",
            Self::Publish => "publish",
        }
    }

    /// Terraform's symbol.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update | Self::Rename => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Publish => ">",
        }
    }
}

/// What happens to one mart, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Schema and name, quoted where needed.
    pub address: String,
    /// Storage.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What.
    pub action: Action,
    /// Why, in one line.
    pub reason: String,
    /// The mart as the registry has it; null when new.
    pub before: serde_json::Value,
    /// The mart as declared; null when dropped.
    pub after: serde_json::Value,
    /// Unified diffs of what changes.
    pub diff: String,
    /// What it means for the database.
    pub hazards: Vec<Hazard>,
    /// The manifest.
    pub file: Option<String>,
    /// Values that came from a default, and whose: `refresh.timeout → project.toml`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, String>,
}

/// One thing that someone changed by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The mart.
    pub address: String,
    /// Storage.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What of it: `definition`, `columns`, `indexes:NAME`, `grants:ROLE`, `owner`, `description`, `options:NAME` …
    pub aspect: String,
    /// In one line.
    pub message: String,
    /// As it was applied; null where it did not exist.
    pub expected: Option<String>,
    /// As it is; null where it is gone.
    pub actual: Option<String>,
    /// A unified diff from expected to actual.
    pub diff: String,
}

/// A mart in the registry without a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orphan {
    /// Schema and name.
    pub address: String,
    /// Storage.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The file that declared it.
    pub file: String,
    /// Whether its manifest said `prevent_destroy`.
    pub prevent_destroy: bool,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The transaction it runs in; `None` runs alone.
    pub transaction: Option<u32>,
    /// The statement.
    pub sql: String,
    /// How long it may wait for a lock; 0 is for ever.
    pub lock_timeout_ms: u64,
    /// How long it may run; 0 is for ever.
    pub statement_timeout_ms: u64,
    /// The mart it is for.
    pub mart: String,
    /// The role it runs as, where that is not the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// `SET LOCAL` for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(String, String)>,
    /// It takes the short exclusive lock of a publication: its transaction begins again when it does not get it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publication: bool,
    /// What it marks or completes stays, built aside, until a later transaction publishes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
    /// It fills a part of what is built aside; sessions that see one snapshot may run those of its transaction side by side. Outside
    /// transactions it is done beside its neighbours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// The statement is the query of this check: what it returns decides whether the transaction goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckDecl>,
    /// How what it leaves behind goes again, where the apply ends before its mart is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// What takes a statement back that ran alone, or that failed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The statement.
    pub sql: String,
    /// Only where it failed itself: what it made is work that the next apply goes on with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// A registry row that changes with a transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The transaction.
    pub transaction: u32,
    /// The mart.
    pub mart: QName,
    /// What happens to its row.
    pub row: RecordRow,
}

impl Record {
    /// The mart that is recorded: of a version its mart.
    pub fn of(&self) -> &QName {
        match &self.row {
            RecordRow::Forget { of, .. } | RecordRow::Upsert { part: Some(PartRow::Version { of, .. }), .. } => of,
            _ => &self.mart,
        }
    }
}

/// What happens to a registry row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordRow {
    /// Written.
    Upsert {
        /// As declared.
        declared: Box<Mart>,
        /// The manifest.
        file: String,
        /// Canonical text of the query; what a table cannot tell later.
        definition: String,
        /// How its rows follow what changes in its sources.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changes: Option<Box<Changes>>,
        /// What it reads, by address; signatures are taken anew at apply.
        reads: BTreeMap<String, Box<ReadSignature>>,
        /// The name its row had before.
        renamed_from: Option<QName>,
        /// What `action` this belongs to.
        action: Action,
        /// Aspects that drifted and stay as they are: the registry goes on saying what they should be.
        drifted: Vec<String>,
        /// The relation is taken over as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adopted: Option<Adopted>,
        /// What it is to a versioned mart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<PartRow>,
    },
    /// Marked as dropped.
    Delete,
    /// It follows in a later transaction: until then its rows are old.
    Behind,
    /// A version that is gone.
    Forget {
        /// Its mart.
        of: QName,
        /// Its number.
        number: u32,
    },
}

/// What a relation is to its versioned mart, for the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartRow {
    /// The view of the mart's name.
    Stable {
        /// The mart, as declared.
        whole: Box<Mart>,
        /// The version that is published.
        number: u32,
        /// The rollback that decides which, if one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Held>,
    },
    /// A version.
    Version {
        /// Its mart.
        of: QName,
        /// Its number.
        number: u32,
    },
}

/// How a relation that is taken over as it is stands to its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adopted {
    /// Its query is the manifest's.
    AsDeclared,
    /// The manifest asks for another query: the next plan changes it.
    Pending,
}

/// Why a plan may not be applied as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The mart.
    pub address: String,
    /// The hazard.
    pub hazard: HazardKind,
    /// What it means here.
    pub message: String,
    /// Whether `--allow` helps.
    pub allowable: bool,
}
