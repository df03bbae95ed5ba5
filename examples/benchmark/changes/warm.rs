//! Refreshes on a session that stays open, as the daemon's do: what it reads and plans once is not paid for each time.

use datamart::catalog::introspect;
use datamart::manifest::{self, LoadOptions};
use datamart::plan;
use datamart::refresh::{Item, Options, Workers};
use sqlx::Connection;

use super::orders::spread;
use super::{Scene, Taken, line, methods, print};
use crate::Result;
use crate::database::execute;

/// After so many runs a session has seen everything.
const BEFORE: usize = 8;

/// Takes and prints the figures, on the orders that are there.
pub async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    let one = "INSERT INTO public.orders (placed, category, region, customer_id, amount) VALUES ('2026-05-05 10:00+00', 1, 1, 1, 1)";
    let mut rows = Vec::new();
    for (what, change, target) in [("nothing pending", None, 2.0), ("one changed row", Some(one), 10.0)] {
        let taken = taken(scene, "orders_by_day", runs.max(5), change).await?;
        rows.push(line(what, &spread(&taken), Some(target), &methods(&taken)));
    }
    print("refreshes on a session that stays open, ms", &rows);
    Ok(())
}

/// What runs took, each after the change.
async fn taken(scene: &Scene<'_>, name: &str, runs: usize, change: Option<&str>) -> Result<Vec<Taken>> {
    let desired = manifest::load(&LoadOptions { dir: scene.folder.path().to_owned(), ..LoadOptions::default() })?;
    let registry = desired.project.registry_schema.clone();
    let mut conn = scene.session().await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut conn).await?;
    let actual = introspect(&mut conn, &plan::scope(&desired, Some(registry.clone()))).await?;
    conn.close().await?;
    let recorded = actual.recorded.values().find(|row| row.mart.name.name == name).ok_or("the mart is missing")?;
    let item = Item::new(recorded, &actual, Vec::new());
    let project = desired.project.name.clone();
    let options = Options {
        parallel: 1,
        lock_timeout_ms: 3_000,
        publish_lock_timeout_ms: 100,
        requested_by: "benchmark".to_owned(),
        registry: registry.clone(),
        project: project.clone(),
        ..Options::default()
    };
    let workers = Workers::new(&scene.database, &registry, &project);
    let mut taken = Vec::new();
    for number in 0..runs + BEFORE {
        if let Some(change) = change {
            execute(&scene.database, change).await?;
        }
        let run = workers.run(&item, &options, &|_| {}).await?;
        if let Some(error) = run.error {
            return Err(error.message.into());
        }
        if number >= BEFORE {
            let ms = (run.finished_at - run.started_at).as_seconds_f64() * 1e3;
            let method = run.method.map_or(run.status.as_str(), |method| method.as_str()).to_owned();
            taken.push(Taken { ms, method });
        }
    }
    workers.close().await;
    Ok(taken)
}
