//! Again and again: looking, planning, applying and refreshing in time.

mod approve;
mod attempt;
mod change;
mod drift;
mod error;
mod git;
mod lead;
mod outcome;
mod overrides;
mod planning;
pub mod queue;
mod record;
mod revision;
mod source;
mod vitals;
mod watch;

pub use approve::{ApproveError, Approved, approve};
pub use attempt::policy;
pub use change::{execute, lock_marts};
pub use drift::drifted;
pub use error::ReconcileError;
pub use git::GitError;
pub use outcome::{Drifted, Outcome, Reconciled};
pub use overrides::{Among, Changed, overrides, policies, reschedule, resume, suspend};
pub use planning::{Seen, look, plan};
pub use revision::{Explain, RevisionOptions, Revisions};
pub use source::{Poker, Reason, Source};
pub use vitals::{Leadership, Vitals};
