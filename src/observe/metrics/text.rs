//! OpenMetrics as text. <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::fmt::{Display, Write};

use crate::state::QName;

/// A text that grows by one family of metrics after the other.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// What a family is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// Without the ending of its samples.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram`, `info`.
    pub kind: &'static str,
    /// The ending of the name, where that is a unit.
    pub unit: Option<&'static str>,
    /// What it tells.
    pub help: &'static str,
}

/// The label of a mart, written once for all its samples.
pub(super) fn label(name: &QName) -> String {
    format!("datamart=\"{}\"", escaped(&name.to_string()))
}

impl Text {
    /// Begins a family.
    pub fn family(&mut self, family: Family) {
        let Family { name, kind, unit, help } = family;
        self.line(format_args!("# TYPE {name} {kind}"));
        if let Some(unit) = unit {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {}", escaped(help)));
    }

    /// One sample of the family that was begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        let mut before = '{';
        for (label, value) in labels {
            self.0.push(before);
            let _ = write!(self.0, "{label}=\"{}\"", escaped(value));
            before = ',';
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    /// One sample that a mart's label begins, see [`label`]; `more` are labels behind it, each with its comma.
    pub fn of_mart(&mut self, name: &str, label: &str, more: &str, value: impl Display) {
        for part in [name, "{", label, more, "} "] {
            self.0.push_str(part);
        }
        self.line(format_args!("{value}"));
    }

    /// The whole, with its end.
    pub fn end(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }
}

/// A label's value, or a help text.
fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['\\', '"', '\n']) {
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.family(Family { name: "a_seconds", kind: "gauge", unit: Some("seconds"), help: "One\ntwo" });
        text.sample("a_seconds", &[("datamart", "public.\"o\\d\nd\""), ("status", "failed")], 1.5);
        text.of_mart("a_seconds", &label(&QName::new("public", "o\\d")), ",le=\"1\"", 3);
        text.sample("a_seconds", &[], 2);
        assert_eq!(
            text.end(),
            "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds One\\ntwo\n\
             a_seconds{datamart=\"public.\\\"o\\\\d\\nd\\\"\",status=\"failed\"} 1.5\n\
             a_seconds{datamart=\"public.\\\"o\\\\d\\\"\",le=\"1\"} 3\na_seconds 2\n# EOF\n"
        );
    }
}
