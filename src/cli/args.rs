//! What may be written on the command line.

mod daemon;
mod given;
mod operate;
mod version;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use datamart::refresh::MOST_DAYS;

pub use daemon::{DaemonArgs, LogForm};
pub use given::arguments;
pub use operate::{AmongArgs, ApproveArgs, VerifyArgs};
pub use version::{DiffArgs, RollbackArgs};

pub use super::format::Format;
use super::format::{self, Form};

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "datamart",
    version,
    about = "Declarative GitOps reconciler for PostgreSQL data marts",
    after_help = "Selectors: name, \"Name with spaces\", schema.name, glob, tag:T, path:P, schema:S, +x with what it reads, \
                  x+ with what reads it;\nspace is union, comma is intersection; state:new|changed|drifted|stale|failed.\n\
                  Exit codes: 0 done or nothing to do, 1 an error, 2 differences found (drift, plan --detailed-exitcode).",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = false
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command; they stand before or after it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The folder with the manifests
    #[arg(long, global = true, value_name = "DIR", default_value = "datamarts")]
    pub dir: PathBuf,
    /// The database; else DATABASE_URL, else project.toml, else the embedded server it declares
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The form of the result on stdout; `graph` also knows mermaid and dot
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub format: Form,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more on stderr; twice says most
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Replaces [database], [policy], [limits] and [[notifications]] of project.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a small working project
    Init(InitArgs),
    /// Read the manifests and report every problem; no database needed
    Validate,
    /// Show what apply would do, and why
    Plan(PlanArgs),
    /// Bring the database to what the manifests say
    Apply(ApplyArgs),
    /// Show what changed in the database behind the manifests' back
    Drift,
    /// Show which marts someone's DDL would break, block or slow; nothing stays
    CheckMigration(CheckMigrationArgs),
    /// Write manifests for the views and materialized views that a database has
    Import(ImportArgs),
    /// Bring data up to date, in dependency order, in parallel
    Refresh(RefreshArgs),
    /// Reconcile and refresh for ever: fresh on schedule, as the manifests say
    Daemon(DaemonArgs),
    /// Run the data checks alone, on what is published
    Check(CheckArgs),
    /// Show how the marts are: state, freshness, last run
    Status,
    /// List the marts
    List(ListArgs),
    /// Show one mart: exact rows, size, columns, use of indexes, ages
    Stats(NameArgs),
    /// Show some rows of a mart
    Preview(PreviewArgs),
    /// Show the runs of one or all marts
    History(HistoryArgs),
    /// List the versions of a mart: number, rows, size, which one is published
    Versions(NameArgs),
    /// Publish an older version of a mart, at once, and pin it in its manifest
    Rollback(RollbackArgs),
    /// Compare two versions of a mart: definitions and rows
    Diff(DiffArgs),
    /// Compare marts with their queries, row by row
    Verify(VerifyArgs),
    /// Show the plan of the refresh that would run now, its method and why
    Explain(NameArgs),
    /// Remove a mart that no manifest declares
    Drop(DropArgs),
    /// Let no refresh of these marts begin by itself until they are resumed
    Suspend(AmongArgs),
    /// Let refreshes of suspended marts begin by themselves again
    Resume(AmongArgs),
    /// Let the daemon apply the plan that waits, hazards included
    Approve(ApproveArgs),
    /// Draw the marts, what they read and how they are: Mermaid, Graphviz or JSON
    Graph(GraphArgs),
    /// Print the JSON Schema of mart and project files
    Schema(SchemaArgs),
    /// Print what a shell needs to complete our commands
    Completions(CompletionsArgs),
    /// Open the database with psql
    Psql(PsqlArgs),
    /// Print the database's URL, password included
    Url,
    /// Show who holds our locks; end a session by its pid
    Unlock(UnlockArgs),
    /// Take over a registry that came with a restored or cloned database
    Claim,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where; made if missing
    #[arg(value_name = "DIR")]
    pub target: Option<PathBuf>,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Write the plan to this file, for `apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit 2 when something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// What the plan covers.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// What `plan` and `apply` share.
#[derive(Debug, Clone, Default, Args)]
pub struct ChangeArgs {
    /// Only these marts, and what must follow them
    #[arg(long, value_name = "SELECTOR")]
    pub select: Option<String>,
    /// Hazards to allow, beside the policy's
    #[arg(long, value_name = "HAZARD", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Remove marts whose file is gone
    #[arg(long)]
    pub prune: bool,
}

/// `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Apply exactly this saved plan
    #[arg(value_name = "FILE", conflicts_with_all = ["select", "prune", "heal"])]
    pub file: Option<PathBuf>,
    /// Do not ask; hazards are not allowed by this
    #[arg(long)]
    pub auto_approve: bool,
    /// Put back what was changed by hand
    #[arg(long)]
    pub heal: bool,
    /// Wait this long for another apply or refresh of ours
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub lock_timeout: std::time::Duration,
    /// What the plan covers.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `check-migration`.
