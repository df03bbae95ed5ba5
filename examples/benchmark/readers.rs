//! Readers in a loop while what they read is replaced, versioned, rolled back and refreshed, against the same readers beside
//! the same builds without a publication.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datamart::database::Endpoint;
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::program::Program;
use crate::refresh::{ours, source};
use crate::report::{Spread, table, verdict};

const ROWS: i64 = 1_000_000;
const READERS: usize = 8;
const STALL_MS: f64 = 10.0;

/// What is done to the marts, in turns.
const CHANGES: [&str; 4] = ["replace", "version", "rollback", "refresh"];

/// What is read: two marts, one of them versioned, and a view above each.
const READ: [&str; 4] = ["plain", "above_plain", "versioned", "above_versioned"];

/// What readers lived through.
#[derive(Debug, Default)]
pub struct Lived {
    pub reads: u64,
    pub failed: u64,
    pub error: Option<String>,
    /// The longest read.
    pub longest: Duration,
    /// How long each read took.
    pub took: Vec<Duration>,
}

/// The statement by which a reader of this number reads the row of an id: it gives one row.
pub type Read = dyn Fn(usize, i64) -> String + Sync;

/// Takes and prints the figures.
pub async fn measure(program: &Program, rounds: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    let database = server.database().await?;
    source(&database, ROWS).await?;
    let folder = tempfile::tempdir()?;
    write(&folder, 0, 0)?;
    ours(program, &folder, &database, &["apply", "--auto-approve"])?;
    // Both phases do the same in turns, so that what the machine does meanwhile falls on both.
    let (mut published, mut built) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for change in CHANGES {
            built.push(beside(&database, ROWS, &of_marts, || build(&database, change))?);
            published
                .push(beside(&database, ROWS, &of_marts, || publish(program, &folder, &database, change, round + 1))?);
        }
    }
    server.stop().await?;
    let stalls = |lived: &[Lived]| Spread::of(lived.iter().map(|lived| lived.longest.as_secs_f64() * 1e3));
    let (with, without) = (stalls(&published), stalls(&built));
    let beyond = with.max - without.max;
    let failed: u64 = published.iter().map(|lived| lived.failed).sum();
    let reads: u64 = published.iter().map(|lived| lived.reads).sum();
    if let Some(error) = published.iter().find_map(|lived| lived.error.as_ref()) {
        println!("a read failed: {error}");
    }
    let row = |name: &str, spread: Spread| {
        let mut row = vec![name.to_owned()];
        row.extend(spread.cells(1));
        row.extend([String::new(), String::new()]);
        row
    };
    let single = |name: &str, figure: f64, target: f64, judged: String| {
        vec![name.to_owned(), String::new(), String::new(), format!("{figure:.1}"), target.to_string(), judged]
    };
    let mut rows =
        vec![row("longest read beside builds alone, ms", without), row("longest read beside changes, ms", with)];
    for (at, change) in CHANGES.iter().enumerate() {
        let of = published.iter().skip(at).step_by(CHANGES.len()).map(|lived| lived.longest.as_secs_f64() * 1e3);
        rows.push(row(&format!("  of these, {change}, ms"), Spread::of(of)));
    }
    rows.push(single("longest stall beyond the builds, ms", beyond, STALL_MS, verdict(beyond.max(0.0), STALL_MS)));
    let judged = if failed == 0 { "met" } else { "MISSED" };
    #[allow(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    rows.push(single(&format!("failed reads of {reads}"), failed as f64, 0.0, judged.to_owned()));
    let head = ["", "min", "median", "max", "target", "verdict"];
    let changes = rounds * CHANGES.len();
    table(&format!("{READERS} readers of {ROWS} rows beside {changes} changes"), &head, &rows);
    Ok(())
}

/// The manifests of a round: another query in each.
fn write(folder: &TempDir, plain: usize, versioned: usize) -> Result<()> {
    let query = |n: usize| {
        format!(
            "SELECT id, date '2026-01-01' + id % 365 AS day, amount + {n} AS amount, md5(id::text) AS note FROM public.lines"
        )
    };
    let mart = |n: usize, more: &str| {
        format!(
            "type = \"table\"\nquery = \"\"\"{}\"\"\"\nprimary_key = [\"id\"]\npublish = \"swap\"\n{more}[[indexes]]\ncolumns = [\"day\"]\n",
            query(n)
        )
    };
    let above =
        |name: &str| format!("type = \"view\"\nquery = \"SELECT id, amount FROM {name} WHERE amount IS NOT NULL\"\n");
    for (file, text) in [
        ("plain.toml", mart(plain, "")),
        ("versioned.toml", mart(versioned, "[versions]\nkeep = 3\n")),
        ("above_plain.toml", above("plain")),
        ("above_versioned.toml", above("versioned")),
    ] {
        std::fs::write(folder.path().join(file), text)?;
    }
    Ok(())
}

