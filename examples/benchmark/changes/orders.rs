//! Five million orders of a year, summed up by day, category and region.

use sqlx::Connection;

use super::warm::Warm;
use super::{Scene, Taken, line, methods, print};
use crate::Result;
use crate::database::execute;
use crate::report::Spread;

const ROWS: u64 = 5_000_000;
const QUERY: &str = "SELECT date_trunc('day', placed) AS day, category, region, count(*) AS n, sum(amount) AS total FROM public.orders GROUP BY 1, 2, 3";
const MORE: &str = "primary_key = [\"day\", \"category\", \"region\"]\n[refresh.incremental]\nmethod = \"changes\"";
/// A group of its own for each day, category and region.
const ORDER: &str = "i % 20, i / 20 % 10, 1 + i * 7919 % 200000, i % 97 + 0.25";

/// Rows of a year, so far into it each.
fn insert(count: u64, placed: &str) -> String {
    format!(
        "INSERT INTO public.orders (placed, category, region, customer_id, amount)
         SELECT {placed}, {ORDER} FROM generate_series(1, {count}::bigint) AS i"
    )
}

fn over_the_year(count: u64) -> String {
    insert(
        count,
        "timestamptz '2026-01-01 00:00+00' + i * 7919 % 365 * interval '1 day' + i % 86400 * interval '1 second'",
    )
}

fn today(count: u64) -> String {
    insert(count, "timestamptz '2026-12-31 00:00+00' + i % 86400 * interval '1 second'")
}

/// Takes and prints the figures.
pub async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    today_alone(scene, runs).await?;
    print("the same, with rows of all days, ms", &spread_out(scene, runs).await?);
    Ok(())
}

/// Of those, what is about rows of today, which are there afterwards with the mart.
pub async fn today_alone(scene: &Scene<'_>, runs: usize) -> Result<()> {
    let database = &scene.database;
    let table =
        "CREATE TABLE public.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, placed timestamptz NOT NULL,
                 category int NOT NULL, region int NOT NULL, customer_id int NOT NULL, amount numeric(12, 2) NOT NULL)";
    execute(database, table).await?;
    // As orders come: the newest last.
    let as_they_came = format!("timestamptz '2026-01-01 00:00+00' + i * (interval '365 days' / {ROWS})");
    execute(database, &insert(ROWS, &as_they_came)).await?;
    execute(database, "CREATE INDEX ON public.orders (placed)").await?;
    execute(database, "VACUUM (ANALYZE) public.orders").await?;
    scene.mart("orders_by_day", QUERY, MORE)?;
    scene.apply()?;
    execute(database, &format!("SET TimeZone = 'UTC'; CREATE MATERIALIZED VIEW public.as_view AS {QUERY}")).await?;
    execute(database, "CREATE UNIQUE INDEX ON public.as_view (day, category, region)").await?;
    execute(database, &format!("SET TimeZone = 'UTC'; CREATE TABLE public.by_hand AS {QUERY}")).await?;
    execute(database, "ALTER TABLE public.by_hand ADD PRIMARY KEY (day, category, region)").await?;
    execute(database, "VACUUM (ANALYZE) public.by_hand; ").await?;
    scene.trust("orders_by_day", &today(10)).await?;
    let rows = newest(scene, runs).await?;
    print(&format!("{ROWS} orders by day, category and region, ms"), &rows);
    Ok(())
}

