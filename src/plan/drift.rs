//! Drift, as it is told.

use similar::TextDiff;

use super::Drift;
use super::aspect::Difference;
use super::declared::subject;
use super::target::Target;
use crate::state::Part;

/// One drifted aspect of a mart.
pub(crate) fn item(target: &Target<'_>, difference: &Difference) -> Drift {
    let subject = subject(difference);
    let many = subject.starts_with("grants") || subject == "columns";
    let verb = match (&difference.expected, &difference.actual) {
        (None, Some(_)) => "added",
        (Some(_), None) => "removed",
        _ => "changed",
    };
    let (name, kind, of) = match &target.desired.part {
        None => (&target.mart.name, target.mart.kind, String::new()),
        Some(Part::Stable { whole, .. }) => (&whole.name, whole.kind, String::new()),
        Some(Part::Version { of, number, .. }) => (of, target.mart.kind, format!(" of version {number}")),
    };
    let message = format!("{subject}{of} {} {verb}", if many { "were" } else { "was" });
    Drift {
        address: name.to_string(),
        kind,
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
