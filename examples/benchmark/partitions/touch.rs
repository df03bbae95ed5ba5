//! A refresh that touches one of sixty partitions, against computing that one alone.

use super::{QUERY, Scene, begins, line, timed};
use crate::Result;
use crate::changes::print;
use crate::database::execute;
use crate::report::Spread;

const TARGET: f64 = 1.3;

/// Takes and prints the figures.
pub async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    scene.mart(
        "primary_key = [\"id\", \"day\"]",
        "[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"partition\"",
    )?;
    scene.run(&["apply", "--auto-approve", "--quiet"])?;
    // The first refreshes by changes are compared with the query.
    for month in 0..4 {
        change(scene, month).await?;
        scene.run(&["refresh", "by_month"])?;
    }
    // It has been at work for a while, as a daemon is that keeps a mart fresh.
    let daemon = scene.daemon().await?;
    let by_daemon = || execute(&scene.database, "CALL datamart.refresh('by_month', wait => true)");
    for month in 4..6 {
        change(scene, month).await?;
        by_daemon().await?;
    }
    let kept = Pairs::of(scene, runs, 6, by_daemon).await?;
    drop(daemon);
    let own = Pairs::of(scene, runs, 9, async || scene.run(&["refresh", "by_month"]).map(drop)).await?;
    let mut rows = Vec::new();
    rows.extend(kept.lines("a refresh that touches one, by the daemon", Some(TARGET)));
    rows.extend(own.lines("a refresh that touches one, by a process of its own", Some(TARGET)));
    print(&format!("one of {} partitions of {} rows, ms", scene.months, super::ROWS), &rows);
    Ok(())
}

/// Refreshes, each with a partition computed by hand before or after it.
struct Pairs {
    ours: Vec<f64>,
    alone: Vec<f64>,
    how: String,
}

impl Pairs {
    /// So many of them, of months from `first` on.
    async fn of(scene: &Scene<'_>, runs: usize, first: i64, refresh: impl AsyncFn() -> Result<()>) -> Result<Self> {
        let mut pairs = Self { ours: Vec::new(), alone: Vec::new(), how: String::new() };
        for run in 0..runs {
            let month = first + i64::try_from(run)? * 11 % 50;
            change(scene, month).await?;
            if run % 2 == 0 {
                pairs.alone.push(by_hand(scene, month).await?);
            }
            execute(&scene.database, "CHECKPOINT").await?;
            refresh().await?;
            let (took, method) = scene.last().await?;
            pairs.ours.push(took);
            pairs.how = method;
            if run % 2 == 1 {
                pairs.alone.push(by_hand(scene, month).await?);
            }
        }
        Ok(pairs)
    }

    fn lines(self, what: &str, target: Option<f64>) -> [Vec<String>; 3] {
        let ratio = Spread::of(self.ours.iter().zip(&self.alone).map(|(ours, alone)| ours / alone));
        [
            line(what, &Spread::of(self.ours), None, &self.how),
            line("  that one by hand: filled, indexed, vacuumed", &Spread::of(self.alone), None, ""),
            line("  the one beside the other", &ratio, target, ""),
        ]
    }
}

/// Some orders of a month change.
pub async fn change(scene: &Scene<'_>, month: i64) -> Result<()> {
    let (from, to) = (begins(scene.months, month), begins(scene.months, month + 1));
    let update = format!(
        "UPDATE public.orders SET amount = amount + 1 WHERE placed >= {from} AND placed < {to} AND id % 100 = 0"
    );
    execute(&scene.database, &update).await
}

/// A partition computed alone.
pub fn alone(scene: &Scene<'_>, month: i64) -> Vec<String> {
    let (from, to) = (begins(scene.months, month), begins(scene.months, month + 1));
    [
        format!("CREATE TABLE public.alone AS {QUERY} WHERE placed >= {from} AND placed < {to}"),
        "ALTER TABLE public.alone ADD PRIMARY KEY (id, day)".to_owned(),
        "VACUUM (ANALYZE) public.alone".to_owned(),
    ]
    .to_vec()
}

async fn by_hand(scene: &Scene<'_>, month: i64) -> Result<f64> {
    execute(&scene.database, "CHECKPOINT").await?;
    let mut conn = scene.session().await?;
    let took = timed(&mut conn, &alone(scene, month)).await?;
    timed(&mut conn, &["DROP TABLE public.alone".to_owned()]).await?;
    Ok(took)
}
