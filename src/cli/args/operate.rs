//! What may be written behind `suspend`, `resume`, `approve` and `verify`.

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

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Marts
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Compare only so many percent of the keys
    #[arg(long, value_name = "N%", value_parser = percent)]
    pub sample: Option<f64>,
    /// Compute all rows of the marts that are wrong
    #[arg(long)]
    pub repair: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: Result<f64, _> = text.trim_end_matches('%').trim().parse();
    number.ok().filter(|n| *n > 0.0 && *n <= 100.0).ok_or_else(|| "a part of the keys, such as 5%".to_owned())
}
