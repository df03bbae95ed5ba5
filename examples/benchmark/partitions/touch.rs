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
    let (mut ours, mut alone, mut how) = (Vec::new(), Vec::new(), String::new());
    for run in 0..runs {
        let month = 7 + i64::try_from(run)? * 11 % 50;
        change(scene, month).await?;
        if run % 2 == 0 {
            alone.push(by_hand(scene, month).await?);
        }
        execute(&scene.database, "CHECKPOINT").await?;
        scene.run(&["refresh", "by_month"])?;
        let (took, method) = scene.last().await?;
        ours.push(took);
        how = method;
        if run % 2 == 1 {
            alone.push(by_hand(scene, month).await?);
        }
    }
    let ratio = Spread::of(ours.iter().zip(&alone).map(|(ours, alone)| ours / alone));
    let rows = [
        line("a refresh that touches one", &Spread::of(ours.clone()), None, &how),
        line("that one by hand: filled, indexed, vacuumed", &Spread::of(alone.clone()), None, ""),
        line("  the one beside the other", &ratio, Some(TARGET), ""),
    ];
    print(&format!("one of {} partitions of {} rows, ms", scene.months, super::ROWS), &rows);
    Ok(())
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
