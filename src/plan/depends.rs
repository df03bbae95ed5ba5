//! What `depends_on` names beside marts.

use std::collections::HashSet;

use super::PlanProblem;
use super::decision::Decision;
use crate::catalog::Actual;
use crate::manifest::qualified;
use crate::state::{Mart, Part, QName};

/// What a name in `depends_on` may mean: in its schema or along the search path; one with a dot in it also as it stands.
pub(super) fn candidates(text: &str, mart: &Mart) -> Vec<QName> {
    let said = qualified(text, "");
    let along = |name: &str| -> Vec<QName> { mart.search_path.iter().map(|schema| QName::new(schema, name)).collect() };
    match said.schema.is_empty() {
        true => along(&said.name),
        false => [said].into_iter().chain(along(text)).collect(),
    }
}

/// Names that are neither a mart nor a relation of the database.
pub(super) fn problems(decision: &Decision<'_>, declared: &HashSet<&QName>, actual: &Actual) -> Vec<PlanProblem> {
    let desired = decision.target.desired;
    let mart = &desired.mart;
    let is_there = |name: &QName| declared.contains(name) || actual.relations.contains_key(name);
    let unknown = mart.depends_on.iter().filter(|text| !candidates(text, mart).iter().any(is_there));
    unknown
        .map(|text| PlanProblem {
            mart: desired.part.as_ref().map_or(&mart.name, Part::mart).clone(),
            file: desired.file.clone(),
            key: "depends_on".to_owned(),
            message: format!("{text:?} is neither a mart nor a relation of the database"),
            help: "write its name as it is, with its schema where that is not on the search path; or remove it"
                .to_owned(),
        })
        .collect()
}
