//! The order of an exchange, and queries that read what is built aside.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{Decision, Mode};
use crate::sql::Query;
use crate::state::QName;

/// The relations that are exchanged, each after everything that depends on it in the database.
pub(super) fn dependents_first<'a, 'b>(members: &[&'b Decision<'a>]) -> Vec<&'b Decision<'a>> {
    let exchanged = members.iter().filter(|d| d.mode == Mode::Rebuild);
    let live: BTreeMap<&QName, &'b Decision<'a>> =
        exchanged.clone().filter_map(|d| Some((&d.target.live?.name, *d))).collect();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    // Without recursion: a chain may be long.
    for start in exchanged.rev() {
        let mut stack = vec![(*start, false)];
        while let Some((decision, below)) = stack.pop() {
            let Some(relation) = decision.target.live else { continue };
            if below {
                order.push(decision);
            } else if seen.insert(&relation.name) {
                stack.push((decision, true));
                let dependents = relation.dependents.iter().filter_map(|d| d.relation.as_ref());
                stack.extend(dependents.filter_map(|name| live.get(name)).map(|d| (*d, false)));
            }
        }
    }
    order
}

/// The query as declared, with references to what is built aside pointing there.
pub(super) fn query_text(decision: &Decision<'_>, aside: &BTreeMap<QName, QName>) -> String {
    let mart = decision.target.mart;
    if aside.is_empty() {
        return mart.query.clone();
    }
    let Ok(query) = Query::parse(&mart.query) else {
        return mart.query.clone();
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
