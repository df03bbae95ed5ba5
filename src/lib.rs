//! datamart: a declarative reconciler for PostgreSQL data marts.
#![warn(missing_docs)]

pub mod state;
pub mod sql;
pub mod manifest;
