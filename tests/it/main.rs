//! Integration tests: one private PostgreSQL for the whole run, one database for each test.

mod cases;
mod graphs;
mod layering;
mod refresh;
mod support;
