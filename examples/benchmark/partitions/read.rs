//! Readers beside exchanges, and beside the same work without one.

use super::touch::{alone, change};
use super::{Scene, timed};
use crate::Result;
use crate::readers::{Lived, beside};
use crate::report::{Spread, table, verdict};

const EXCHANGES: i64 = 20;
const STALL_MS: f64 = 10.0;

/// Takes and prints the figures; the mart is there.
pub async fn measure(scene: &Scene<'_>) -> Result<()> {
    let (mut built, mut exchanged) = (Vec::new(), Vec::new());
    let read = |_: usize, id: i64| format!("SELECT amount FROM public.by_month WHERE id = {id}");
    for round in 0..EXCHANGES {
        // Both do the same in turns, so that what the machine does meanwhile falls on both.
        let month = 1 + round * 7 % 58;
        built.push(beside(&scene.database, super::ROWS, &read, || by_hand(scene, month))?);
        change(scene, month).await?;
        exchanged.push(beside(&scene.database, super::ROWS, &read, || scene.run(&["refresh", "by_month"]).map(drop))?);
    }
    let sql = format!(
        "SELECT count(*) FROM (SELECT * FROM datamart.refreshes ORDER BY run DESC LIMIT {EXCHANGES}) AS r WHERE method = 'partition' AND status = 'success' AND reason LIKE '%1 of 1 partitions differ'"
    );
    let exchanges = scene.number(&sql).await?;
    let stalls = |lived: &[Lived]| Spread::of(lived.iter().map(|lived| lived.longest.as_secs_f64() * 1e3));
    let (with, without) = (stalls(&exchanged), stalls(&built));
    // An exchange holds up a read of each reader at most: that is more than one of a thousand. The longest ones of all are
    // those for which the machine had no time.
    let (held_up, undisturbed) = (slow(&exchanged), slow(&built));
    let beyond = held_up - undisturbed;
    let failed: u64 = exchanged.iter().map(|lived| lived.failed).sum();
    let reads: u64 = exchanged.iter().map(|lived| lived.reads).sum();
    if let Some(error) = exchanged.iter().find_map(|lived| lived.error.as_ref()) {
        println!("a read failed: {error}");
    }
    let row = |name: &str, cells: [String; 3], target: &str, judged: String| {
        let mut row = vec![name.to_owned()];
        row.extend(cells);
        row.extend([target.to_owned(), judged]);
        row
    };
    let nothing = || [String::new(), String::new(), String::new()];
    let rows = [
        row("longest read beside builds alone, ms", without.cells(1), "", String::new()),
        row("longest read beside exchanges, ms", with.cells(1), "", String::new()),
        row(
            &format!("p99.9 of reads: {held_up:.1} ms, beside builds alone {undisturbed:.1} ms"),
            nothing(),
            "",
            String::new(),
        ),
        row(&format!("stall beyond the builds, {beyond:.1} ms"), nothing(), "10", verdict(beyond.max(0.0), STALL_MS)),
        row(
            &format!("{failed} failed reads of {reads}"),
            nothing(),
            "0",
            (if failed == 0 { "met" } else { "MISSED" }).to_owned(),
        ),
    ];
    table(
        &format!("8 readers beside {exchanges} exchanges"),
        &["", "min", "median", "max", "target", "verdict"],
        &rows,
    );
    Ok(())
}

/// The time that one of a thousand reads exceeds, in ms.
fn slow(lived: &[Lived]) -> f64 {
    let mut took: Vec<f64> = lived.iter().flat_map(|lived| &lived.took).map(|took| took.as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    took.get(took.len().saturating_sub(1 + took.len() / 1000)).copied().unwrap_or_default()
}

/// The same work without an exchange.
fn by_hand(scene: &Scene<'_>, month: i64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut conn = scene.session().await?;
        timed(&mut conn, &alone(scene, month)).await?;
        timed(&mut conn, &["DROP TABLE public.alone".to_owned()]).await.map(drop)
    })
}
