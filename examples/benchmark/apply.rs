//! The first `apply` of many materialized views, against the same statements through one psql session.

use std::process::Command;
use std::time::{Duration, Instant};

use datamart::database::Endpoint;
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

use crate::database::{Durability, Server, made};
use crate::program::{self, Program};
use crate::report::{Spread, table, verdict};
use crate::{Result, marts};

const MARTS: usize = 500;
const TARGET: f64 = 1.3;

/// Takes and prints the figures.
pub async fn measure(program: &Program, pairs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    let folder = marts::folder(MARTS)?;
    let script = tempfile::NamedTempFile::new()?;
    marts::script(MARTS, script.path())?;
    let psql = Command::new("psql").arg("--version").output().is_ok();
    let theirs = if psql { "psql" } else { "one session of the driver (psql was not found)" };
    let mut taken = Vec::new();
    for pair in 0..pairs {
        let (first, second) = (server.database().await?, server.database().await?);
        // Each goes first every other time.
        let (ours, other) = if pair % 2 == 0 {
            let ours = apply(program, &folder, &first).await?;
            (ours, statements(psql, script.path(), &second).await?)
        } else {
            let other = statements(psql, script.path(), &first).await?;
            (apply(program, &folder, &second).await?, other)
        };
        taken.push((ours, other));
    }
    server.stop().await?;
    let ratios = Spread::of(taken.iter().map(|(ours, other)| ours.as_secs_f64() / other.as_secs_f64()));
    let row = |name: &str, spread: Spread, target: String, verdict: String| {
        let mut row = vec![name.to_owned()];
        row.extend(spread.cells(2));
        row.extend([target, verdict]);
        row
    };
    let rows = [
        row("apply, s", Spread::seconds(taken.iter().map(|t| t.0)), String::new(), String::new()),
        row(&format!("{theirs}, s"), Spread::seconds(taken.iter().map(|t| t.1)), String::new(), String::new()),
        {
            let judged = verdict(ratios.median, TARGET);
            row("ratio, pair by pair", ratios, TARGET.to_string(), judged)
        },
    ];
    let head = ["", "min", "median", "max", "target", "verdict"];
    table(&format!("first apply of {MARTS} materialized views, {pairs} pairs"), &head, &rows);
    Ok(())
}

async fn apply(program: &Program, folder: &TempDir, database: &Endpoint) -> Result<Duration> {
    let dir = folder.path().as_os_str();
    let args = ["--dir".as_ref(), dir, "--database-url".as_ref(), database.url().as_ref()];
    let run = program.run(args.into_iter().chain(["apply".as_ref(), "--auto-approve".as_ref()]))?;
    complete(database).await?;
    Ok(run.wall)
}

async fn statements(psql: bool, script: &std::path::Path, database: &Endpoint) -> Result<Duration> {
    let wall = if psql {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script).arg(database.url());
        program::run(&mut command)?.wall
    } else {
        let begun = Instant::now();
        let mut conn = database.session("benchmark").await?;
        for statement in std::fs::read_to_string(script)?.split_inclusive(";\n") {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut conn).await?;
        }
        conn.close().await?;
        begun.elapsed()
    };
    complete(database).await?;
    Ok(wall)
}

/// Both sides have to do all of it.
async fn complete(database: &Endpoint) -> Result<()> {
    let wanted = i64::try_from(MARTS)?;
    match made(database).await? {
        found if found == (wanted, wanted) => Ok(()),
        (views, indexes) => Err(format!("{views} of {MARTS} materialized views, {indexes} indexes").into()),
    }
}
