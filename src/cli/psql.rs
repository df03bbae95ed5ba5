//! `psql`: opens the database.

mod address;

use std::path::PathBuf;
use std::process::ExitStatus;

use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use super::args::{Globals, PsqlArgs};
use super::context;
use super::error::{CommandError, Result};
use super::print::Style;

/// Runs psql until it ends. The address goes through the environment, so that no list of processes shows a password.
pub async fn run(args: &PsqlArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let (desired, _) = context::load_or_project(globals, style)?;
    let reach = context::reach(globals, style, &desired).await?;
    let mut psql = tokio::process::Command::new(program());
    psql.args(&args.args).envs(address::variables(reach.endpoint.direct().url()));
    let status = ended(psql).await;
    reach.close().await?;
    match status {
        Ok(status) if status.success() => Ok(Exit::Done),
        Ok(_) => Ok(Exit::Failed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(CommandError::new("io", "psql is not installed").help("install the package postgresql-client"))
        }
        Err(error) => Err(CommandError::new("io", format!("cannot run psql: {error}"))),
    }
}

/// Waits for its end. Ctrl-C is for psql: it cancels a query there, and must not end this process.
async fn ended(mut psql: tokio::process::Command) -> std::io::Result<ExitStatus> {
    let mut child = psql.spawn()?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => {}
        }
    }
}

/// psql on PATH, else the newest below the folders where distributions keep PostgreSQL.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("psql").is_file()) {
        return PathBuf::from("psql");
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin/psql")).filter(|path| path.is_file());
    found.max().unwrap_or_else(|| PathBuf::from("psql"))
}
