//! Partitioned marts: partitions are kept ready, built aside, compared, and exchanged where they differ.

mod aside;
mod differ;
mod exchange;
mod touched;
mod upkeep;

pub use aside::{Cut, NextPart, NextParts, Which, build_parts, fill_parts};
pub use differ::{Changed, changed};
pub use exchange::{drop_parts, exchange_parts, merge_parts, obstacle};
pub use touched::{Division, Touched};
pub use upkeep::{Upkept, upkeep};
