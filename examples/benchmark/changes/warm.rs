//! Refreshes on a session that stays open, as the daemon's do: what it reads and plans once is not paid for each time.

use std::time::Instant;

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
    let taken = taken(scene, "orders_by_day", runs.max(5), one).await?;
    let row = line("one changed row", &spread(&taken), Some(10.0), &methods(&taken));
    print("refreshes on a session that stays open, ms", &[row]);
    Ok(())
}

/// What runs took, each after the change.
async fn taken(scene: &Scene<'_>, name: &str, runs: usize, change: &str) -> Result<Vec<Taken>> {
    let warm = Warm::open(scene, name, change).await?;
    let mut taken = Vec::new();
    for _ in 0..runs {
        execute(&scene.database, change).await?;
        taken.push(warm.run().await?.0);
    }
    warm.close().await;
    Ok(taken)
}

/// A session that refreshes a mart again and again.
pub struct Warm {
    workers: Workers,
    item: Item,
    options: Options,
}

impl Warm {
    /// Opens it, and lets it see everything once, each time after the change.
    pub async fn open(scene: &Scene<'_>, name: &str, change: &str) -> Result<Self> {
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
        let warm = Self { workers: Workers::new(&scene.database, &registry, &project), item, options };
        for _ in 0..BEFORE {
            execute(&scene.database, change).await?;
            warm.run().await?;
        }
        Ok(warm)
    }

    /// A refresh: what its run took, and what it took from the lock to the end, in milliseconds.
    pub async fn run(&self) -> Result<(Taken, f64)> {
        let begun = Instant::now();
        let run = self.workers.run(&self.item, &self.options, &|_| {}).await?;
        let wall = begun.elapsed().as_secs_f64() * 1e3;
        if let Some(error) = run.error {
            return Err(error.message.into());
        }
        let ms = (run.finished_at - run.started_at).as_seconds_f64() * 1e3;
        let method = run.method.map_or(run.status.as_str(), |method| method.as_str()).to_owned();
        Ok((Taken { ms, method, reason: run.reason }, wall))
    }

    /// Ends it.
    pub async fn close(self) {
        self.workers.close().await;
    }
}
