//! `--format`: the form of a result on stdout.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ValueEnum};

/// What may stand behind `--format`: the forms of every result, and those that only a drawing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// One object, for programs.
    Json,
    /// For a pull request's comment.
    Markdown,
    /// A drawing, as Mermaid reads it.
    #[value(hide = true)]
    Mermaid,
    /// A drawing, as Graphviz reads it.
    #[value(hide = true)]
    Dot,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One object, for programs.
    Json,
    /// For a pull request's comment.
    Markdown,
}

/// Both drawings are text.
impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Text | Form::Mermaid | Form::Dot => Self::Text,
            Form::Json => Self::Json,
            Form::Markdown => Self::Markdown,
        }
    }
}

/// `--format` of `graph`, where the forms of drawings are no secret; it stands for the global one.
pub fn drawn() -> Arg {
    let words = ["text", "mermaid", "dot", "json", "markdown"];
    Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .default_value("text")
        .value_parser(PossibleValuesParser::new(words).try_map(|word| Form::from_str(&word, false)))
        .help("The form of the result on stdout; text is Mermaid, markdown is Mermaid in a pull request's comment")
        .help_heading("Global options")
}
