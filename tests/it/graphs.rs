//! Random graphs of marts, changed at random: every plan can be applied, the next one is empty, and what was built holds
//! what its query gives.

use std::fmt::Write as _;
use std::path::Path;

use datamart::plan::Options;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::support::database::{Database, run};
use crate::support::project;

const SLOTS: usize = 6;
const CASES: u32 = 24;

/// One mart; `None` in its slot is none.
#[derive(Debug, Clone)]
struct Node {
    kind: u8,
    /// A mart may read those of a lower rank.
    rank: u8,
    /// Which of those it reads, by slot.
    reads: u8,
    variant: u8,
    wide: bool,
    text: bool,
    indexed: bool,
    /// Which of its names it has.
    name: u8,
}

type Graph = Vec<Option<Node>>;

fn node() -> impl Strategy<Value = Node> {
    let shape = (0..3u8, 0..4u8, any::<u8>(), 0..3u8);
    let flags = (any::<bool>(), proptest::bool::weighted(0.2), any::<bool>(), 0..2u8);
    (shape, flags).prop_map(|((kind, rank, reads, variant), (wide, text, indexed, name))| Node {
        kind,
        rank,
        reads,
        variant,
        wide,
        text,
        indexed,
        name,
    })
}

fn name(slot: usize, node: &Node) -> String {
    format!("m{slot}_{}", node.name)
}

fn manifest(graph: &Graph, slot: usize, node: &Node) -> String {
    let below = |(other, lower): (usize, &Option<Node>)| {
        let lower = lower.as_ref().filter(|lower| lower.rank < node.rank)?;
        (node.reads & (1 << other) != 0).then(|| name(other, lower))
    };
    let mut sources: Vec<String> = graph.iter().enumerate().filter_map(below).collect();
    sources.truncate(2);
    let variant = node.variant;
    let query = match sources.as_slice() {
        [] => format!("SELECT k, sum(v)::bigint + {variant} AS v"),
        [one] if variant == 0 => format!("SELECT {one}.k, {one}.v::bigint AS v"),
        _ => format!("SELECT k, v::bigint + {variant} AS v"),
    };
    let wide = if node.wide { ", k * 2 AS extra" } else { "" };
    let (from, group) = match sources.as_slice() {
        [] => ("public.source".to_owned(), " GROUP BY k"),
        [one] => (one.clone(), ""),
        [one, two, ..] => (format!("{one} JOIN (SELECT k AS k2 FROM {two}) AS other ON k = k2"), ""),
    };
    let outer = if node.text {
        format!("SELECT k, v::text AS v FROM ({query} FROM {from}{group}) AS t")
    } else {
        format!("{query}{wide} FROM {from}{group}")
    };
    let kind = ["view", "materialized_view", "table"][usize::from(node.kind)];
    let other = format!("m{slot}_{}", 1 - node.name);
    let mut text = format!(
        "name = \"{}\"\ntype = \"{kind}\"\nrenamed_from = [\"{other}\"]\nquery = \"{outer}\"\n",
        name(slot, node)
    );
    if node.kind == 2 && node.indexed {
        text.push_str("primary_key = [\"k\"]\n");
    }
    if node.kind > 0 && node.indexed {
        let _ = write!(text, "[[indexes]]\ncolumns = [\"v\", \"(k + {variant})\"]\n");
    }
    text
}

fn write(dir: &Path, number: usize, graph: &Graph) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).expect("a folder");
    let project = format!("[project]\nname = \"p{number}\"\nschema = \"s{number}\"\n");
    std::fs::write(dir.join("project.toml"), project).expect("a project");
    for (slot, node) in graph.iter().enumerate() {
        if let Some(node) = node {
            let text = manifest(graph, slot, node);
            std::fs::write(dir.join(format!("m{slot}.toml")), text).expect("a manifest");
        }
    }
}

#[test]
fn random_changes_of_random_graphs_converge() {
    let database = run(Database::new());
    run(database.script("CREATE TABLE source AS SELECT i % 4 AS k, i AS v FROM generate_series(1, 20) AS i"));
    let seed = std::env::var("DATAMART_SEED").map_or(7, |seed| seed.parse().expect("a number"));
    let cases = std::env::var("DATAMART_CASES").map_or(CASES, |cases| cases.parse().expect("a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let number = std::cell::Cell::new(0);
    let graphs = vec(vec(proptest::option::weighted(0.85, node()), SLOTS), 2..5);
    let outcome = TestRunner::new_with_rng(config, rng).run(&graphs, |graphs| {
        number.set(number.get() + 1);
        run(sequence(&database, number.get(), &graphs)).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn sequence(database: &Database, number: usize, graphs: &[Graph]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("marts");
    let options = Options { prune: true, ..Options::default() };
    let mut conn = database.session().await;
    for graph in graphs {
        write(&dir, number, graph);
        let desired = project::load(&dir);
        let plan = project::plan(&mut conn, &desired, &options).await.map_err(|e| e.to_string())?;
        project::apply(&mut conn, &plan, &desired).await.map_err(|e| {
            format!(
                "{e:?}\n{}",
                plan.steps.iter().map(|s| format!("{:?} {}\n", s.transaction, s.sql)).collect::<String>()
            )
        })?;
        let again = project::plan(&mut conn, &desired, &options).await.map_err(|e| e.to_string())?;
        if !again.changes.is_empty() || !again.records.is_empty() || !again.drift.is_empty() {
            return Err(format!("planning again: {:#?}\n{:#?}\n{:#?}", again.changes, again.records, again.drift));
        }
        for desired in &desired.marts {
            project::is_its_query(&mut conn, &desired.mart).await;
        }
    }
    Ok(())
}
