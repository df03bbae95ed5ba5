//! Our own schema in the database: what was declared, applied, refreshed, locked and done.

mod migrate;
mod state;

pub use migrate::{Owner, claim, in_schema, migrate};
pub use state::{FORMAT, Meta, RegistryState, state};
