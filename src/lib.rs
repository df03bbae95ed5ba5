//! datamart: a declarative reconciler for PostgreSQL data marts.
#![warn(missing_docs)]

pub mod state;
pub mod sql;
pub mod manifest;
pub mod database;
pub mod catalog;
pub mod compile;
pub mod plan;
pub mod build;
pub mod apply;
pub mod refresh;
pub mod observe;
