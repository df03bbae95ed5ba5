//! Partitioned marts: partitions are kept ready, built aside, compared, and exchanged where they differ.

mod alone;
mod aside;
mod beside;
mod bound;
mod built;
mod differ;
mod exchange;
mod filling;
mod home;
mod names;
mod next;
mod together;
mod touched;
mod upkeep;

pub use aside::{build_parts, fill_parts};
pub use beside::Others;
pub use built::note_partitions;
pub use differ::{Changed, changed, held};
pub use exchange::{drop_parts, exchange_parts, merge_parts, obstacle};
pub use home::make_homes;
pub use next::{Cut, NextPart, NextParts, Which};
pub use together::{Together, side_by_side, together};
pub use touched::{Division, Touched};
pub use upkeep::{Kept, Upkept, upkeep};
