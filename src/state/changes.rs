//! How a mart is kept fresh by what changed: what its sources log, and the queries that follow from that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::QName;

/// What the method `changes` needs to know of one query. The texts are templates: PostgreSQL's canonical spelling, every name
/// qualified, with places that the module `sql` fills.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Columns of the result that commute with every operator of the query: rows of other keys cannot change.
    pub key: Vec<KeyColumn>,
    /// The tables that are read, each once, marts with rows among them. Views are none: they are written out.
    pub sources: Vec<ChangeSource>,
    /// Bounds that move with the clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moving: Vec<Moving>,
    /// The query with, for each key column that stands for a range of a source's column, the place `{within:N}` where a condition
    /// on that column may stand.
    pub query: String,
    /// The views it reads, also by other views: what they say is part of what the query means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<QName>,
    /// What gives other rows each time it is computed, for people: a sum of floats, an order with ties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// Functions that somebody made, as `regprocedure` prints them: their bodies are part of what the query means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
    /// Something in it looks at the session's settings, as what prints or cuts off a time looks at its time zone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settings: bool,
}

/// A column by whose values the affected rows are found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// Its name in the mart.
    pub name: String,
    /// Its type, as `format_type` prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Where it is `date_trunc(…)` or the like of a source's column: the ranges its values stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<KeyRange>,
}

/// The range of a source's column that a key's value stands for: from the value on, up to an interval later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// The column, as the place `{within:N}` of the query names it.
    pub column: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How long it is, as an interval.
    pub step: String,
}

/// A table that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSource {
    /// The table.
    pub table: QName,
    /// The columns of which the log keeps the values, before and after each change.
    pub columns: Vec<LoggedColumn>,
    /// The collations of those that are not compared as their types are: the logs do not keep them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collations: BTreeMap<String, String>,
    /// The query that gives the keys which its changes may affect. `{delta:N}` stands for the logged rows of source N, a relation
    /// with its logged columns; `{all:N}` for these and the rows there are now. `None`: a change may mean any row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected: Option<String>,
}

impl ChangeSource {
    /// A table of which any change may mean any row.
    pub fn of(table: QName) -> Self {
        Self { table, columns: Vec::new(), collations: BTreeMap::new(), affected: None }
    }
}

/// A column whose values are logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedColumn {
    /// Its name in the table.
    pub name: String,
    /// Its type, as `format_type` prints it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A bound such as `ts >= now() - interval '90 days'`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// As the query spells it, for people.
    pub bound: String,
    /// The query that gives the keys of the rows which crossed it; `{since}` stands for the time, a `timestamptz`, of the refresh
    /// before.
    pub affected: String,
}
