//! Again and again: looking, planning, applying and refreshing in time.

mod agenda;
mod board;
mod desk;
mod error;
mod ground;
mod lead;
mod log;
mod outcome;
mod overrides;
mod planning;
pub mod queue;
mod requests;
mod revision;
mod run;
mod runs;
mod setup;
mod source;
mod term;
mod vitals;

pub use error::ReconcileError;
pub use outcome::{Drifted, Outcome, Reconciled};
pub use overrides::{Among, Changed, overrides, policies, reschedule, resume, suspend};
pub use planning::{Seen, look, plan};
pub use revision::{Explain, RevisionOptions, Revisions};
pub use run::run;
pub use setup::{Command, GRACE, Setup, Verdict};
pub use source::{Poker, Reason, Source};
pub use vitals::{Leadership, Vitals};
