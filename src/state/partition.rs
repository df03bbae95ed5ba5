//! How a partitioned mart is divided: by time, by listed values, by hash. Pure.

mod decl;
mod listed;
mod pieces;
mod span;
mod time;

pub use decl::{OnExpire, Partition, PartitionBy, Ranges};
pub use listed::meaning;
pub use pieces::{MOST_PARTITIONS, Piece, TooMany, detached_name, partition_prefix, range_of};
pub use span::{Span, SpanUnit};
pub use time::TimeType;
