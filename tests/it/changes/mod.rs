//! Marts that follow changes, proved by chance: many shapes of query, several sessions that write at once, and what else happens
//! to tables; after each burst every refreshed mart is compared with its query.
//!
//! | file | says |
//! |---|---|
//! | `dice` | chance that can be had again |
//! | `world` | the tables, the server, what crashes and starts again |
//! | `shapes`, `more_shapes` | the marts |
//! | `writes` | random statements |
//! | `writer` | the sessions that run them: late, rolled back, prepared |
//! | `events` | what is done to tables beside writes |
//! | `compare` | a mart beside its query |
//! | `proof` | the bursts, and what came of them |
//! | `kept` | the same marts, kept by the writers themselves |
//! | `fresh` | some of them, read as they would be after a refresh |
//!
//! `DATAMART_PROOF_SECONDS` says how long (two minutes), `DATAMART_PROOF_SEED` with which dice, and `DATAMART_PROOF_SHAPES` which
//! marts, by parts of their names with commas between.

mod compare;
mod dice;
mod divided_shapes;
mod events;
mod fresh;
mod kept;
mod more_shapes;
mod proof;
mod shapes;
mod world;
mod writer;
mod writes;
