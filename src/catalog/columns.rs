//! Columns and indexes of relations, as types.

use serde::{Deserialize, Serialize};

use crate::state::quote_ident;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `NOT NULL`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
    /// Its collation where it is not the type's, with its schema. (Registries of earlier versions have the bare name.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its statistics target where it is not the server's; no manifest says it, and it goes along with a relation that is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<i32>,
}

impl Column {
    /// Its type, and how it is compared where that is not the type's way.
    pub fn collated_type(&self) -> String {
        match &self.collation {
            Some(collation) => format!("{} COLLATE {collation}", self.type_name),
            None => self.type_name.clone(),
        }
    }

    /// Whether name, type and collation are those of another.
    pub fn is_like(&self, was: &Self) -> bool {
        let collation = match (&self.collation, &was.collation) {
            (Some(is), Some(was)) => {
                let is_bare = |bare: &str, whole: &str| whole.ends_with(&format!(".{}", quote_ident(bare)));
                is == was || is_bare(was, is) || is_bare(is, was)
            }
            (is, was) => is == was,
        };
        (&self.name, &self.type_name) == (&was.name, &was.type_name) && collation
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// As `pg_get_indexdef` prints it.
    pub definition: String,
    /// Unique.
    pub unique: bool,
    /// The primary key's.
    pub primary: bool,
    /// Complete; a failed CREATE INDEX CONCURRENTLY leaves one that is not.
    pub valid: bool,
    /// CLUSTER orders the rows by it; no manifest says it, and it goes along with a materialized view that is exchanged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clustered: bool,
    /// With a predicate.
    pub partial: bool,
    /// With expressions.
    pub expressions: bool,
    /// Its tablespace.
    pub tablespace: Option<String>,
    /// The constraint it stands for.
    pub constraint: Option<String>,
    /// Its comment; no manifest says it, and it goes along with an index that is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its key columns, expressions left out.
    pub keys: Vec<String>,
}
