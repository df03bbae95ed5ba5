//! Reads that are exact at any time, and marts that follow every commit.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection};

use super::writers::at_least;
use super::{Scene, line, print};
use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::program::Program;
use crate::report::Spread;

const TABLES: &[&str] = &[
    "CREATE TABLE public.takings (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int NOT NULL, amount numeric(12, 2) NOT NULL)",
    "INSERT INTO public.takings (customer_id, amount) SELECT (1 + i::bigint * 7919 % 50000)::int, i % 97 FROM generate_series(1, 2000000) AS i",
    "CREATE INDEX ON public.takings (customer_id)",
    "VACUUM (ANALYZE) public.takings",
    "CREATE TABLE public.plain (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, grp int NOT NULL, v int NOT NULL)",
    "CREATE TABLE public.followed (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, grp int NOT NULL, v int NOT NULL)",
    "INSERT INTO public.plain (grp, v) SELECT i % 2000, 1 FROM generate_series(1, 100000) AS i",
    "INSERT INTO public.followed (grp, v) SELECT i % 2000, 1 FROM generate_series(1, 100000) AS i",
    "CREATE INDEX ON public.plain (grp)",
    "CREATE INDEX ON public.followed (grp)",
    "VACUUM (ANALYZE) public.plain",
    "VACUUM (ANALYZE) public.followed",
];
const QUERY: &str =
    "SELECT customer_id, count(*) AS n, sum(amount) AS total, max(amount) AS most FROM public.takings GROUP BY 1";
const FRESH: &str =
    "primary_key = [\"customer_id\"]\n[refresh]\nfresh = true\n[refresh.incremental]\nmethod = \"changes\"";
const GROUPS: &str = "SELECT grp, count(*) AS n, sum(v) AS total FROM public.followed GROUP BY 1";
const ON_COMMIT: &str = "primary_key = [\"grp\"]\n[refresh]\nstrategy = \"on_commit\"";
const PENDING: &str =
    "UPDATE public.takings SET amount = amount + 1 WHERE id IN (SELECT 1 + i * 7907 FROM generate_series(1, 100) AS i)";
const WRITERS: usize = 8;
const SPELL: Duration = Duration::from_secs(3);

/// On a server of its own.
pub async fn alone(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    measure(&Scene::of(program, &mut server).await?, runs).await?;
    server.stop().await
}

/// Takes and prints the figures.
async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    for sql in TABLES {
        execute(&scene.database, sql).await?;
    }
    scene.mart("sales_now", QUERY, FRESH)?;
    scene.apply()?;
    scene.refresh("sales_now", &[]).await?;
    let mut rows = vec![];
    let mut conn = scene.session().await?;
    for (pending, target) in [("nothing pending", None), ("100 changes pending", Some(3.0))] {
        if target.is_some() {
            execute(&scene.database, PENDING).await?;
        }
        let (mut point, mut all, mut raw) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..runs.max(5) {
            let one = format!("SELECT * FROM public.sales_now WHERE customer_id = {}", 1 + run * 97);
            point.push(scene.timed(&mut conn, &one).await?);
            all.push(scene.timed(&mut conn, "SELECT count(*), sum(n), sum(total) FROM public.sales_now").await?);
            raw.push(
                scene.timed(&mut conn, &format!("SELECT count(*), sum(n), sum(total) FROM ({QUERY}) AS q")).await?,
            );
        }
        let ratio = Spread::of(all.iter().zip(&raw).map(|(all, raw)| all / raw));
        rows.push(line(&format!("fresh, {pending}: one row, ms"), &Spread::of(point), target, ""));
        rows.push(line("  the whole mart, ms", &Spread::of(all), None, ""));
        rows.push(line("  the query itself, ms", &Spread::of(raw), None, ""));
        rows.push(line("  the mart beside it", &ratio, target.map(|_| 0.1), ""));
    }
    conn.close().await?;
    scene.mart("groups", GROUPS, ON_COMMIT)?;
    scene.apply()?;
    let (mut plain, mut followed, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs.clamp(1, 3) {
        let rates = [rate(scene, "public.plain").await?, rate(scene, "public.followed").await?];
        ratios.push(rates[1] / rates[0]);
        plain.push(rates[0]);
        followed.push(rates[1]);
    }
    rows.push(line(&format!("{WRITERS} writers, commits a second: plain"), &Spread::of(plain), None, ""));
    rows.push(line("  with a mart that follows every commit", &Spread::of(followed), None, ""));
    rows.push(at_least("  beside plain", &Spread::of(ratios), 0.5));
    print("2,000,000 sales of 50,000 customers; groups of 50 rows", &rows);
    Ok(())
}

/// Commits of all writers together, each an update of one row.
async fn rate(scene: &Scene<'_>, table: &str) -> Result<f64> {
    let client = async |number: usize| -> Result<u64> {
        let mut conn = scene.session().await?;
        let sql = format!("UPDATE {table} SET v = v + 1 WHERE id = $1");
        let (begun, mut count) = (Instant::now(), 0_u64);
        while begun.elapsed() < SPELL {
            let id = i32::try_from(1 + (count * 7919 + number as u64 * 104_729) % 100_000)?;
            sqlx::query(AssertSqlSafe(sql.clone())).bind(id).execute(&mut conn).await?;
            count += 1;
        }
        conn.close().await?;
        Ok(count)
    };
    let begun = Instant::now();
    let mut all = 0;
    for count in futures_util::future::join_all((0..WRITERS).map(client)).await {
        all += count?;
    }
    Ok(all as f64 / begun.elapsed().as_secs_f64())
}
