//! Two million lines of half a million orders, by fifty thousand customers.

use super::orders::spread;
use super::warm::Warm;
use super::{Scene, line, methods, print};
use crate::Result;
use crate::database::execute;
use crate::report::Spread;

const TABLES: &[&str] = &[
    "CREATE TABLE public.heads (id int PRIMARY KEY, customer_id int NOT NULL, placed date NOT NULL)",
    "INSERT INTO public.heads SELECT i, (1 + i::bigint * 7919 % 50000)::int, date '2026-01-01' + i % 365 FROM generate_series(1, 500000) AS i",
    "CREATE TABLE public.items (order_id int NOT NULL, line int NOT NULL, product_id int NOT NULL, price numeric(12, 2) NOT NULL, PRIMARY KEY (order_id, line))",
    "INSERT INTO public.items SELECT 1 + i % 500000, 1 + i / 500000, 1 + i * 31 % 20000, i % 997 + 0.5 FROM generate_series(0, 1999999) AS i",
    "CREATE INDEX ON public.heads (customer_id)",
    "VACUUM (ANALYZE) public.heads",
    "VACUUM (ANALYZE) public.items",
];
const QUERY: &str = "SELECT h.customer_id, count(*) AS n, sum(i.price) AS total, count(DISTINCT i.product_id) AS products, max(h.placed) AS last
    FROM public.items i JOIN public.heads h ON h.id = i.order_id GROUP BY 1";
const MORE: &str = "primary_key = [\"customer_id\"]\n[refresh.incremental]\nmethod = \"changes\"";

/// Takes and prints the figures.
pub async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    for sql in TABLES {
        execute(&scene.database, sql).await?;
    }
    scene.mart("by_customer", QUERY, MORE)?;
    scene.apply()?;
    scene.trust("by_customer", &change(1, 0)).await?;
    let mut rows = Vec::new();
    let warm = Warm::open(scene, "by_customer", &change(1, 0)).await?;
    for (count, target) in [(1, 10.0), (100, 60.0), (1_000, 200.0), (10_000, 800.0)] {
        let (mut taken, mut process) = (Vec::new(), Vec::new());
        for run in 0..runs {
            execute(&scene.database, &change(count, run)).await?;
            taken.push(warm.run().await?.0);
            // What was logged goes as in a daemon, too.
            execute(&scene.database, &change(count, runs + run)).await?;
            process.push(scene.refresh("by_customer", &[]).await?);
        }
        rows.push(line(&format!("{count} changed lines"), &spread(&taken), Some(target), &methods(&taken)));
        rows.push(line("  by a process of its own", &spread(&process), None, &methods(&process)));
    }
    warm.close().await;
    let mut whole = Vec::new();
    for _ in 0..runs.min(3) {
        whole.push(scene.refresh("by_customer", &["--full"]).await?);
    }
    rows.push(line("all rows", &Spread::of(whole.iter().map(|one| one.ms)), None, &methods(&whole)));
    print("2,000,000 lines of 500,000 orders, 50,000 groups, ms", &rows);
    Ok(())
}

/// So many lines of orders all over.
fn change(count: u64, run: usize) -> String {
    format!(
        "UPDATE public.items SET price = price + 1 WHERE line = 1
         AND order_id IN (SELECT 1 + (i * 7907 + {run} * 13) % 500000 FROM generate_series(1, {count}) AS i)"
    )
}
