//! What a query says: parsed for PostgreSQL's grammar, its references, rewrites. Pure.

mod query;

pub use query::{Query, QueryError, RelationRef};
