//! What a daemon says before and after its work, in the form of its log: who reads JSON gets nothing else.

use std::path::Path;

use datamart::manifest::Desired;

use super::args::LogForm;
use super::below::below;
use super::context;
use super::error::CommandError;
use super::print::Style;

/// What is worth a warning in the manifests.
pub fn warnings(desired: &Desired, repository: Option<&Path>, form: LogForm, style: Style) {
    let warnings = below(desired.warnings.clone(), repository);
    if form == LogForm::Text {
        return context::warn(&warnings, style);
    }
    for problem in &warnings {
        let file = problem.file.display().to_string();
        let line = problem.place.as_ref().map(|place| place.line);
        tracing::warn!(file, line, key = problem.key, help = problem.help, "{}", problem.message);
    }
}

/// Why it ended.
pub fn error(error: &CommandError, form: LogForm, style: Style) {
    if form == LogForm::Text || style.json() {
        return error.print(style);
    }
    let told = error.json();
    let word = |key: &str| told[key].as_str().map(str::to_owned);
    let problems = (!error.problems.is_empty()).then(|| told["problems"].to_string());
    let (kind, hint, file, line) = (error.kind, word("hint"), word("file"), told["line"].as_u64());
    tracing::error!(kind, hint, file, line, problems, "{}", word("message").unwrap_or_default());
}
