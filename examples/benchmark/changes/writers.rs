//! What writers pay for a log of their changes.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection};

use super::{Scene, line, print};
use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::program::Program;
use crate::report::Spread;

const CLIENTS: usize = 2;
const SPELL: Duration = Duration::from_secs(2);
const BULK: u32 = 100_000;
/// Two tables of one kind; a mart follows the changes of the second.
const TABLES: [&str; 2] = ["public.plain_orders", "public.logged_orders"];
const MART: &str =
    "SELECT placed, category, count(*) AS n, sum(amount) AS total FROM public.logged_orders GROUP BY 1, 2";

/// On a server of its own.
pub async fn alone(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    measure(&Scene::of(program, &mut server).await?, runs).await?;
    server.stop().await
}

/// Takes and prints the figures.
async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    for name in TABLES {
        let sql = format!(
            "CREATE TABLE {name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, placed date NOT NULL DEFAULT '2026-01-01',
             category int NOT NULL, customer_id int NOT NULL, amount numeric(12, 2) NOT NULL)"
        );
        execute(&scene.database, &sql).await?;
    }
    scene.mart("follows", MART, "[refresh.incremental]\nmethod = \"changes\"")?;
    scene.apply()?;
    let mut rows = Vec::new();
    for (commit, least) in [("on", 0.90), ("off", 0.75)] {
        let mut ratios = Vec::new();
        let (mut plain, mut logged) = (Vec::new(), Vec::new());
        for run in 0..runs.max(3) {
            let order = if run % 2 == 0 { [0, 1] } else { [1, 0] };
            let mut rates = [0.0; 2];
            for at in order {
                rates[at] = rate(scene, TABLES[at], commit).await?;
            }
            ratios.push(rates[1] / rates[0]);
            plain.push(rates[0]);
            logged.push(rates[1]);
        }
        rows.push(line(
            &format!("INSERTs of one row a second, synchronous_commit {commit}: plain"),
            &Spread::of(plain),
            None,
            "",
        ));
        rows.push(line("  logged", &Spread::of(logged), None, ""));
        rows.push(at_least("  logged beside plain", &Spread::of(ratios), least));
    }
    let (times, wal) = bulk(scene, runs).await?;
    rows.push(line(&format!("{BULK} rows by one INSERT, logged beside plain"), &times, Some(1.3), ""));
    rows.push(line("  WAL, logged beside plain", &wal, Some(1.05), ""));
    rows.push(line(
        "transaction ids of 1,000 statements in one transaction",
        &Spread::of([ids(scene).await?]),
        Some(1.0),
        "",
    ));
    print(&format!("what writers pay, {CLIENTS} clients"), &rows);
    Ok(())
}

/// A figure that is not to be below its target.
pub fn at_least(what: &str, spread: &Spread, target: f64) -> Vec<String> {
    let mut row = line(what, spread, None, "");
    row[4] = format!("≥ {target}");
    row[5] = if spread.median >= target { "met" } else { "MISSED" }.to_owned();
    row
}

/// INSERTs of one row a second, by all clients together.
async fn rate(scene: &Scene<'_>, table: &str, commit: &str) -> Result<f64> {
    execute(&scene.database, "CHECKPOINT").await?;
    let client = async |number: usize| -> Result<u64> {
        let mut conn = scene.session().await?;
        sqlx::raw_sql(AssertSqlSafe(format!("SET synchronous_commit = {commit}"))).execute(&mut conn).await?;
        let sql = format!("INSERT INTO {table} (category, customer_id, amount) VALUES ($1, $2, 1.25)");
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < SPELL {
            let category = i32::try_from(count % 20)?;
            let insert = sqlx::query(AssertSqlSafe(sql.clone())).bind(category).bind(i32::try_from(number)?);
            insert.execute(&mut conn).await?;
            count += 1;
        }
        conn.close().await?;
        Ok(count)
    };
    let begun = Instant::now();
    let mut all = 0;
    for count in futures_util::future::join_all((0..CLIENTS).map(client)).await {
        all += count?;
    }
    Ok(all as f64 / begun.elapsed().as_secs_f64())
}

/// Time and WAL of a large INSERT, logged beside plain.
async fn bulk(scene: &Scene<'_>, runs: usize) -> Result<(Spread, Spread)> {
    let mut conn = scene.session().await?;
    let (mut times, mut wals) = (Vec::new(), Vec::new());
    for run in 0..runs.max(3) {
        let order = if run % 2 == 0 { [0, 1] } else { [1, 0] };
        let (mut ms, mut bytes) = ([0.0; 2], [0.0; 2]);
        for at in order {
            let table = TABLES[at];
            execute(&scene.database, &format!("TRUNCATE {table}")).await?;
            execute(&scene.database, "CHECKPOINT").await?;
            let wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')";
            let before = scene.number(wal).await?;
            let sql = format!(
                "INSERT INTO {table} (category, customer_id, amount) SELECT i % 20, i, i % 97 FROM generate_series(1, {BULK}) AS i"
            );
            ms[at] = scene.timed(&mut conn, &sql).await?;
            bytes[at] = scene.number(wal).await? - before;
        }
        times.push(ms[1] / ms[0]);
        wals.push(bytes[1] / bytes[0]);
    }
    conn.close().await?;
    Ok((Spread::of(times), Spread::of(wals)))
}

/// How many transaction ids a long transaction takes.
async fn ids(scene: &Scene<'_>) -> Result<f64> {
    let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    let before = scene.number(next).await?;
    let mut conn = scene.session().await?;
    sqlx::raw_sql("BEGIN").execute(&mut conn).await?;
    for number in 0..1_000 {
        let sql = format!("INSERT INTO {} (category, customer_id, amount) VALUES ({number}, 1, 1)", TABLES[1]);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await?;
    }
    sqlx::raw_sql("COMMIT").execute(&mut conn).await?;
    conn.close().await?;
    Ok(scene.number(next).await? - before)
}