/// A thousand rows of today, against the statement that somebody would write for them and against CONCURRENTLY.
async fn newest(scene: &Scene<'_>, runs: usize) -> Result<Vec<Vec<String>>> {
    let by_hand = "INSERT INTO public.by_hand SELECT date_trunc('day', placed), category, region, count(*), sum(amount) FROM public.orders
         WHERE placed >= '2026-12-31 00:00+00' GROUP BY 1, 2, 3
         ON CONFLICT (day, category, region) DO UPDATE SET n = excluded.n, total = excluded.total
         WHERE (by_hand.n, by_hand.total) IS DISTINCT FROM (excluded.n, excluded.total)";
    let mut conn = scene.session().await?;
    sqlx::raw_sql("SET TimeZone = 'UTC'").execute(&mut conn).await?;
    let warm = Warm::open(scene, "orders_by_day", &today(10)).await?;
    let (mut ours, mut hand, mut view) = (Vec::new(), Vec::new(), Vec::new());
    let (mut process, mut psql) = (Vec::new(), Vec::new());
    for run in 0..runs {
        execute(&scene.database, &today(1_000)).await?;
        // Each goes first every other time.
        if run % 2 == 0 {
            ours.push(warm.run().await?);
        }
        hand.push(scene.timed(&mut conn, by_hand).await?);
        if run % 2 == 1 {
            ours.push(warm.run().await?);
        }
        execute(&scene.database, &today(1_000)).await?;
        process.push(scene.process("orders_by_day")?);
        psql.push(scene.psql(&["SET TimeZone = 'UTC'", by_hand])?);
        view.push(scene.timed(&mut conn, "REFRESH MATERIALIZED VIEW CONCURRENTLY public.as_view").await?);
    }
    warm.close().await;
    conn.close().await?;
    let (taken, walls): (Vec<Taken>, Vec<f64>) = ours.into_iter().unzip();
    let ratio = |one: &[f64], other: &[f64]| Spread::of(one.iter().zip(other).map(|(one, other)| one / other));
    let mut times =
        line("  REFRESH CONCURRENTLY is so many times slower (target: at least 50)", &ratio(&view, &walls), None, "");
    times[4] = "50".to_owned();
    let all = |of: &[f64]| Spread::of(of.iter().copied());
    Ok(vec![
        line("1,000 rows of today, on a session that stays open", &all(&walls), None, &methods(&taken)),
        line("  of which the run", &spread(&taken), None, ""),
        line("  by hand on such a session", &all(&hand), None, ""),
        line("  beside that by hand", &ratio(&walls, &hand), Some(1.5), ""),
        line("  REFRESH CONCURRENTLY", &all(&view), None, ""),
        times,
        line("1,000 rows of today, by a process of its own", &all(&process), None, ""),
        line("  by hand through psql", &all(&psql), None, ""),
        line("  beside that by hand", &ratio(&process, &psql), Some(1.5), ""),
    ])
}

/// Rows of all days: few, and so many that computing all of them again is cheaper.
async fn spread_out(scene: &Scene<'_>, runs: usize) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let warm = Warm::open(scene, "orders_by_day", &over_the_year(1)).await?;
    for (count, target) in [(1, 10.0), (10, 60.0)] {
        let (mut taken, mut process) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            execute(&scene.database, &over_the_year(count)).await?;
            taken.push(warm.run().await?.0);
            execute(&scene.database, &over_the_year(count)).await?;
            process.push(scene.refresh("orders_by_day", &[]).await?);
        }
        rows.push(line(&format!("{count} rows spread over the year"), &spread(&taken), Some(target), &methods(&taken)));
        rows.push(line("  by a process of its own", &spread(&process), None, &methods(&process)));
    }
    warm.close().await;
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let (mut taken, mut whole) = (Vec::new(), Vec::new());
        let away = format!("DELETE FROM public.orders WHERE id > (SELECT max(id) - {count} FROM public.orders)");
        for run in 0..runs.min(5) {
            // Both have the same rows to write, and each goes first every other time: what else the machine does meanwhile is noise of a
            // tenth, and grows or falls over minutes.
            for whole_rows in [run % 2 == 1, run % 2 == 0] {
                let (args, times) = if whole_rows { (&["--full"][..], &mut whole) } else { (&[][..], &mut taken) };
                execute(&scene.database, &over_the_year(count)).await?;
                // Who reads new rows first writes down that they are there to be seen: none of the two is to pay for that, nor for
                // what the insert left to be written.
                execute(&scene.database, "SELECT count(amount) FROM public.orders; CHECKPOINT").await?;
                times.push(scene.refresh("orders_by_day", args).await?);
                execute(&scene.database, &away).await?;
                scene.refresh("orders_by_day", &["--full"]).await?;
            }
        }
        execute(&scene.database, "VACUUM (ANALYZE) public.orders").await?;
        scene.trust("orders_by_day", &today(10)).await?;
        rows.push(line(&format!("{count} rows spread over the year"), &spread(&taken), None, &methods(&taken)));
        let ratio = Spread::of(taken.iter().zip(&whole).map(|(some, all)| some.ms / all.ms));
        rows.push(line("  beside a rebuild", &ratio, Some(1.1), &methods(&whole)));
    }
    Ok(rows)
}

/// Their times.
pub fn spread(taken: &[Taken]) -> Spread {
    Spread::of(taken.iter().map(|one| one.ms))
}
