//! A problem in a file, with all that is needed to show it.

use std::path::PathBuf;
use std::sync::Arc;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The manifests cannot be used.
    Error,
    /// They can.
    Warning,
}

/// Where in a file, 1-based; `column` counts characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// Bytes in the file's text.
    pub span: std::ops::Range<usize>,
    /// The file's whole text.
    pub text: Arc<str>,
}

impl Place {
    /// A place from a span of bytes in a text.
    pub fn new(text: Arc<str>, span: std::ops::Range<usize>) -> Self {
        let start = floor(&text, span.start);
        let end = floor(&text, span.end).max(start);
        let line = text[..start].matches('\n').count() + 1;
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let column = text[line_start..start].chars().count() + 1;
        Self { line, column, span: start..end, text }
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What is wrong, where, and what to write instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// Where in it; `None` is the file as a whole.
    pub place: Option<Place>,
    /// The key it is about, dotted: `refresh.schedule`.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text: Arc<str> = "año = 1\nb = é\n".into();
        let place = Place::new(text.clone(), 13..15);
        assert_eq!((place.line, place.column), (2, 5));
        assert_eq!(&text[place.span], "é");
    }
}
