//! datamart: a declarative reconciler for PostgreSQL data marts.
//!
//! A mart has one *state*. A *manifest* says what it should be, the *catalog* says what it is, *compile* asks the server
//! what its query means; the difference is a *plan*; relations are *built* aside and published, the plan is *applied*, the
//! data is *refreshed*, all of it is *observed*. The modules, in that order, are the architecture:
//!
//! ```text
//! manifest ──desired──► compile ─┐
//!                                ├─► plan ─► build ─► apply ─► refresh ─► observe
//! catalog ───actual──────────────┘
//! ```
//!
//! **One rule:** the modules stand in flow order, and a module imports only modules above it. `tests/it/layering.rs` checks
//! it, and that each effect has one home:
//!
//! | module | says | effects |
//! |---|---|---|
//! | [`state`] | the vocabulary: names and quoting, marts, schedules, selectors, fingerprints | none |
//! | [`sql`] | what a query says, offline: parsed for PostgreSQL's grammar; its references; rewrites | none |
//! | [`manifest`] | what the user wants: TOML to a validated `Desired`, with all problems at once | reads and writes files |
//! | [`database`] | reaching PostgreSQL: sessions, locks, retries, the embedded server, our own schema | sockets, processes |
//! | [`catalog`] | what PostgreSQL and the registry have, in one snapshot | reads |
//! | [`compile`] | what a query means to the server | DDL that never commits |
//! | [`plan`] | what to change, in which order, with which hazards and which SQL | none |
//! | [`adopt`] | the way back: what is there to manifests | none |
//! | [`build`] | running statements and checks; relations built aside, published by merge or swap | writes |
//! | [`apply`] | making the change: transactions, the ledger, the registry's rows | writes |
//! | [`refresh`] | keeping data fresh, with history | writes |
//! | [`observe`] | telling how the marts are | reads |
//! | [`migration`] | what someone else's DDL would do to the marts | DDL that never commits |
//! | [`reconcile`] | again: looking, planning, applying and refreshing in time | clock, tasks, the `git` program |
//! | [`serve`] | HTTP: reads what is observed, asks through the registry | a socket |
//!
//! Decisions worth knowing before reading on:
//!
//! - **Three states, not two.** The registry keeps what was declared and what the server showed right after the apply. What
//!   differs from the declaration is a *change*; what differs from the last apply is *drift*.
//! - **The server has the last word.** A query is compared by the text the server prints for it, so that another spelling of
//!   the same query is no change.
//! - **A dry run is not calling the executor.** `plan` is pure; `apply` looks again under the lock and refuses a plan whose
//!   premises moved.
//! - **Events flow out, nothing flows back.** Executors take a callback; who listens is the caller's business.
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)
)]

pub mod state;
pub mod sql;
pub mod manifest;
pub mod database;
pub mod catalog;
pub mod compile;
pub mod plan;
pub mod adopt;
pub mod build;
pub mod apply;
pub mod refresh;
pub mod observe;
pub mod migration;
pub mod reconcile;
pub mod serve;
