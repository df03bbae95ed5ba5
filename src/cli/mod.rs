//! The command line: one file per command, `print.rs` the only printing, `report/` the forms of results.

mod apply;
mod approve;
pub mod args;
mod below;
mod check;
mod check_migration;
mod claim;
mod completions;
pub mod context;
mod daemon;
mod diff;
mod drift;
mod drop;
pub mod error;
mod explain;
pub mod fitting;
mod format;
mod graph;
mod hint;
mod history;
mod import;
mod init;
mod interrupt;
mod list;
mod locate;
mod logged;
mod plan;
mod preview;
pub mod print;
mod progress;
mod psql;
mod refresh;
pub mod report;
mod rollback;
mod schema;
mod select;
mod snapshot;
mod stats;
mod status;
mod superuser;
mod suspend;
mod unlock;
mod url;
mod validate;
mod verify;
mod versions;
mod whoami;

use std::future::Future;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tokio::signal::unix::SignalKind;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use args::{Cli, Command, Globals, LogForm};
use error::CommandError;
use print::Style;
pub use whoami::{host, who};

/// How a command ended, without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Something failed, and was told.
    Failed,
    /// Differences were found.
    Differences,
}

/// Reads the arguments, runs the command, tells its error.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(args::arguments(std::env::args_os())).and_then(fitting::fitting) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let style = Style::new(&cli.globals);
    let form = match &cli.command {
        Command::Daemon(args) => {
            log_of_daemon(args.log, cli.globals.verbose, style);
            args.log
        }
        _ => {
            log(cli.globals.verbose, style);
            LogForm::Text
        }
    };
    let exit = match dispatch(cli.command, &cli.globals, style) {
        Ok(exit) => exit,
        Err(error) => {
            logged::error(&error, form, style);
            Exit::Failed
        }
    };
    match exit {
        Exit::Done if print::complete() => ExitCode::SUCCESS,
        Exit::Done | Exit::Failed => ExitCode::from(1),
        Exit::Differences => ExitCode::from(2),
    }
}

fn dispatch(command: Command, globals: &Globals, style: Style) -> Result<Exit, CommandError> {
    match command {
        Command::Init(args) => init::run(&args, globals, style),
        Command::Validate => validate::run(globals, style),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Plan(args) => wait(stoppable(plan::run(&args, globals, style))),
        Command::Apply(args) => wait(apply::run(&args, globals, style)),
        Command::Refresh(args) => wait(refresh::run(&args, globals, style)),
        Command::Daemon(args) => wait(daemon::run(&args, globals, style)),
        Command::Check(args) => wait(stoppable(check::run(&args, globals, style))),
        Command::CheckMigration(args) => wait(check_migration::run(&args, globals, style)),
        Command::Drift => wait(stoppable(drift::run(globals, style))),
        Command::Import(args) => wait(stoppable(import::run(&args, globals, style))),
        Command::Status => wait(stoppable(status::run(globals, style))),
        Command::List(args) => wait(stoppable(list::run(&args, globals, style))),
        Command::Stats(args) => wait(stoppable(stats::run(&args, globals, style))),
        Command::Preview(args) => wait(stoppable(preview::run(&args, globals, style))),
        Command::History(args) => wait(stoppable(history::run(&args, globals, style))),
        Command::Versions(args) => wait(stoppable(versions::run(&args, globals, style))),
        Command::Diff(args) => wait(stoppable(diff::run(&args, globals, style))),
        Command::Rollback(args) => wait(rollback::run(&args, globals, style)),
        Command::Explain(args) => wait(stoppable(explain::run(&args, globals, style))),
        Command::Verify(args) => wait(verify::run(&args, globals, style)),
        Command::Graph(args) => wait(stoppable(graph::run(&args, globals, style))),
        Command::Drop(args) => wait(drop::run(&args, globals, style)),
        Command::Psql(args) => wait(psql::run(&args, globals, style)),
        Command::Url => wait(stoppable(url::run(globals, style))),
        Command::Suspend(args) => wait(stoppable(suspend::suspend(&args, globals, style))),
        Command::Resume(args) => wait(stoppable(suspend::resume(&args, globals, style))),
        Command::Approve(args) => wait(stoppable(approve::run(&args, globals, style))),
        Command::Unlock(args) => wait(stoppable(unlock::run(&args, globals, style))),
        Command::Claim => wait(stoppable(claim::run(globals, style))),
    }
}

/// Runs a command that needs the database.
fn wait(command: impl Future<Output = Result<Exit, CommandError>>) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::internal(format!("cannot start: {error}")))?;
    runtime.block_on(command)
}

/// Ends a command that changes nothing at the first signal, so that what it holds is given back.
async fn stoppable(command: impl Future<Output = Result<Exit, CommandError>>) -> Result<Exit, CommandError> {
    let listen = |kind| {
        tokio::signal::unix::signal(kind)
            .map_err(|error| CommandError::internal(format!("cannot listen for signals: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        done = command => done,
        _ = interrupt.recv() => Err(CommandError::new("cancelled", "interrupted")),
        _ = terminate.recv() => Err(CommandError::new("cancelled", "terminated")),
    }
}

/// Help and version are results; everything else is a usage error, told in the form that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        print::help(error);
        return if print::complete() { ExitCode::SUCCESS } else { ExitCode::from(1) };
    }
    if wants_json(std::env::args_os()) {
        CommandError::usage(error).print_json();
    } else {
        print::help(error);
    }
    ExitCode::from(1)
}

/// Whether `--format json` was given, as far as arguments that do not parse can tell.
fn wants_json(args: impl Iterator<Item = std::ffi::OsString>) -> bool {
    let args: Vec<_> = args.collect();
    args.iter().any(|arg| arg == "--format=json")
        || args.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// The log of a daemon, to stderr: what it does, with `--quiet` only what goes wrong.
fn log_of_daemon(form: LogForm, verbose: u8, style: Style) {
    let level = match (style.quiet, verbose) {
        (true, _) => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let wanted = Targets::new().with_target("datamart", level);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(style.err_color).with_target(false);
    match form {
        LogForm::Text => tracing_subscriber::registry().with(lines.with_filter(wanted)).init(),
        LogForm::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
        }
    }
}

/// Logs of the libraries, to stderr and only by `-v`.
fn log(verbose: u8, style: Style) {
    let wanted = match verbose {
        0 => return,
        1 => Targets::new().with_target("datamart", LevelFilter::DEBUG),
        _ => Targets::new().with_target("datamart", LevelFilter::TRACE).with_target("sqlx", LevelFilter::DEBUG),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(style.err_color);
    tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
}