/// One change by ours.
fn publish(program: &Program, folder: &TempDir, database: &Endpoint, change: &str, round: usize) -> Result<()> {
    let apply = ["apply", "--auto-approve"];
    match change {
        "replace" => {
            write(folder, round, round - 1)?;
            ours(program, folder, database, &apply)?;
        }
        "version" => {
            write(folder, round, round)?;
            ours(program, folder, database, &apply)?;
        }
        "rollback" => {
            ours(program, folder, database, &["rollback", "versioned"])?;
            // Forward again, so that the next round finds its newest version published.
            write(folder, round, round)?;
            ours(program, folder, database, &apply)?;
        }
        _ => {
            ours(program, folder, database, &["refresh", "plain", "versioned", "--full"])?;
        }
    }
    Ok(())
}

/// The same work without a publication.
fn build(database: &Endpoint, change: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let times = match change {
        "rollback" => 0,
        "refresh" => 2,
        _ => 1,
    };
    for _ in 0..times {
        for sql in [
            "CREATE TABLE public.beside AS SELECT id, date '2026-01-01' + id % 365 AS day, amount, md5(id::text) AS note FROM public.lines",
            "ALTER TABLE public.beside ADD PRIMARY KEY (id)",
            "CREATE INDEX ON public.beside (day)",
            "VACUUM (ANALYZE) public.beside",
            "DROP TABLE public.beside",
        ] {
            runtime.block_on(execute(database, sql))?;
        }
    }
    Ok(())
}

fn of_marts(number: usize, id: i64) -> String {
    format!("SELECT amount FROM public.{} WHERE id = {id}", READ[number % READ.len()])
}

/// Does some work while readers read rows of the ids from 1 to `rows`, and a moment longer.
pub fn beside(database: &Endpoint, rows: i64, sql: &Read, work: impl FnOnce() -> Result<()> + Send) -> Result<Lived> {
    let stop = AtomicBool::new(false);
    let url = database.url();
    let mut all = Lived::default();
    std::thread::scope(|scope| -> Result<()> {
        let readers: Vec<_> = (0..READERS)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || read(url, rows, sql, number, stop).map_err(|error| error.to_string()))
            })
            .collect();
        // A thread of its own: it may wait for a runtime of its own.
        let worker = scope.spawn(move || work().map_err(|error| error.to_string()));
        let worked = worker.join().map_err(|_| "the work panicked")?;
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            let lived = reader.join().map_err(|_| "a reader panicked")??;
            all.reads += lived.reads;
            all.failed += lived.failed;
            all.error = all.error.take().or(lived.error);
            all.longest = all.longest.max(lived.longest);
            all.took.extend(lived.took);
        }
        Ok(worked?)
    })?;
    Ok(all)
}

/// Reads one row after the other until it is told to stop.
fn read(url: &str, rows: i64, sql: &Read, number: usize, stop: &AtomicBool) -> Result<Lived> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut conn = Endpoint::from_url(url)?.session("reader").await?;
        let mut lived = Lived::default();
        let mut id = i64::try_from(number)?;
        while !stop.load(Ordering::Relaxed) {
            id = (id * 1_103_515_245 + 12_345) % rows;
            let statement = sql(number, id + 1);
            let begun = Instant::now();
            let found = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(&mut conn).await;
            let took = begun.elapsed();
            lived.longest = lived.longest.max(took);
            lived.took.push(took);
            lived.reads += 1;
            match found {
                Ok(rows) if rows.len() == 1 => {}
                Ok(rows) => {
                    lived.failed += 1;
                    lived.error.get_or_insert(format!("{} rows of id {}", rows.len(), id + 1));
                }
                Err(error) => {
                    lived.failed += 1;
                    lived.error.get_or_insert(error.to_string());
                }
            }
        }
        conn.close().await?;
        Ok(lived)
    })
}
