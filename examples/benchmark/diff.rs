//! Two versions of 1,000,000 rows, compared by key and as whole rows, against the bare join that counts.

use std::time::{Duration, Instant};

use datamart::build::{Comparison, Frame, compare};
use datamart::database::Endpoint;
use datamart::state::QName;
use sqlx::{AssertSqlSafe, Connection};

use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::report::{Spread, megabytes, table, verdict};

const ROWS: i64 = 1_000_000;
/// Rows of the second version that are not as in the first: changed, gone, new.
const DIFFERENT: (i64, i64, i64) = (9_000, 500, 500);
const MEMORY_MB: f64 = 50.0;

/// Takes and prints the figures.
pub async fn measure(runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Fast).await?;
    let database = server.database().await?;
    prepare(&database).await?;
    let mut taken = Vec::new();
    for _ in 0..runs {
        taken.push([bare(&database).await?, keyed(&database).await?, whole(&database).await?]);
    }
    server.stop().await?;
    let memory = peak()?;
    let of = |at: usize| Spread::seconds(taken.iter().filter_map(|times| times.get(at).copied()));
    let row = |name: &str, spread: Spread, decimals| {
        let mut row = vec![name.to_owned()];
        row.extend(spread.cells(decimals));
        row.extend([String::new(), String::new()]);
        row
    };
    let ratio = Spread::of(taken.iter().map(|[bare, keyed, _]| keyed.as_secs_f64() / bare.as_secs_f64()));
    let mut peak = vec!["memory of this process at its peak, MB".to_owned()];
    peak.extend(Spread::of([memory]).cells(1));
    peak.extend([MEMORY_MB.to_string(), verdict(memory, MEMORY_MB)]);
    let rows = [
        row("bare FULL JOIN that counts, s", of(0), 2),
        row("by key, s", of(1), 2),
        row("by key, ratio", ratio, 2),
        row("as whole rows, s", of(2), 2),
        peak,
    ];
    let head = ["", "min", "median", "max", "target", "verdict"];
    table(&format!("diff of two versions of {ROWS} rows, 1% different, {runs} runs"), &head, &rows);
    Ok(())
}

async fn prepare(database: &Endpoint) -> Result<()> {
    let (changed, gone, new) = DIFFERENT;
    execute(
        database,
        &format!(
            "CREATE TABLE public.v1 (id int PRIMARY KEY, day date NOT NULL, category text NOT NULL, amount numeric, note text);
             INSERT INTO public.v1 SELECT i, date '2026-01-01' + i % 365, 'category ' || i % 100, i * 1.25, md5(i::text)
               FROM generate_series(1, {ROWS}) AS i;
             CREATE TABLE public.v2 (LIKE public.v1 INCLUDING ALL);
             INSERT INTO public.v2 SELECT id, day, category, CASE WHEN id <= {changed} THEN amount + 1 ELSE amount END, note
               FROM public.v1 WHERE id <= {ROWS} - {gone};
             INSERT INTO public.v2 SELECT {ROWS} + i, '2026-01-01', 'new', 1, NULL FROM generate_series(1, {new}) AS i"
        ),
    )
    .await?;
    execute(database, "VACUUM (ANALYZE) public.v1, public.v2").await?;
    execute(database, "CHECKPOINT").await
}

async fn bare(database: &Endpoint) -> Result<Duration> {
    let sql = "SELECT count(*) FROM public.v1 a FULL JOIN public.v2 b ON a.id = b.id \
               WHERE record_image_ne(ROW(a.id, a.day, a.category, a.amount, a.note), ROW(b.id, b.day, b.category, b.amount, b.note))";
    let mut conn = database.session("benchmark").await?;
    let begun = Instant::now();
    let found: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut conn).await?;
    let wall = begun.elapsed();
    conn.close().await?;
    let (changed, gone, new) = DIFFERENT;
    if found != changed + gone + new {
        return Err(format!("{found} rows differ").into());
    }
    Ok(wall)
}

async fn keyed(database: &Endpoint) -> Result<Duration> {
    let (found, wall) = compared(database, Some(&["id".to_owned()])).await?;
    let changed = found.changed.as_ref().map_or(0, |changed| changed.count);
    exactly(&found, changed, DIFFERENT)?;
    Ok(wall)
}

async fn whole(database: &Endpoint) -> Result<Duration> {
    let (found, wall) = compared(database, None).await?;
    let (changed, gone, new) = DIFFERENT;
    exactly(&found, 0, (0, changed + gone, changed + new))?;
    Ok(wall)
}

async fn compared(database: &Endpoint, key: Option<&[String]>) -> Result<(Comparison, Duration)> {
    let mut conn = database.session("benchmark").await?;
    let begun = Instant::now();
    let (a, b) = (QName::new("public", "v1"), QName::new("public", "v2"));
    let found = compare(&mut conn, &a, &b, key, &Frame::default(), 5).await?;
    let wall = begun.elapsed();
    conn.close().await?;
    Ok((found, wall))
}

/// A figure of a wrong answer is none.
fn exactly(found: &Comparison, changed: i64, wanted: (i64, i64, i64)) -> Result<()> {
    let found = (changed, found.only_in_a.count, found.only_in_b.count);
    if found == wanted { Ok(()) } else { Err(format!("found {found:?}, not {wanted:?}").into()) }
}

/// The most memory that this process had at a time, in MB.
fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(megabytes(kib * 1024))
}
