//! Marts that writers keep as they commit: exact after every commit, whoever writes beside whom.

mod alone;
mod elsewhere;
mod fed;
mod operate;
mod replaced;
mod rights;
pub mod server;
mod shop;
mod writers;
