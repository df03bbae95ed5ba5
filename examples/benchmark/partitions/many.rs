//! `plan` with nothing to change, of a mart of two thousand partitions.

use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::program::Program;
use crate::refresh::ours;
use crate::report::{Spread, table, verdict};

const PARTITIONS: u64 = 2_000;
const TARGET: f64 = 0.2;

/// Takes and prints the figures.
pub async fn measure(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Fast).await?;
    let database = server.database().await?;
    let seed = format!(
        "CREATE TABLE public.days (day date NOT NULL, n int NOT NULL);
         INSERT INTO public.days SELECT current_date - d, d FROM generate_series(0, {} - 2) AS d; ANALYZE public.days",
        PARTITIONS
    );
    execute(&database, &seed).await?;
    let folder = tempfile::tempdir()?;
    let manifest = "type = \"partitioned_table\"\nquery = \"SELECT day, n FROM days\"\nprimary_key = [\"day\"]\n[partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 day\"\npremake = 1\n";
    std::fs::write(folder.path().join("by_day.toml"), manifest)?;
    ours(program, &folder, &database, &["apply", "--auto-approve", "--quiet"])?;
    // Its exit code says that there is nothing to change.
    let plan = || ours(program, &folder, &database, &["plan", "--detailed-exitcode"]);
    plan()?;
    let taken = (0..runs.max(5)).map(|_| plan()).collect::<Result<Vec<_>>>()?;
    server.stop().await?;
    let wall = Spread::seconds(taken);
    let mut row = vec![format!("{PARTITIONS} partitions, s")];
    row.extend(wall.cells(3));
    row.extend([TARGET.to_string(), verdict(wall.median, TARGET)]);
    table("plan with nothing to change", &["", "min", "median", "max", "target", "verdict"], &[row]);
    Ok(())
}
