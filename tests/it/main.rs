//! Integration tests: one private PostgreSQL for the whole run, one database for each test.

mod carried;
mod cases;
mod cli;
mod compare;
mod connect;
mod embedded;
mod faults;
mod graphs;
mod incremental;
mod layering;
mod limits;
mod locks;
mod majors;
mod manifests;
mod meanwhile;
mod refresh;
mod publication;
mod registry;
mod requests;
mod roundtrip;
mod sample;
mod snapshots;
mod support;
mod upgrade;
mod versions;
