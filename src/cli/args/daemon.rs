//! `daemon`.

use clap::{Args, ValueEnum};

/// `daemon`.
#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// One pass: apply what the policy allows, refresh what is due; for CI and CronJobs
    #[arg(long)]
    pub once: bool,
    /// Answer over HTTP on this address, `127.0.0.1:8080`; off loopback DATAMART_API_TOKEN has to be set
    #[arg(long, value_name = "ADDR", conflicts_with = "once")]
    pub http: Option<String>,
    /// Read the manifests from this repository, again and again
    #[arg(long, value_name = "URL")]
    pub git: Option<String>,
    /// The branch
    #[arg(long, value_name = "B", requires = "git", default_value = "main")]
    pub branch: String,
    /// The manifests' folder in the repository; else that of --dir
    #[arg(long, value_name = "P", requires = "git")]
    pub path: Option<String>,
    /// Between two looks into the repository
    #[arg(long, value_name = "DURATION", requires = "git", value_parser = interval, default_value = "1m")]
    pub interval: std::time::Duration,
    /// The form of the log on stderr
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log: LogForm,
}

/// A repository is not asked without a pause.
fn interval(text: &str) -> Result<std::time::Duration, String> {
    match super::duration(text)? {
        std::time::Duration::ZERO => Err("at least 1s".to_owned()),
        some => Ok(some),
    }
}

/// The forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_asked_with_a_pause() {
        assert_eq!(interval("5s"), Ok(std::time::Duration::from_secs(5)));
        for none in ["0", "0s"] {
            assert_eq!(interval(none), Err("at least 1s".to_owned()), "{none}");
        }
    }
}
