//! Reaching PostgreSQL: addresses, sessions, locks, retries, the embedded server, our own schema and its migrations.

mod cancel;
pub mod embedded;
mod endpoint;
mod error;
pub mod lock;
mod reach;
pub mod registry;
pub mod retry;
mod session;
mod sql_error;

pub use cancel::{cancel, helps};
pub use endpoint::{Endpoint, application_name};
pub use error::DatabaseError;
pub use lock::{LockError, LockSession, Locks};
pub use reach::{Origin, Reach, resolve};
pub use registry::RegistryState;
pub use sql_error::{ErrorKind, SqlError, SqlFacts};
