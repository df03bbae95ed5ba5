//! A partition that is there.

use std::collections::BTreeMap;

use super::kind::RelationKind;
use crate::state::{GrantDecl, Piece, QName, range_of};

/// A partition that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its number.
    pub oid: i64,
    /// Its name.
    pub name: QName,
    /// What it is: a partition may be partitioned itself, or foreign.
    pub kind: RelationKind,
    /// Its owner.
    pub owner: String,
    /// What it takes, as PostgreSQL prints it.
    pub bound: String,
    /// Its storage parameters.
    pub options: BTreeMap<String, String>,
    /// Who may do what on it alone, beside its owner: whoever reads it through its mart needs none of that.
    pub grants: Vec<GrantDecl>,
    /// The planner's estimate of rows, where it has one.
    pub rows: Option<i64>,
}

impl Attached {
    /// Whether it takes what no other takes.
    pub fn is_default(&self) -> bool {
        self.bound == "DEFAULT"
    }

    /// Whether it takes something of what `piece` is to take, as far as can be told.
    pub fn overlaps(&self, piece: &Piece) -> bool {
        match (range_of(&self.bound), &piece.range) {
            (Some((from, to)), Some((lower, upper))) => from < *upper && *lower < to,
            (None, Some(_)) => !self.is_default(),
            _ => true,
        }
    }
}
