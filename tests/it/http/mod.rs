//! The HTTP API, over real sockets and a real PostgreSQL.

mod access;
mod daemon;
mod described;
mod limits;
mod refresh;
mod rig;
mod rows;
mod telling;
