//! Statements and checks, run; relations, built aside and published. Serves `apply` and `refresh`.

mod along;
mod check;
mod compare;
mod copy;
mod exact;
mod limit;
mod merge;
mod opaque;
mod partial;
pub mod position;
mod partition;
mod room;
mod run;
mod session;
mod statement;
mod swap;
mod version;
mod within;

pub use along::still_referenced;
pub use check::{CheckResult, CheckStatus, SAMPLE, check, check_all, failure};
pub use compare::{ChangedColumn, ChangedRows, ComparedBy, ComparedColumn, Comparison, OnlyIn, TypeChange, compare};
pub use copy::{Built, Needed, build_aside, close, remove_leftovers};
pub use limit::{SizeLimit, within};
pub use merge::{Merged, differences, merge};
pub use opaque::Opaque;
pub use partial::{Rows, Written, write_rows};
pub use partition::{
    Changed, Cut, Division, Kept, NextPart, NextParts, Others, Together, Touched, Upkept, Which, build_parts, changed,
    drop_parts, exchange_parts, fill_parts, held, make_homes, merge_parts, note_partitions, obstacle, side_by_side,
    together, upkeep,
};
pub use room::lacking_room;
pub use run::{Halted, Tries, run, run_all};
pub use session::{Frame, SessionState};
pub use swap::{Obstacle, obstacles, swap};
pub use version::{build_version, publish_version};
pub use within::{Narrow, aside, compute_within, write_apart, write_within};
