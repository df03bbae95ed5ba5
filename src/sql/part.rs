//! The parts of a query that others speak of: what it reads, what is wrong with it, and where.

use std::ops::Range;

use squawk_syntax::{SyntaxNode, SyntaxToken};

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

/// The `schema.relation` in front of a column.
#[derive(Debug, Clone)]
pub(super) struct Qualifier {
    pub schema: String,
    pub name: String,
    pub span: Range<usize>,
}

/// Bytes of a node.
pub(super) fn span(node: &SyntaxNode) -> Range<usize> {
    let range = node.text_range();
    usize::from(range.start())..usize::from(range.end())
}

/// Bytes of a token.
pub(super) fn token_span(token: &SyntaxToken) -> Range<usize> {
    let range = token.text_range();
    usize::from(range.start())..usize::from(range.end())
}
