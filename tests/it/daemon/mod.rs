//! The daemon: the real binary, on a real server, through what production does to it.

mod ahead;
mod along;
mod closing;
mod committed;
mod due;
mod faults;
mod fresh;
mod known;
mod leaders;
mod left;
mod logs;
mod once;
mod refused;
mod rig;
mod silence;
mod told;
