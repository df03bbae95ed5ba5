//! A mart among the others: which one a name means, and an error in the file of one of them.

use std::collections::HashMap;
use std::ops::Range;

use super::declare::Declared;
use super::{Place, Problem, Severity};
use crate::state::QName;

/// An error in the file of a mart.
pub(super) fn error(mart: &Declared, span: Range<usize>, key: &str, message: String, help: String) -> Problem {
    Problem {
        severity: Severity::Error,
        file: mart.desired.file.clone(),
        place: Some(Place::new(mart.text.clone(), span)),
        key: Some(key.to_owned()),
        message,
        help: Some(help),
    }
}

/// The mart behind a name: in its schema, or in the first of the search path that has one.
pub(super) fn find(
    schema: Option<&str>,
    name: &str,
    search_path: &[String],
    known: &HashMap<QName, usize>,
) -> Option<QName> {
    let candidate = |schema: &str| {
        let name = QName::new(schema, name);
        known.contains_key(&name).then_some(name)
    };
    match schema {
        Some(schema) => candidate(schema),
        None => search_path.iter().find_map(|schema| candidate(schema)),
    }
}
