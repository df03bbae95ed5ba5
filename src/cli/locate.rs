//! Where a key stands in a manifest.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use datamart::database::SqlError;
use datamart::manifest::{Desired, Place, Problem, Severity};
use toml::de::{DeTable, DeValue};

/// The place of a dotted key (`refresh.timeout`), or of the nearest section above it that is there.
pub fn locate(file: &Path, key: &str) -> Option<Place> {
    let text: Arc<str> = std::fs::read_to_string(file).ok()?.into();
    let span = span(&text, key)?;
    Some(Place::new(text, span))
}

/// A line of a file, counted from 1.
pub fn at_line(file: &Path, line: usize) -> Option<Place> {
    let text: Arc<str> = std::fs::read_to_string(file).ok()?.into();
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    for before in lines.by_ref().take(line.checked_sub(1)?) {
        start += before.len();
    }
    let end = start + lines.next()?.trim_end().len();
    Some(Place::new(text.clone(), start..end))
}

/// The place in the user's files that an error of a statement is about, where the mart's query stands in it as written.
pub fn in_query(sql: &str, error: &SqlError, address: &str, desired: &Desired) -> Vec<Problem> {
    let find = || {
        let mart = desired.marts.iter().find(|d| d.mart.name.to_string() == address)?;
        let before = sql[..sql.find(&mart.mart.query)?].chars().count();
        let (file, place) = mart.place_of(error.position?.checked_sub(before)?)?;
        Some(Problem {
            severity: Severity::Error,
            file,
            place: Some(place),
            key: Some("query".to_owned()),
            message: error.message.clone(),
            help: error.hint.clone(),
        })
    };
    find().into_iter().collect()
}

/// A number in the key counts the items of a list from 0: `indexes.1`.
fn span(text: &str, key: &str) -> Option<Range<usize>> {
    let parsed = DeTable::parse(text).ok()?;
    let mut parts = key.split('.');
    let (name, mut value) = parsed.get_ref().get_key_value(parts.next()?)?;
    let mut found = name.span();
    for part in parts {
        value = match value.get_ref() {
            DeValue::Table(inner) => {
                let Some((name, value)) = inner.get_key_value(part) else { break };
                found = name.span();
                value
            }
            DeValue::Array(items) => {
                let Some(item) = part.parse().ok().and_then(|at: usize| items.get(at)) else { break };
                found = item.span();
                item
            }
            _ => break,
        };
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn keys_are_found_or_their_section() {
        let text = "type = 'view'\n[refresh]\ntimeout = '1h'\n";
        let at = |key: &str| span(text, key).map(|range| text[range].to_owned());
        assert_eq!(at("type").as_deref(), Some("type"));
        assert_eq!(at("refresh.timeout").as_deref(), Some("timeout"));
        assert_eq!(at("refresh.strategy").as_deref(), Some("refresh"));
        assert_eq!(at("grants"), None);
        let text = "[[indexes]]\ncolumns = ['a']\n[[indexes]]\ncolumns = ['b']\n";
        assert_eq!(span(text, "indexes.1").map(|range| range.start), text.rfind("[[indexes]]"));
    }
}
