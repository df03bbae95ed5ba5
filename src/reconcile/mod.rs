//! Again and again: looking, planning, applying and refreshing in time.

mod error;
mod planning;
pub mod queue;
mod vitals;

pub use error::ReconcileError;
pub use planning::{Seen, look, plan};
pub use vitals::{Leadership, Vitals};
