//! Random views and materialized views over random tables and over each other: adopted, nothing is left to do; dropped and
//! made again, they give the same manifests.
//!
//! `DATAMART_SEED` and `DATAMART_CASES` choose others; a failure is shrunk, and prints its SQL.

mod queries;
mod relations;
mod vocabulary;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::{Head, Trip, execute, words};
use crate::cli::rig;
use crate::support::database::{Database, run};
use relations::sql;

const CASES: u32 = 20;

/// A table: its name, and the types and names of its columns.
#[derive(Debug, Clone)]
pub struct Table {
    name: u8,
    columns: Vec<(u8, u8)>,
}

/// A view or a materialized view. What a number means depends on what stands before it.
#[derive(Debug, Clone)]
pub struct Mart {
    stored: bool,
    schema: u8,
    name: u8,
    shape: u8,
    /// What it reads, among the tables and the marts before it.
    reads: (u8, u8),
    /// Its columns: of which column, what is made of it, its name.
    columns: Vec<(u8, u8, u8)>,
    /// The condition, the alias, the order.
    clauses: (u8, u8, u8),
    /// Of which column, of what kind, its name.
    indexes: Vec<(u8, u8, u8)>,
    comments: Vec<(u8, u8)>,
    grants: Vec<(u8, u8)>,
    option: u8,
}

fn table() -> impl Strategy<Value = Table> {
    (any::<u8>(), vec((any::<u8>(), any::<u8>()), 1..7)).prop_map(|(name, columns)| Table { name, columns })
}

fn mart() -> impl Strategy<Value = Mart> {
    let what = (any::<bool>(), 0..3u8, any::<u8>(), any::<u8>(), (any::<u8>(), any::<u8>()));
    let query = (vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..5), (any::<u8>(), any::<u8>(), any::<u8>()));
    let beside = (
        vec((any::<u8>(), any::<u8>(), any::<u8>()), 0..4),
        vec((any::<u8>(), any::<u8>()), 0..3),
        vec((any::<u8>(), any::<u8>()), 0..3),
        any::<u8>(),
    );
    (what, query, beside).prop_map(|(what, query, beside)| {
        let (stored, schema, name, shape, reads) = what;
        let ((columns, clauses), (indexes, comments, grants, option)) = (query, beside);
        Mart { stored, schema, name, shape, reads, columns, clauses, indexes, comments, grants, option }
    })
}

#[test]
fn random_databases_come_back_as_they_were() {
    let database = run(Database::new());
    let roles = format!("CREATE ROLE {0}_r; CREATE ROLE \"{0} Odd\"\"r\";", database.name) + vocabulary::TYPES_SQL;
    run(database.script(&roles));
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&u32::to_le_bytes(number("DATAMART_SEED", 11)));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let cases = number("DATAMART_CASES", CASES);
    let config = Config { cases, max_shrink_iters: 80, failure_persistence: None, ..Config::default() };
    let outcome =
        TestRunner::new_with_rng(config, rng).run(&(vec(table(), 1..4), vec(mart(), 1..9)), |(tables, marts)| {
            let sql = sql(&tables, &marts, &database.name);
            let database = Database { endpoint: database.endpoint.clone(), name: database.name.clone() };
            let trip = Trip { database, folder: rig::folder(&[]), head: Head::default() };
            catch_unwind(AssertUnwindSafe(|| there_and_back(&trip, &sql)))
                .map_err(|panic| TestCaseError::fail(format!("{}\n{sql}", words(panic.as_ref()))))
        });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn there_and_back(trip: &Trip, sql: &str) {
    run(async {
        let mut conn = trip.database.session().await;
        execute(&mut conn, "DROP SCHEMA IF EXISTS datamart, s, \"S 2\", \"s-3\" CASCADE").await;
        execute(&mut conn, sql).await;
    });
    let told = trip.command(&["import", "--adopt", "--format", "json"]).done().json();
    trip.is_as_announced(&told);
    trip.nothing_to_do("after adopting");
    let files = trip.files("datamarts");
    trip.make_again(&files);
}
