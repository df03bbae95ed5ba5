//! A full refresh of a table mart, against the bare statements that fill, index and analyse a table like it.

use std::time::{Duration, Instant};

use datamart::database::Endpoint;
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::program::Program;
use crate::report::{Spread, table, verdict};

const ROWS: i64 = 1_000_000;
const TARGET: f64 = 1.1;

/// What the mart is filled with.
const QUERY: &str = "SELECT id, date '2026-01-01' + id % 365 AS day, 'category ' || id % 100 AS category, amount, md5(id::text) AS note \
                     FROM public.lines";

/// Takes and prints the figures.
pub async fn measure(program: &Program, pairs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    let database = server.database().await?;
    source(&database, ROWS).await?;
    let folder = tempfile::tempdir()?;
    let manifest = format!(
        "type = \"table\"\nquery = \"\"\"{QUERY}\"\"\"\nprimary_key = [\"id\"]\npublish = \"swap\"\n[[indexes]]\ncolumns = [\"day\", \"category\"]\n"
    );
    std::fs::write(folder.path().join("mart.toml"), manifest)?;
    ours(program, &folder, &database, &["apply", "--auto-approve"])?;
    let mut taken = Vec::new();
    for pair in 0..pairs {
        // Each goes first every other time.
        taken.push(match pair % 2 {
            0 => (refresh(program, &folder, &database).await?, bare(&database).await?),
            _ => {
                let bare = bare(&database).await?;
                (refresh(program, &folder, &database).await?, bare)
            }
        });
    }
    server.stop().await?;
    let ratios = Spread::of(taken.iter().map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64()));
    let row = |name: &str, spread: Spread, target: String, verdict: String| {
        let mut row = vec![name.to_owned()];
        row.extend(spread.cells(2));
        row.extend([target, verdict]);
        row
    };
    let judged = verdict(ratios.median, TARGET);
    let rows = [
        row("refresh --full, s", Spread::seconds(taken.iter().map(|t| t.0)), String::new(), String::new()),
        row("bare statements, s", Spread::seconds(taken.iter().map(|t| t.1)), String::new(), String::new()),
        row("ratio, pair by pair", ratios, TARGET.to_string(), judged),
    ];
    let head = ["", "min", "median", "max", "target", "verdict"];
    table(&format!("full refresh of {ROWS} rows with two indexes, {pairs} pairs"), &head, &rows);
    Ok(())
}

/// The table that the marts read.
pub async fn source(database: &Endpoint, rows: i64) -> Result<()> {
    execute(
        database,
        &format!(
            "CREATE TABLE public.lines (id int PRIMARY KEY, amount numeric NOT NULL);
             INSERT INTO public.lines SELECT i, i * 1.25 FROM generate_series(1, {rows}) AS i"
        ),
    )
    .await?;
    execute(database, "VACUUM (ANALYZE) public.lines").await?;
    execute(database, "CHECKPOINT").await
}

/// A command of ours, to its end.
pub fn ours(program: &Program, folder: &TempDir, database: &Endpoint, args: &[&str]) -> Result<Duration> {
    let dir = folder.path().to_string_lossy().into_owned();
    let globals = ["--dir", dir.as_str(), "--database-url", database.url()];
    Ok(program.run(globals.iter().chain(args))?.wall)
}

async fn refresh(program: &Program, folder: &TempDir, database: &Endpoint) -> Result<Duration> {
    execute(database, "CHECKPOINT").await?;
    ours(program, folder, database, &["refresh", "mart", "--full"])
}

async fn bare(database: &Endpoint) -> Result<Duration> {
    execute(database, "CHECKPOINT").await?;
    let mut conn = database.session("benchmark").await?;
    let begun = Instant::now();
    for sql in [
        &format!("CREATE TABLE public.bare AS {QUERY}"),
        "ALTER TABLE public.bare ADD PRIMARY KEY (id)",
        "CREATE INDEX ON public.bare (day, category)",
        "ANALYZE public.bare",
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await?;
    }
    let wall = begun.elapsed();
    sqlx::raw_sql("DROP TABLE public.bare").execute(&mut conn).await?;
    conn.close().await?;
    Ok(wall)
}
