//! Drift, as it is told.

use similar::TextDiff;

use super::Drift;
use super::aspect::Difference;
use super::declared::subject;
use super::target::Target;

/// One drifted aspect of a mart.
pub(crate) fn item(target: &Target<'_>, difference: &Difference) -> Drift {
    let subject = subject(difference);
    let many = subject.starts_with("grants") || subject == "columns";
    let verb = match (&difference.expected, &difference.actual) {
        (None, Some(_)) => "added",
        (Some(_), None) => "removed",
        _ => "changed",
    };
    let message = format!("{subject} {} {verb}", if many { "were" } else { "was" });
    Drift {
        address: target.address(),
        kind: target.mart.kind,
        aspect: difference.aspect.clone(),
        message,
        expected: difference.expected.clone(),
        actual: difference.actual.clone(),
        diff: unified(
            difference.expected.as_deref().unwrap_or_default(),
            difference.actual.as_deref().unwrap_or_default(),
            "as applied",
            "in the database",
        ),
    }
}

/// A unified diff; empty where there is no difference.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    let line = |text: &str| match text {
        "" => String::new(),
        text => format!("{}\n", text.trim_end()),
    };
    let (old, new) = (line(old), line(new));
    if old == new {
        return String::new();
    }
    TextDiff::from_lines(&old, &new).unified_diff().context_radius(3).header(old_name, new_name).to_string()
}
