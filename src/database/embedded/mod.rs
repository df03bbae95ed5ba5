//! A private PostgreSQL of our own: found on the machine, started when needed, shared by all commands of a project, stopped with the
//! last of them, its data kept.
//!
//! | file | says |
//! |---|---|
//! | `binaries` | where `initdb` and `postgres` are, and what to install |
//! | `place` | where data and socket stand, and whose they are |
//! | `users` | who uses the server: two lock files |
//! | `server` | the processes: `initdb`, `postgres`, its pid file |
//! | `create` | the database in it, and its seed |
//! | `start` | the order of all that |

mod binaries;
mod create;
mod place;
mod server;
mod start;
mod users;

pub use create::database_name;
pub use start::{Embedded, Options, start};
