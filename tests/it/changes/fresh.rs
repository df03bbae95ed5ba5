//! Some of the shapes as fresh marts: what readers see is compared with the query after each burst, whether anybody refreshed or not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use datamart::refresh::RunStatus;
use futures_util::future::join_all;

use super::compare::difference;
use super::dice::Dice;
use super::proof::{number, shapes};
use super::shapes::Shape;
use super::world::World;
use super::writer::{Told, Writer};
use crate::support::database::run;

const WRITERS: usize = 3;
/// How many of the last statements a failure shows.
const SHOWN: usize = 60;
/// One of each kind: groups, a join, rows that may lack a partner, rows, what is or is not there, a union, the first of many.
const MARTS: &[&str] = &[
    "aggregate",
    "join_2",
    "join_3",
    "left_join",
    "rows",
    "has",
    "has_not",
    "union_all",
    "distinct_rows",
    "null_join",
];

fn manifest(shape: &Shape) -> String {
    shape.manifest() + "[refresh]\nfresh = true\n"
}

#[test]
fn whatever_is_written_readers_see_the_query() {
    let seed = number("DATAMART_PROOF_SEED", 1);
    let until = Instant::now() + Duration::from_secs(number("DATAMART_PROOF_SECONDS", 15));
    run(async {
        let marts: Vec<Shape> = shapes().into_iter().filter(|shape| MARTS.contains(&shape.name)).collect();
        let world = World::with(&marts, manifest).await;
        let views = "SELECT count(*) FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace AND relname = ANY ($$";
        let names: Vec<&str> = marts.iter().map(|shape| shape.name).collect();
        let views = world.value(&format!("{views}{{{}}}$$)", names.join(","))).await;
        assert_eq!(views, marts.len().to_string());
        let (mut dice, told) = (Dice::of(seed), Told::default());
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            writers.push(Writer::of(&world.endpoint(), number, dice.another(), told.clone(), world.major).await);
        }
        let (mut comparisons, mut refreshes, mut conn) = (0, 0, world.session().await);
        while comparisons < 3 * marts.len() || refreshes == 0 || Instant::now() < until {
            let some: BTreeSet<&str> = names.iter().copied().filter(|_| dice.one_in(5)).collect();
            let (runs, _) = tokio::join!(world.refresh(&some), join_all(writers.iter_mut().map(Writer::burst)));
            refreshes += runs.iter().filter(|run| run.status == RunStatus::Success).count();
            for shape in &marts {
                comparisons += 1;
                let found = difference(&mut conn, shape).await;
                let lines = told.lock().expect("what was told").clone();
                let last = lines.iter().skip(lines.len().saturating_sub(SHOWN)).cloned().collect::<Vec<_>>().join("\n");
                assert!(found.is_none(), "seed {seed}\n{}\n{last}", found.unwrap_or_default());
            }
        }
        let mut changes = 0;
        for writer in writers {
            changes += writer.close().await;
        }
        world.stop().await;
        println!("{changes} changes, {refreshes} refreshes, {comparisons} comparisons, no mismatch");
        assert!(changes > 20 && refreshes > 0, "{changes} changes, {refreshes} refreshes");
    });
}
