//! How a partitioned mart is divided: by time, by listed values, by hash. Pure.

mod decl;
mod pieces;
mod span;
mod time;

pub use decl::{OnExpire, Partition, PartitionBy, Ranges};
pub use pieces::{MOST_PARTITIONS, Piece, TooMany, range_of};
pub use span::{Span, SpanUnit};
pub use time::TimeType;
