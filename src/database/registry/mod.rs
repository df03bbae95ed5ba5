//! Our own schema in the database: what was declared, applied, refreshed, locked and done.

mod audit;
mod migrate;
mod state;
mod text;

pub use audit::{Owner, audit};
pub use migrate::{claim, migrate};
pub use state::{DAEMONS, FORMAT, Meta, RegistryState, state};
pub use text::{in_schema, tables};
