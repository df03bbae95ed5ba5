//! How new data comes into a mart.

use serde::Serialize;

/// How new data comes into a mart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// REFRESH MATERIALIZED VIEW: readers wait.
    Plain,
    /// REFRESH MATERIALIZED VIEW CONCURRENTLY: they do not.
    Concurrently,
    /// Built aside, the differences written.
    Merge,
    /// Built aside, the table exchanged.
    Swap,
    /// The newest part of the time is computed again.
    Window,
    /// Rows beyond the newest one are added.
    Append,
    /// Rows of the query are merged in by a key.
    Upsert,
    /// The rows whose key a change of a source may affect are computed again.
    Changes,
    /// The partitions of the newest part of the time are built aside, and exchanged where they differ.
    Partition,
    /// All partitions are: told as [`Swap`](Self::Swap).
    #[serde(rename = "swap")]
    Exchange,
}

impl Method {
    /// The word history and programs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Concurrently => "concurrently",
            Self::Merge => "merge",
            Self::Swap | Self::Exchange => "swap",
            Self::Window => "window",
            Self::Append => "append",
            Self::Upsert => "upsert",
            Self::Changes => "changes",
            Self::Partition => "partition",
        }
    }

    /// Whether it computes all rows of a mart.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Plain | Self::Concurrently | Self::Merge | Self::Swap | Self::Exchange)
    }
}
