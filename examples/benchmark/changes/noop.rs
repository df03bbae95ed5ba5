//! Nothing is pending: at rest, and behind a transaction that keeps the server from forgetting.

use sqlx::{AssertSqlSafe, Connection};

use super::orders::spread;
use super::warm::Warm;
use super::{Scene, line, methods, print};
use crate::Result;
use crate::database::execute;

/// Each of them changes so many rows.
const CHANGES: usize = 40;
const EACH: usize = 100_000;

/// Takes and prints the figures, on the orders that are there.
pub async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    scene.refresh("orders_by_day", &[]).await?;
    let mut rows = nothing(scene, runs, "nothing pending").await?;
    let mut old = scene.session().await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()").execute(&mut old).await?;
    for number in 0..CHANGES {
        let sql = format!(
            "UPDATE public.orders SET amount = amount + 1 WHERE id BETWEEN {} AND {}",
            number * EACH + 1,
            (number + 1) * EACH
        );
        execute(&scene.database, &sql).await?;
        if number % 10 == 9 {
            scene.refresh("orders_by_day", &[]).await?;
        }
    }
    let title = format!("nothing pending, behind an old transaction after {} changes", CHANGES * EACH);
    rows.extend(nothing(scene, runs, &title).await?);
    let log = scene.number("SELECT coalesce(sum(pg_total_relation_size(oid)), 0) / 1e6 FROM pg_class WHERE relname LIKE 'changes\\_%' AND relkind = 'r'").await?;
    sqlx::raw_sql(AssertSqlSafe("COMMIT")).execute(&mut old).await?;
    old.close().await?;
    print(&format!("a refresh with nothing to do, ms (the log then has {log:.1} MB)"), &rows);
    Ok(())
}

/// On a session that stays open it is the server's time and little more; most of a process's is its start.
async fn nothing(scene: &Scene<'_>, runs: usize, title: &str) -> Result<Vec<Vec<String>>> {
    let warm = Warm::open(scene, "orders_by_day", "SELECT").await?;
    let (mut taken, mut process) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(5) {
        taken.push(warm.run().await?.0);
        process.push(scene.refresh("orders_by_day", &[]).await?);
    }
    warm.close().await;
    Ok(vec![
        line(title, &spread(&taken), Some(2.0), &methods(&taken)),
        line("  by a process of its own", &spread(&process), None, &methods(&process)),
    ])
}
