//! What a plan has to look at.

use std::collections::BTreeSet;

use crate::catalog::Scope;
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
        scope.versioned.extend(mart.versions.is_some().then(|| mart.clone()));
        scope.roles.extend(mart.owner.iter().cloned());
        let grants = mart.grants.iter().flatten();
        scope.roles.extend(grants.map(|grant| grant.role.clone()));
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
    let names: BTreeSet<QName> = scope.names.clone();
    scope.sources.retain(|source| !names.contains(source));
    scope
}
