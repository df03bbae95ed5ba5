//! Which forms go with which command.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::args::{Cli, Command};
use super::format::Form;

/// Refuses the forms that only `graph` has, for any other command.
///
/// # Errors
/// A usage error that names them.
pub fn fitting(cli: Cli) -> Result<Cli, clap::Error> {
    let word = match cli.globals.format {
        Form::Text | Form::Json | Form::Markdown => return Ok(cli),
        Form::Mermaid => "mermaid",
        Form::Dot => "dot",
    };
    if matches!(cli.command, Command::Graph(_)) {
        return Ok(cli);
    }
    let message = format!("only `graph` has '--format {word}'; every other command takes text, json or markdown");
    Err(Cli::command().error(ErrorKind::InvalidValue, message))
}