#[derive(Debug, Args)]
pub struct CheckMigrationArgs {
    /// The migration, in SQL; - reads it from stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How long one of its statements may run, and hold its locks; 0 is for ever
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    pub statement_timeout: std::time::Duration,
}

/// `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Only these schemas; all but the system's and ours unless given
    #[arg(long, value_name = "SCHEMA", value_delimiter = ',')]
    pub schema: Vec<String>,
    /// Only relations whose name or schema.name matches
    #[arg(long, value_name = "GLOB")]
    pub like: Vec<String>,
    /// Not those whose name or schema.name matches
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub kind: Option<ImportKind>,
    /// Record them as they are, so that the next plan is empty
    #[arg(long)]
    pub adopt: bool,
}

/// The kinds that store their query, and one whose structure is worth having.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ImportKind {
    /// Views.
    View,
    /// Materialized views.
    MaterializedView,
    /// Partitioned tables: drafts, to which the query has to be added.
    PartitionedTable,
}

/// `refresh`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["names", "all", "select"]))]
pub struct RefreshArgs {
    /// Marts
    #[arg(value_name = "NAME", conflicts_with_all = ["all", "select"])]
    pub names: Vec<String>,
    /// Every mart
    #[arg(long, conflicts_with = "select")]
    pub all: bool,
    /// These marts; `orders+` is what reads the source table orders
    #[arg(long, value_name = "SELECTOR")]
    pub select: Option<String>,
    /// Compute all rows
    #[arg(long, conflicts_with_all = ["incremental", "smart"])]
    pub full: bool,
    /// Compute what [refresh.incremental] says, where a mart has that
    #[arg(long, conflicts_with = "smart")]
    pub incremental: bool,
    /// Of marts with a window: compute this many days of the past
    #[arg(long, value_name = "N", requires = "incremental", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    pub days: Option<u32>,
    /// As --incremental while the newest data is young, else as --full
    #[arg(long)]
    pub smart: bool,
    /// Whether readers must not wait, instead of what the manifests say
    #[arg(long, value_name = "BOOL")]
    pub concurrent: Option<bool>,
    /// Queue behind a run in progress, instead of stopping
    #[arg(long, conflicts_with = "lock_timeout")]
    pub wait: bool,
    /// Wait this long for another apply or refresh of ours
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub lock_timeout: std::time::Duration,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Marts; all of them unless given
    #[arg(value_name = "NAME", conflicts_with = "select")]
    pub names: Vec<String>,
    /// These marts
    #[arg(long, value_name = "SELECTOR")]
    pub select: Option<String>,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// With rows and sizes
    #[arg(long)]
    pub stats: bool,
}

/// One mart.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// The mart: name or schema.name
    pub name: String,
}

/// `preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The mart: name or schema.name
    pub name: String,
    /// How many rows at most
    #[arg(long, value_name = "N", default_value_t = 10, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub limit: u32,
}

/// `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only this mart: name or schema.name
    pub name: Option<String>,
}

/// `drop`.
#[derive(Debug, Args)]
pub struct DropArgs {
    /// The mart: name or schema.name
    pub name: String,
    /// Also the managed marts that read it, if no manifest declares them
    #[arg(long)]
    pub cascade: bool,
}

/// `graph`.
#[derive(Debug, Args)]
#[command(arg = format::drawn())]
pub struct GraphArgs {
    /// Only these marts, and what they read
    #[arg(long, value_name = "SELECTOR")]
    pub select: Option<String>,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of which file; both in one object unless given
    pub of: Option<SchemaOf>,
}

/// The files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A mart's file.
    Mart,
    /// project.toml.
    Project,
}

/// `psql`.
#[derive(Debug, Args)]
pub struct PsqlArgs {
    /// What psql gets
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// `unlock`.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// End the session with this pid, if it holds one of our locks
    #[arg(long, value_name = "PID")]
    pub kill: Option<i32>,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    if text.trim() == "0" {
        return Ok(std::time::Duration::ZERO);
    }
    let seconds = datamart::state::parse_duration(text)?;
    if seconds > datamart::state::MOST_SECONDS {
        return Err("PostgreSQL takes no timeout above 24 days".to_owned());
    }
    Ok(std::time::Duration::from_secs(seconds))
}
