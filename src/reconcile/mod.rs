//! Again and again: looking, planning, applying and refreshing in time.

mod error;
mod lead;
mod outcome;
mod overrides;
mod planning;
pub mod queue;
mod revision;
mod source;
mod vitals;

pub use error::ReconcileError;
pub use outcome::{Drifted, Outcome, Reconciled};
pub use overrides::{Among, Changed, overrides, policies, reschedule, resume, suspend};
pub use planning::{Seen, look, plan};
pub use revision::{Explain, RevisionOptions, Revisions};
pub use source::{Poker, Reason, Source};
pub use vitals::{Leadership, Vitals};
