//! What else hangs on relations: triggers, policies, constraints, settings of columns … No manifest says it.

use serde::{Deserialize, Serialize};

use crate::state::{QName, quote_ident};

/// What an extra is, which decides how and when it is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraKind {
    /// A trigger. `state` is how it is enabled: `O`, `D`, `R` or `A`.
    Trigger,
    /// A policy of row security.
    Policy,
    /// Row security itself, or that the owner is under it, too.
    RowSecurity,
    /// Extended statistics: `head` is the kinds, `tail` the columns, `state` the target.
    Statistics,
    /// A setting of a column: `tail` is what ALTER COLUMN says.
    Column,
    /// The default of a column: `tail` is its expression.
    Default,
    /// A sequence that goes with a column.
    Sequence,
    /// What of old rows is published. `name` is an index where `state` is `i`.
    ReplicaIdentity,
    /// The relation is part of a publication.
    Publication,
    /// A CHECK: `head` is its definition.
    Check,
    /// A UNIQUE constraint: `tail` says whether it can be deferred. Its index is among the relation's.
    Unique,
    /// A constraint over an index that only its definition, `head`, makes.
    Exclusion,
    /// The primary key's constraint: it has a comment.
    Key,
    /// A foreign key of the relation. `state` says `valid` and `self`.
    ForeignKey,
    /// A foreign key of another relation, `other`, that refers to this one. `state` says `valid`, and `whole` for a partitioned table.
    Referencing,
    /// A statistics target, `tail`, of the column numbered `state` of an index.
    IndexStatistics,
    /// A security label, `tail`.
    Label,
    /// A rule. `state` is how it is enabled.
    Rule,
    /// What the owner may do other than everything: `head` is GRANT or REVOKE, `tail` the privileges.
    OwnerRights,
    /// Nothing that could be made again.
    Stays,
}

/// Something that hangs on a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// What it is.
    pub kind: ExtraKind,
    /// What it is and its name, for people.
    pub label: String,
    /// Its own name, or that of the column, index or label provider it is about.
    pub name: String,
    /// Another relation, or the statistics' own name.
    pub other: Option<QName>,
    /// Its definition, as the server prints it, before the relation's name.
    pub head: String,
    /// Its definition behind the relation's name.
    pub tail: String,
    /// How it is enabled, and the like.
    pub state: String,
    /// Whose it is, where that is not the relation's owner.
    pub owner: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// The relation's columns that it names.
    pub columns: Vec<String>,
    /// The GRANT without which it cannot be made again.
    pub missing: Option<String>,
}

impl Extra {
    /// A setting of one column.
    pub(super) fn of_column(kind: ExtraKind, what: &str, column: &str, tail: String) -> Self {
        Self {
            kind,
            label: format!("{what} of column {}", quote_ident(column)),
            name: column.to_owned(),
            other: None,
            head: String::new(),
            tail,
            state: String::new(),
            owner: None,
            comment: None,
            columns: vec![column.to_owned()],
            missing: None,
        }
    }
}
