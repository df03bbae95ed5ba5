//! A manifest that is there, with what changed in the database.

use super::live::grants;
use super::{Findings, Note};
use crate::catalog::{Applied, Relation};
use crate::compile::canonical;
use crate::manifest::DesiredMart;
use crate::plan::same_grants;
use crate::state::{ColumnDecl, Mart, Strategy};

/// The manifest's mart, with what of `live` changed in the database since it was applied. Where nothing was applied yet, the database is right
/// in all that it says, and what it does not say stays. A query that changed in both stays the manifest's.
pub(super) fn merge(
    desired: &DesiredMart,
    live: Mart,
    relation: &Relation,
    findings: &Findings<'_>,
    notes: &mut Vec<Note>,
) -> Mart {
    let base = findings.actual.recorded.get(&live.name).map(|recorded| &recorded.applied);
    let mut mart = desired.mart.clone();
    if !same_query(&mart, relation, base, findings) {
        if base.is_some_and(|base| base.query != mart.query_fingerprint().0) {
            let message = format!(
                "its query changed in the database, and in {} too: the manifest stays as it is, and the next plan would change the database",
                desired.file.display()
            );
            notes.push(Note { relation: live.name.clone(), message });
        } else {
            mart.query = live.query;
            mart.session.extend(live.session);
        }
    }
    if base.is_none_or(|base| base.comment != live.description) {
        mart.description = changed(mart.description, live.description, base.is_some());
    }
    columns(&mut mart, &live.columns, relation, base);
    options(&mut mart, live.with, base);
    indexes(&mut mart, live.indexes, relation, base);
    if base.is_none_or(|base| base.owner != relation.owner) {
        mart.owner = live.owner;
    }
    if base.is_none_or(|base| base.tablespace != relation.tablespace) {
        mart.tablespace = changed(mart.tablespace, live.tablespace, base.is_some());
    }
    let major = findings.actual.server.major();
    let regranted = base.is_none_or(|base| !same_grants(&base.grants, &relation.grants, major));
    let declared = mart.grants.as_deref();
    let differ = || !same_grants(declared.unwrap_or_default(), &relation.grants, major);
    if regranted && ((declared.is_some() && differ()) || (declared.is_none() && live.grants.is_some())) {
        mart.grants = Some(grants(&relation.grants));
    }
    let unscheduled = mart.refresh.strategy == Strategy::Manual
        && mart.refresh.schedule.is_empty()
        && mart.refresh.target_lag.is_none();
    if base.is_none() && unscheduled && !live.refresh.schedule.is_empty() {
        mart.refresh.strategy = live.refresh.strategy;
        mart.refresh.schedule = live.refresh.schedule;
        mart.refresh.after = false;
    }
    mart
}

/// A mart whose relation is of another kind now: as it is, with what only people say.
pub(super) fn of_another_kind(declared: &Mart, live: Mart) -> Mart {
    Mart {
        search_path: declared.search_path.clone(),
        tags: declared.tags.clone(),
        renamed_from: declared.renamed_from.clone(),
        depends_on: declared.depends_on.clone(),
        prevent_destroy: declared.prevent_destroy,
        metadata: declared.metadata.clone(),
        description: live.description.clone().or_else(|| declared.description.clone()),
        ..live
    }
}

/// A value that differs in the database: what is there now. What is gone goes from the manifest only where it was known to have been there.
fn changed<T>(declared: Option<T>, live: Option<T>, known: bool) -> Option<T> {
    match live {
        Some(live) => Some(live),
        None if known => None,
        None => declared,
    }
}

fn same_query(mart: &Mart, relation: &Relation, base: Option<&Applied>, findings: &Findings<'_>) -> bool {
    let same_major = base.filter(|base| base.major == findings.actual.server.major());
    let unchanged = same_major.zip(relation.definition.as_ref());
    if unchanged.is_some_and(|(base, live)| canonical(&base.definition) == canonical(live)) {
        return true;
    }
    let settled = |of: &std::collections::BTreeMap<_, crate::compile::Restated>| {
        of.get(&mart.name).map(|restated| restated.canonical.clone())
    };
    settled(findings.declared) == settled(findings.live)
}

fn columns(
    mart: &mut Mart,
    live: &std::collections::BTreeMap<String, ColumnDecl>,
    relation: &Relation,
    base: Option<&Applied>,
) {
    for column in &relation.columns {
        let was = base.and_then(|base| base.columns.iter().find(|was| was.name == column.name));
        if base.is_some() && was.map(|was| &was.comment) == Some(&column.comment) {
            continue;
        }
        let declared = mart.columns.get(&column.name).and_then(|said| said.description.clone());
        let now = live.get(&column.name).and_then(|said| said.description.clone());
        let description = changed(declared, now, base.is_some());
        let said = mart.columns.entry(column.name.clone()).or_default();
        said.description = description;
        if *said == ColumnDecl::default() {
            mart.columns.remove(&column.name);
        }
    }
}

fn options(mart: &mut Mart, live: std::collections::BTreeMap<String, String>, base: Option<&Applied>) {
    if let Some(base) = base {
        let gone = base.options.keys().filter(|key| !live.contains_key(*key));
        gone.for_each(|key| drop(mart.with.remove(key)));
    }
    for (key, value) in live {
        if base.is_none_or(|base| base.options.get(&key) != Some(&value)) {
            mart.with.insert(key, value);
        }
    }
}

fn indexes(mart: &mut Mart, live: Vec<crate::state::IndexDecl>, relation: &Relation, base: Option<&Applied>) {
    if let Some(base) = base {
        mart.indexes
            .retain(|index| relation.indexes.contains_key(&index.name) || !base.indexes.contains_key(&index.name));
    }
    for index in live {
        let is = relation.indexes.get(&index.name);
        if base.is_some_and(|base| base.indexes.get(&index.name) == is) {
            continue;
        }
        match mart.indexes.iter_mut().find(|declared| declared.name == index.name) {
            Some(declared) => *declared = index,
            None => mart.indexes.push(index),
        }
    }
}
