//! Integration tests: one private PostgreSQL for the whole run, one database for each test.

mod carried;
mod cases;
mod cli;
mod compare;
mod connect;
mod embedded;
mod examples;
mod faults;
mod graphs;
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
mod telling;
mod upgrade;
mod versions;
