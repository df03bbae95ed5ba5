//! The only place that writes to stdout and stderr.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::args::{Color, Globals};
use super::format::{Form, Format};

/// Set when a result could not be written: a full disk is not a success.
static FAILED: AtomicBool = AtomicBool::new(false);

/// How to write, decided once.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The form of the result.
    pub format: Format,
    /// Colour on stdout.
    pub out_color: bool,
    /// Colour on stderr.
    pub err_color: bool,
    /// Nothing on stderr but errors.
    pub quiet: bool,
}

impl Style {
    /// From the flags, the environment and what the streams are.
    pub fn new(globals: &Globals) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let decide = |terminal: bool| match globals.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        Self {
            format: globals.format.into(),
            out_color: decide(std::io::stdout().is_terminal()) && globals.format == Form::Text,
            err_color: decide(std::io::stderr().is_terminal()),
            quiet: globals.quiet,
        }
    }

    /// Whether the result is one JSON object.
    pub fn json(self) -> bool {
        self.format == Format::Json
    }
}

/// A result, with a final newline.
pub fn out(text: &str) {
    write(&mut std::io::stdout().lock(), text);
}

/// A result as one JSON object.
pub fn json<T: Serialize>(value: &T) {
    let text = serde_json::to_string_pretty(value);
    // Our own types always serialise.
    out(&text.unwrap_or_else(|error| {
        format!("{{\"error\": {{\"kind\": \"internal\", \"message\": {:?}}}}}", error.to_string())
    }));
}

/// Something for people, beside the result.
pub fn err(text: &str) {
    write(&mut std::io::stderr().lock(), text);
}

/// Something for people that `--quiet` leaves out.
pub fn note(style: Style, text: &str) {
    if !style.quiet {
        err(text);
    }
}

/// A question on stderr, without a newline.
pub fn ask(text: &str) {
    let mut stream = std::io::stderr().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Whether a person sits before it.
pub fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether everything could be written.
pub fn complete() -> bool {
    !FAILED.load(Ordering::Relaxed)
}

fn write(stream: &mut impl Write, text: &str) {
    let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    let written = stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.write_all(newline.as_bytes()))
        .and_then(|()| stream.flush());
    match written {
        // Whoever read has seen enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(_) => FAILED.store(true, Ordering::Relaxed),
        Ok(()) => {}
    }
}

/// Help, version or a usage error, as clap words it, on the stream it belongs to.
pub fn help(error: &clap::Error) {
    if error.print().is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        FAILED.store(true, Ordering::Relaxed);
    }
}
