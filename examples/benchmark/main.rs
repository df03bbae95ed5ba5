//! Measures the product against its targets, as whole processes of the real binary.
//!
//! `cargo build --release && cargo run --release --example benchmark -- NAME`; without NAME it lists what there is.
//! It starts a private PostgreSQL of its own, and leaves nothing behind. Figures are medians; on a busy machine look at
//! the least of them, and at ratios.

mod apply;
mod changes;
mod daemon;
mod database;
mod diff;
mod import;
mod marts;
mod partitions;
mod plan;
mod processors;
mod program;
mod readers;
mod refresh;
mod report;
mod start;
mod tpch;

use std::process::ExitCode;

use program::Program;

/// What a measurement may end with.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Each measurement, and what it shows.
const MEASUREMENTS: &[(&str, &str)] = &[
    ("plan", "`plan` with nothing to change, at 10, 100, 500 and 5000 marts: time and memory"),
    ("apply", "the first `apply` of 500 materialized views, against the same statements through psql"),
    (
        "import",
        "`import` of a database that has grown, and `plan` after it was adopted, with and without foreign partitions",
    ),
    ("diff", "two versions of 1,000,000 rows compared, 1% different, against the bare join: time and memory"),
    (
        "readers",
        "8 readers of 1,000,000 rows beside 20 changes: failed reads, and the longest stall beyond the builds alone",
    ),
    ("refresh", "a full refresh of 1,000,000 rows with two indexes, against the bare statements"),
    ("changes", "refreshes that follow changes: 5,000,000 orders, nothing to do, a join"),
    ("today", "of \"changes\", what is about 1,000 rows of today"),
    ("writers", "what writers pay for being followed"),
    ("reads", "reads that are exact at any time, and a mart that follows every commit"),
    ("partitions", "partitioned marts: a fill, one partition of 60, `plan` with 2,000, readers beside exchanges"),
    ("tpch", "the queries of TPC-H as marts, under inserts and deletes, against computing them anew"),
    ("daemon", "1,000 marts on schedules: start, idle CPU, memory and connections, 200 due in one second, `/metrics`"),
    ("start", "`--help`, `validate` of 500 marts, the binary's size, the embedded server"),
];

fn usage() -> String {
    let mut text = "Usage: cargo run --release --example benchmark -- NAME [--runs N]\n\n".to_owned();
    for (name, about) in MEASUREMENTS.iter().chain(&[("all", "all of them")]) {
        text.push_str(&format!("  {name:<11}{about}\n"));
    }
    text + "\n  --runs N     how often each figure is taken"
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (name, runs) = match args {
        [] => ("--help", None),
        [name] => (name.as_str(), None),
        [name, flag, runs] if flag == "--runs" => (name.as_str(), Some(runs.parse::<usize>()?.max(1))),
        _ => return Err(usage().into()),
    };
    // What is a part of another one is not taken twice.
    let asked = |known: &&str| *known == name || name == "all" && *known != "today";
    let names: Vec<&str> = MEASUREMENTS.iter().map(|(known, _)| *known).filter(asked).collect();
    if ["--help", "-h"].contains(&name) {
        println!("{}", usage());
        return Ok(());
    }
    if names.is_empty() {
        return Err(format!("there is no benchmark {name:?}\n\n{}", usage()).into());
    }
    let program = Program::find()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for name in names {
            match name {
                "plan" => plan::measure(&program, runs.unwrap_or(9)).await?,
                "apply" => apply::measure(&program, runs.unwrap_or(5)).await?,
                "import" => import::measure(&program, runs.unwrap_or(5)).await?,
                "refresh" => refresh::measure(&program, runs.unwrap_or(5)).await?,
                "readers" => readers::measure(&program, runs.unwrap_or(5)).await?,
                "changes" => changes::measure(&program, runs.unwrap_or(5)).await?,
                "today" => changes::today(&program, runs.unwrap_or(10)).await?,
                "writers" => changes::writers::alone(&program, runs.unwrap_or(5)).await?,
                "reads" => changes::reads::alone(&program, runs.unwrap_or(5)).await?,
                "partitions" => partitions::measure(&program, runs.unwrap_or(5)).await?,
                "tpch" => tpch::measure(&program, runs.unwrap_or(3)).await?,
                "daemon" => daemon::measure(&program, runs.unwrap_or(5)).await?,
                "diff" => diff::measure(runs.unwrap_or(5)).await?,
                _ => start::measure(&program, runs.unwrap_or(15)).await?,
            }
        }
        Ok(())
    })
}
