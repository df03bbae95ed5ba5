//! `plan` with nothing to change.

use crate::database::{Durability, Server};
use crate::program::Program;
use crate::report::{Spread, megabytes, table, verdict};
use crate::{Result, marts};

/// Marts, and the seconds that `plan` may take.
const SIZES: &[(usize, f64)] = &[(10, 0.05), (100, 0.06), (500, 0.10), (5_000, 1.0)];

/// The megabytes that `plan` may have at a time, and of how many marts.
const MEMORY: (usize, f64) = (500, 30.0);

/// Takes and prints the figures.
pub async fn measure(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Fast).await?;
    let mut rows = Vec::new();
    for &(count, target) in SIZES {
        let folder = marts::folder(count)?;
        let database = server.database().await?;
        let dir = folder.path().as_os_str();
        let common = ["--dir".as_ref(), dir, "--database-url".as_ref(), database.url().as_ref()];
        let apply = ["apply".as_ref(), "--auto-approve".as_ref()];
        program.run(common.into_iter().chain(apply))?;
        // Its exit code says that there is nothing to change.
        let plan = ["plan".as_ref(), "--detailed-exitcode".as_ref()];
        let plan = || program.run(common.into_iter().chain(plan));
        plan()?;
        let taken = (0..runs).map(|_| plan()).collect::<Result<Vec<_>>>()?;
        let wall = Spread::seconds(taken.iter().map(|run| run.wall));
        let memory = Spread::of(taken.iter().map(|run| megabytes(run.memory)));
        let judged = if count == MEMORY.0 { verdict(memory.median, MEMORY.1) } else { String::new() };
        let mut row = vec![count.to_string()];
        row.extend(wall.cells(3));
        row.extend([format!("{target:.2}"), verdict(wall.median, target), format!("{:.1}", memory.median), judged]);
        rows.push(row);
    }
    server.stop().await?;
    let head =
        ["marts", "min s", "median s", "max s", "target s", "time", "MB", &format!("memory (≤ {} MB)", MEMORY.1)];
    table(&format!("plan with nothing to change, {runs} runs each"), &head, &rows);
    Ok(())
}
