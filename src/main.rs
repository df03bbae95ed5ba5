//! The command line of datamart: arguments in, results on stdout, everything else on stderr, one exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
