//! What a plan has to look at.

use std::collections::BTreeSet;

use super::depends::candidates;
use crate::catalog::{Actual, CaptureScope, Scope};
use crate::manifest::Desired;
use crate::state::QName;

/// Everything the catalog is asked for, from the manifests alone.
pub fn scope(desired: &Desired, registry: Option<String>) -> Scope {
    let mut scope = Scope { project: desired.project.name.clone(), registry, ..Scope::default() };
    for desired in &desired.marts {
        let mart = &desired.mart;
        scope.names.insert(mart.name.clone());
        scope.names.extend(mart.renamed_from.iter().cloned());
        if !mart.renamed_from.is_empty() {
            scope.earlier.insert(mart.name.clone(), mart.renamed_from.clone());
        }
        scope.taken.extend(mart.names_beside());
        let divided = mart.partition.as_ref().filter(|_| mart.versions.is_none());
        scope.divided.extend(divided.map(|_| mart.name.clone()));
        scope.versioned.extend(mart.versions.is_some().then(|| mart.clone()));
        scope.roles.extend(mart.owner.iter().cloned());
        let grants = mart.grants.iter().flatten();
        scope.roles.extend(grants.map(|grant| grant.role.clone()));
        scope.sources.extend(mart.depends_on.iter().flat_map(|text| candidates(text, mart)));
        for read in &desired.reads {
            match &read.schema {
                Some(schema) => {
                    scope.sources.insert(QName::new(schema, &read.name));
                }
                None => {
                    let path = mart.search_path.iter();
                    scope.sources.extend(path.map(|schema| QName::new(schema, &read.name)));
                }
            }
        }
    }
    scope.capture = Some(CaptureScope {
        registry: desired.project.registry_schema.clone(),
        behind: desired.marts.iter().any(|mart| mart.mart.notices_writes()),
    });
    let names: BTreeSet<QName> = scope.names.clone();
    scope.sources.retain(|source| !names.contains(source));
    scope
}

/// The marts whose queries have to be understood to plan `selected`: these, what may have to follow them, and what they
/// read and does not exist yet.
pub fn concerned(desired: &Desired, actual: &Actual, selected: &BTreeSet<QName>) -> BTreeSet<QName> {
    let mut concerned = selected.clone();
    let parts = desired.marts.iter().filter(|mart| mart.part.as_ref().is_some_and(|p| selected.contains(p.mart())));
    concerned.extend(parts.map(|mart| mart.mart.name.clone()));
    // Upstream stands first: one way down for what follows, one way up for what is missing.
    for mart in &desired.marts {
        if mart.upstream.iter().any(|up| concerned.contains(up)) {
            concerned.insert(mart.mart.name.clone());
        }
    }
    for mart in desired.marts.iter().rev().filter(|mart| selected.contains(&mart.mart.name)) {
        concerned.extend(mart.upstream.iter().filter(|up| !actual.relations.contains_key(*up)).cloned());
    }
    concerned
}
