//! The same shapes, kept by whoever writes: after each burst every mart is compared with its query, and nothing is refreshed.

use std::time::{Duration, Instant};

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
/// So many marts are kept at once.
const MARTS: usize = 20;

fn manifest(shape: &Shape) -> String {
    let followed = "[refresh.incremental]\nmethod = \"changes\"\n";
    shape.manifest().replace(followed, "[refresh]\nstrategy = \"on_commit\"\n")
}

/// Some marts, each behind those that it reads.
fn with_read(some: &[Shape], all: &[Shape]) -> Vec<Shape> {
    let mut found: Vec<Shape> = Vec::new();
    for shape in some {
        let reads = |other: &&Shape| {
            let words = ["FROM", "JOIN"].map(|word| format!("{word} {} ", other.name));
            words.iter().any(|words| format!("{} ", shape.query).contains(words))
        };
        let read: Vec<Shape> = all.iter().filter(reads).copied().collect();
        for shape in with_read(&read, all).into_iter().chain([*shape]) {
            if !found.iter().any(|known| known.name == shape.name) {
                found.push(shape);
            }
        }
    }
    found
}

/// Bursts until then; how many comparisons there were, and how many changes.
async fn proved(shapes: &[Shape], seed: u64, until: Instant) -> (usize, u64) {
    let world = World::with(shapes, manifest).await;
    let (mut dice, told) = (Dice::of(seed), Told::default());
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(Writer::of(&world.endpoint(), number, dice.another(), told.clone(), world.major).await);
    }
    let (mut comparisons, mut conn) = (0, world.session().await);
    loop {
        join_all(writers.iter_mut().map(Writer::burst)).await;
        for shape in shapes {
            comparisons += 1;
            let found = difference(&mut conn, shape).await;
            let lines = told.lock().expect("what was told").clone();
            let last = lines.iter().skip(lines.len().saturating_sub(SHOWN)).cloned().collect::<Vec<_>>().join("\n");
            assert!(found.is_none(), "seed {seed}\n{}\n{last}", found.unwrap_or_default());
        }
        if Instant::now() > until {
            break;
        }
    }
    let mut changes = 0;
    for writer in writers {
        changes += writer.close().await;
    }
    world.stop().await;
    (comparisons, changes)
}

#[test]
fn whatever_is_written_every_mart_is_its_query() {
    let seed = number("DATAMART_PROOF_SEED", 1);
    let seconds = number("DATAMART_PROOF_SECONDS", 30);
    run(async {
        let still: Vec<Shape> =
            shapes().into_iter().filter(|shape| !shape.moves() && shape.divided.is_none()).collect();
        let worlds = still.len().div_ceil(MARTS);
        let each = Duration::from_secs(seconds) / u32::try_from(worlds).expect("a number");
        let (mut comparisons, mut changes) = (0, 0);
        for marts in still.chunks(MARTS) {
            let marts = with_read(marts, &still);
            let (compared, changed) = proved(&marts, seed, Instant::now() + each).await;
            comparisons += compared;
            changes += changed;
        }
        println!("{} marts, {changes} changes, {comparisons} comparisons, no mismatch", still.len());
        assert!(changes > 20 && comparisons >= still.len(), "{changes} changes, {comparisons} comparisons");
    });
}
