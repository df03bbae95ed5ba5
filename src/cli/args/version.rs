//! The arguments of commands about versions.

use clap::Args;

/// `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The mart: name or schema.name
    pub name: String,
    /// The version to publish; the one before the published one unless given
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub to: Option<u32>,
    /// Hazards to allow, beside the policy's
    #[arg(long, value_name = "HAZARD", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Wait this long for another apply or refresh of ours
    #[arg(long, value_name = "DURATION", value_parser = super::duration, default_value = "0s")]
    pub lock_timeout: std::time::Duration,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The mart: name or schema.name
    pub name: String,
    /// A version; the one before B unless given
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub a: Option<u32>,
    /// Another one; the published one unless given
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub b: Option<u32>,
    /// How many rows of each kind are shown at most
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub limit: u32,
}
