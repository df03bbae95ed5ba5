//! What is paid before any work: starting, reading manifests, the embedded server, the size of the binary.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use datamart::database::embedded::{self, Options};

use crate::program::Program;
use crate::report::{Spread, megabytes, table, verdict};
use crate::{Result, marts};

const MARTS: usize = 500;
/// Starting a server is slow enough to be told from noise.
const SERVERS: usize = 5;

/// Takes and prints the figures.
pub async fn measure(program: &Program, runs: usize) -> Result<()> {
    let help = times(runs, || program.run(["--help"]).map(|run| run.wall))?;
    let folder = marts::folder(MARTS)?;
    let validate = ["--dir".as_ref(), folder.path().as_os_str(), "validate".as_ref()];
    let validate = times(runs, || program.run(validate).map(|run| run.wall))?;
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for _ in 0..SERVERS.min(runs) {
        // The server's user has to reach it.
        let open = Permissions::from_mode(0o755);
        let root = tempfile::Builder::new().prefix("datamart-benchmark-").permissions(open).tempdir()?;
        first.push(server(&root).await?);
        later.push(server(&root).await?);
    }
    let row = |what: &str, spread: &Spread, target: f64| {
        let mut row = vec![what.to_owned()];
        row.extend(spread.cells(3));
        row.extend([target.to_string(), verdict(spread.median, target)]);
        row
    };
    let size = Spread::of([megabytes(program.bytes()?)]);
    let rows = [
        row("--help, s", &help, 0.010),
        row(&format!("validate of {MARTS}, s"), &validate, 0.100),
        row("embedded server, first start, s", &Spread::seconds(first), 2.0),
        row("embedded server, later, s", &Spread::seconds(later), 0.3),
        row("binary, MB", &size, 15.0),
    ];
    let head = ["", "min", "median", "max", "target", "verdict"];
    table(&format!("start, {runs} runs"), &head, &rows);
    Ok(())
}

fn times(runs: usize, once: impl Fn() -> Result<Duration>) -> Result<Spread> {
    once()?;
    let taken = (0..runs).map(|_| once()).collect::<Result<Vec<_>>>()?;
    Ok(Spread::seconds(taken))
}

/// The time until a durable server takes a session.
async fn server(root: &tempfile::TempDir) -> Result<Duration> {
    let begun = Instant::now();
    let embedded = embedded::start(Options::beside(root.path())).await?;
    let ready = begun.elapsed();
    embedded.stop().await?;
    Ok(ready)
}
