//! `completions`: what a shell needs to complete our commands.

use clap::CommandFactory;

use super::Exit;
use super::args::{Cli, CompletionsArgs};
use super::error::{CommandError, Result};
use super::print;

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "datamart", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| CommandError::internal(format!("the script is not UTF-8: {error}")))?;
    print::out(&script);
    Ok(Exit::Done)
}
