//! Our own schema in the database: what was declared, applied, refreshed, locked and done.

mod migrate;
mod state;
mod text;

pub use migrate::{Owner, claim, migrate};
pub use state::{FORMAT, Meta, RegistryState, state};
pub use text::in_schema;
