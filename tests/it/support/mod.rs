//! What every test needs: a database of its own, and the way from manifests to a plan.

pub mod database;
pub mod folder;
pub mod git;
pub mod postgresql;
pub mod project;
pub mod receiver;
pub mod wait;
