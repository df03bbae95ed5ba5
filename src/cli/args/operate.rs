//! What may be written behind `suspend`, `resume` and `approve`.

use clap::Args;

/// `suspend`, `resume`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("among").required(true).args(["names", "all"]))]
pub struct AmongArgs {
    /// Marts
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The whole project, marts to come included
    #[arg(long)]
    pub all: bool,
}

/// `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The plan's fingerprint, as `status` shows it; its first 8 digits or more
    pub fingerprint: String,
}
