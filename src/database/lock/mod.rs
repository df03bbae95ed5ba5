//! Locks between datamart's own processes: advisory, held by a session of their own, told to others by a committed row.

mod error;
mod holder;
mod session;

pub use error::LockError;
pub use holder::{Holder, holders, still_held, terminate};
pub use session::{LockSession, lock_key};
