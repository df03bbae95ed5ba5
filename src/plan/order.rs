//! The order of an exchange, and queries that read what is built aside.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::Decision;
use crate::catalog::{Actual, Recorded};
use crate::sql::Query;
use crate::state::QName;

/// A relation that goes.
pub(super) enum Old<'a, 'b> {
    /// Another takes its place.
    Exchanged(&'b Decision<'a>),
    /// Its mart goes with it.
    Dropped(&'b Recorded),
}

/// The relations that are exchanged and the dropped marts that depend on them, each after everything that depends on
/// it in the database.
pub(super) fn dependents_first<'a, 'b>(
    members: &[&'b Decision<'a>],
    dropped: &BTreeMap<&QName, &'b Recorded>,
    actual: &Actual,
) -> Vec<Old<'a, 'b>> {
    let exchanged: BTreeMap<&QName, &'b Decision<'a>> =
        members.iter().filter(|d| d.goes()).filter_map(|d| Some((&d.target.live?.name, *d))).collect();
    let mut order = Vec::new();
    let mut seen: BTreeSet<&QName> = BTreeSet::new();
    // Without recursion: a chain may be long.
    for start in members.iter().rev().filter_map(|d| Some(&d.target.live?.name)) {
        let mut stack = vec![(start, false)];
        while let Some((name, below)) = stack.pop() {
            let Some(relation) = actual.relations.get(name) else { continue };
            let old = match (exchanged.get(name), dropped.get(name)) {
                (Some(decision), _) => Old::Exchanged(decision),
                (None, Some(recorded)) => Old::Dropped(recorded),
                (None, None) => continue,
            };
            if below {
                order.push(old);
            } else if seen.insert(&relation.name) {
                stack.push((name, true));
                let dependents = relation.dependents.iter().filter_map(|d| d.relation.as_ref());
                stack.extend(dependents.map(|name| (name, false)));
            }
        }
    }
    order
}

/// The query as declared, or the view of a fresh mart, with references to what is built aside pointing there, and whether rows are asked for.
pub(super) fn query_text(decision: &Decision<'_>, aside: &BTreeMap<QName, QName>) -> String {
    let rows = if decision.stays_empty() { "\nWITH NO DATA" } else { "" };
    format!("{}{rows}", pointed(decision, aside))
}

fn pointed(decision: &Decision<'_>, aside: &BTreeMap<QName, QName>) -> String {
    let mart = decision.target.mart;
    let text = decision.target.desired.view.as_ref().map_or(&mart.query, |view| &view.text);
    if aside.is_empty() {
        return text.clone();
    }
    let Ok(query) = Query::parse(text) else {
        return text.clone();
    };
    query.rewrite(|reference| {
        let read = match &reference.schema {
            Some(schema) => Some(QName::new(schema, &reference.name)),
            None => mart
                .search_path
                .iter()
                .map(|schema| QName::new(schema, &reference.name))
                .find(|name| decision.target.reads.contains(name)),
        };
        aside.get(&read?).cloned()
    })
}
