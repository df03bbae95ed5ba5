//! Five million rows into twelve partitions, against the bare INSERT … SELECT into the same ones.

use super::{QUERY, Scene, begins, line, timed};
use crate::Result;
use crate::changes::print;
use crate::database::execute;
use crate::report::Spread;

const TARGET: f64 = 1.15;

/// Takes and prints the figures.
pub async fn measure(scene: &Scene<'_>, runs: usize) -> Result<()> {
    scene.mart("", "")?;
    let (mut ours, mut again, mut bare, mut analysed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        // Each goes first every other time.
        if run % 2 == 0 {
            ours.push(filled(scene).await?);
        }
        let (insert, analyze) = by_hand(scene).await?;
        bare.push(insert);
        analysed.push(insert + analyze);
        if run % 2 == 1 {
            ours.push(filled(scene).await?);
        }
        execute(&scene.database, "CHECKPOINT").await?;
        scene.run(&["refresh", "by_month", "--full"])?;
        again.push(scene.last().await?.0);
        execute(&scene.database, "DROP TABLE public.by_month; DROP SCHEMA datamart CASCADE").await?;
    }
    let ratio = |ours: &[f64], bare: &[f64]| Spread::of(ours.iter().zip(bare).map(|(ours, bare)| ours / bare));
    let rows = [
        line("the first apply, a process of its own", &Spread::of(ours.clone()), None, ""),
        line("INSERT … SELECT into the same partitions", &Spread::of(bare.clone()), None, ""),
        line("  the one beside the other", &ratio(&ours, &bare), Some(TARGET), ""),
        line("  beside it and the ANALYZE that belongs to it", &ratio(&ours, &analysed), None, ""),
        line("refresh --full, which also compares all rows", &Spread::of(again.clone()), None, ""),
        line("  beside the bare INSERT", &ratio(&again, &bare), None, ""),
    ];
    print(&format!("{} rows into {} partitions, ms", super::ROWS, scene.months), &rows);
    Ok(())
}

async fn filled(scene: &Scene<'_>) -> Result<f64> {
    execute(&scene.database, "CHECKPOINT").await?;
    let wall = scene.run(&["apply", "--auto-approve", "--quiet"])?;
    let rows = scene.number("SELECT count(*) FROM public.by_month").await?;
    #[allow(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    if rows != super::ROWS as f64 {
        return Err(format!("the mart holds {rows} rows").into());
    }
    Ok(wall.as_secs_f64() * 1e3)
}

/// Milliseconds of the INSERT, and of an ANALYZE after it.
async fn by_hand(scene: &Scene<'_>) -> Result<(f64, f64)> {
    execute(&scene.database, "CHECKPOINT").await?;
    let mut conn = scene.session().await?;
    let table = "CREATE TABLE public.bare (id bigint, day date, customer int, category int, amount numeric(12, 2)) PARTITION BY RANGE (day)";
    timed(&mut conn, &[table.to_owned()]).await?;
    for month in 0..scene.months {
        let (from, to) = (begins(scene.months, month), begins(scene.months, month + 1));
        let make = format!(
            "DO $$ BEGIN EXECUTE format('CREATE TABLE public.bare_{month} PARTITION OF public.bare FOR VALUES FROM (%L) TO (%L)', {from}::date, {to}::date); END $$"
        );
        timed(&mut conn, &[make]).await?;
    }
    let took = timed(&mut conn, &[format!("INSERT INTO public.bare {QUERY}")]).await?;
    let analyze = timed(&mut conn, &["ANALYZE public.bare".to_owned()]).await?;
    timed(&mut conn, &["DROP TABLE public.bare".to_owned()]).await?;
    Ok((took, analyze))
}
