//! Partitioned marts: partitions are kept ready, built aside, compared, and exchanged where they differ.

mod aside;
mod differ;
mod exchange;
mod upkeep;

pub use aside::{Cut, NextPart, NextParts, build_parts};
pub use differ::{Changed, changed};
pub use exchange::{drop_parts, exchange_parts, merge_parts, obstacle};
pub use upkeep::{Upkept, upkeep};
