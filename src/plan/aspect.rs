//! The words of a comparison: what differs, whose doing it is, how it is mended, how the mart is changed.

use super::Undo;
use super::grants::GrantFix;
use crate::state::{CheckDecl, QName};

/// Whose doing a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The manifest changed.
    Declared,
    /// Somebody changed the database.
    Drift,
    /// Something is missing: made again like anything new.
    Missing,
}

/// How a difference is mended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fix {
    /// Another kind, other columns, another tablespace: the relation is built anew.
    Rebuild,
    /// Another query.
    Definition,
    CreateIndex(String),
    /// The same name, another definition.
    ReplaceIndex(String),
    DropIndex(String),
    RenameIndex {
        from: String,
        to: String,
    },
    /// The primary key as declared, in the place of this constraint.
    PrimaryKey {
        old: Option<String>,
    },
    DropConstraint(String),
    SetNotNull(String),
    DropNotNull(String),
    Owner(String),
    Comment(Option<String>),
    ColumnComment(String, Option<String>),
    SetOption(String, String),
    ResetOption(String),
    Grant(GrantFix),
    /// A partition that is not there; with its rows, where it had some.
    CreatePartition {
        name: QName,
        filled: bool,
        spared: Option<Spared>,
    },
    RenamePartition {
        from: QName,
        to: QName,
    },
    /// It becomes a table of its own, perhaps of another name; those come that it stood in the way of.
    DetachPartition {
        name: QName,
        to: Option<QName>,
        instead: Vec<(QName, bool)>,
    },
    DropPartition(QName),
    /// What a role may do on partitions alone.
    RevokeOnPartitions {
        role: String,
        partitions: Vec<QName>,
    },
}

/// Partitions that come beside a default of many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spared {
    /// All of them, where this is the first.
    pub all: Vec<QName>,
    pub is_last: bool,
}

/// Statements of one fix on a live relation. `Alone` ones take no part in a transaction.
pub(crate) enum Mend {
    /// With what else changes.
    InTransaction(String),
    /// The same, with the settings of the mart's query: rows.
    Fill(String),
    /// A check of what was filled, and its query.
    Check(CheckDecl, String),
    /// As the first, under a lock that readers wait for.
    Briefly(String),
    /// Briefly, as the connection's own role: it must belong to both owners.
    AsOurselves(String),
    Alone(String),
    /// Alone, and how it goes again where what comes after it fails.
    Undoable(String, Undo),
    /// Briefly, in a transaction after those alone.
    After(String),
    /// Alone, after those alone.
    Last(String),
}

/// One aspect that differs.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// `definition`, `indexes:NAME`, `owner` …
    pub aspect: String,
    pub cause: Cause,
    /// As it should be.
    pub expected: Option<String>,
    /// As it is.
    pub actual: Option<String>,
    pub fix: Fix,
}

/// Whose doing it is, where the target is, or is not, what was applied.
pub(super) fn cause(target_is_what_was_applied: bool) -> Cause {
    if target_is_what_was_applied { Cause::Drift } else { Cause::Declared }
}

/// How a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The relation does not exist.
    Create,
    /// A view that takes another query by CREATE OR REPLACE.
    InPlace,
    /// Built aside under another name, then exchanged.
    Rebuild,
    /// What is no mart and cannot follow one goes.
    Drop,
    /// Indexes, grants, comments, options, names, or only what the registry keeps.
    Alter,
    /// Nothing a user would see: the registry's row is brought up to date.
    Record,
}
