//! Collecting the problems of one file.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Place, Problem, Severity};

/// A file's text and what is wrong with it.
pub(super) struct Report {
    pub file: PathBuf,
    pub text: Arc<str>,
    pub problems: Vec<Problem>,
}

impl Report {
    pub fn new(file: PathBuf, text: Arc<str>) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    /// An error at `span`, about `key`.
    pub fn error(
        &mut self,
        span: Range<usize>,
        key: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<Help>,
    ) {
        self.push(Severity::Error, span, key.into(), message.into(), help.into());
    }

    /// A warning at `span`, about `key`.
    pub fn warning(
        &mut self,
        span: Range<usize>,
        key: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<Help>,
    ) {
        self.push(Severity::Warning, span, key.into(), message.into(), help.into());
    }

    fn push(&mut self, severity: Severity, span: Range<usize>, key: String, message: String, help: Help) {
        self.problems.push(Problem {
            severity,
            file: self.file.clone(),
            place: Some(Place::new(self.text.clone(), span)),
            key: (!key.is_empty()).then_some(key),
            message,
            help: help.0,
        });
    }
}

/// What to write instead, perhaps.
pub(super) struct Help(pub Option<String>);

impl From<&str> for Help {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl From<String> for Help {
    fn from(text: String) -> Self {
        Self(Some(text))
    }
}

impl From<Option<String>> for Help {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}
