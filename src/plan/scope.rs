//! What a plan has to look at.

use std::collections::BTreeSet;

use super::statement::next;
use crate::catalog::Scope;
use crate::manifest::Desired;
use crate::state::{Mart, QName, derived_name};

/// Everything the catalog is asked for, from the manifests alone.
pub fn scope(desired: &Desired, registry: Option<String>) -> Scope {
    let mut scope = Scope { project: desired.project.name.clone(), registry, ..Scope::default() };
    for desired in &desired.marts {
        let mart = &desired.mart;
        scope.names.insert(mart.name.clone());
        scope.names.extend(mart.renamed_from.iter().cloned());
        scope.taken.extend(names(mart).into_iter().map(|name| mart.name.sibling(name)));
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

/// The names a mart needs beside its own, sooner or later: of its indexes, and of what is built aside.
fn names(mart: &Mart) -> Vec<String> {
    let mut names = vec![next(&mart.name.name)];
    let key = (!mart.primary_key.is_empty()).then(|| derived_name(&mart.name.name, "_pkey"));
    for index in mart.indexes.iter().map(|index| index.name.clone()).chain(key) {
        names.push(next(&index));
        names.push(index);
    }
    names
}
