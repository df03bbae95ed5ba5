//! The commands, as people and programs meet them: the real binary, its stdout, its stderr, its exit code.

mod apply;
mod changes;
mod check;
mod followers;
mod graph;
mod hazards;
mod import;
mod import_again;
mod import_faithful;
mod incremental;
mod kept_rows;
mod input;
mod looking;
mod plan;
mod migration;
mod migration_stop;
mod operations;
mod partitions;
mod pending;
mod refused;
pub mod rig;
mod rollback;
mod taken_back;
mod usage;
mod verify;
mod versions;
mod versions_rollback;
