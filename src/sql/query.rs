//! A query, parsed.

use std::ops::Range;

/// A relation a query reads: its name as PostgreSQL folds it, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationRef {
    /// The schema, where the query names one.
    pub schema: Option<String>,
    /// The relation.
    pub name: String,
    /// Bytes of the whole (perhaps qualified) name in the query's text.
    pub span: Range<usize>,
    /// Whether an alias follows.
    pub aliased: bool,
}

/// What is wrong with a query's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// What.
    pub message: String,
    /// Bytes in the query's text.
    pub span: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
}

/// Exactly one SELECT, VALUES or TABLE.
#[derive(Debug, Clone)]
pub struct Query {
    /// The text, without a final semicolon.
    pub text: String,
    /// The relations it reads, CTEs left out, in order of appearance.
    pub relations: Vec<RelationRef>,
}
