//! What a relation is.

use serde::{Deserialize, Serialize};

use crate::state::Kind;

/// What a relation is to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationKind {
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// An ordinary table.
    Table,
    /// A partitioned table.
    PartitionedTable,
    /// A foreign table.
    ForeignTable,
    /// An index, a sequence, a composite type: a name that is taken.
    Other,
}

impl RelationKind {
    /// From `pg_class.relkind`.
    pub fn from_relkind(relkind: &str) -> Self {
        match relkind {
            "v" => Self::View,
            "m" => Self::MaterializedView,
            "r" => Self::Table,
            "p" => Self::PartitionedTable,
            "f" => Self::ForeignTable,
            _ => Self::Other,
        }
    }

    /// Words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Table => "table",
            Self::PartitionedTable => "partitioned table",
            Self::ForeignTable => "foreign table",
            Self::Other => "object",
        }
    }

    /// Whether a mart of that kind is stored like this.
    pub fn is(self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::View, Kind::View)
                | (Self::MaterializedView, Kind::MaterializedView)
                | (Self::Table, Kind::Table)
                | (Self::PartitionedTable, Kind::PartitionedTable)
        )
    }
}
