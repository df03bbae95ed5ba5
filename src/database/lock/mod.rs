//! Locks between datamart's own processes: advisory, held by a session, told to others by a committed row.

mod blocking;
mod error;
mod holder;
mod locks;
mod session;

pub use blocking::blocked;
pub use error::LockError;
pub use holder::{Holder, holders, still_held, terminate};
pub use locks::{Locks, PLANNED_ONCE, lock_key, mart_lock};
pub use session::LockSession;
