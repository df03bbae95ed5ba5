//! Marts as selectors see them.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::ObserveError;
use crate::catalog::{Actual, Recorded, behind};
use crate::manifest::{Desired, DesiredMart};
use crate::state::QName;
use crate::state::selector::Node;

/// States by mart, as `state:` asks for them.
pub type States = BTreeMap<QName, BTreeSet<String>>;

/// The marts that are declared and, where the database was read, those that only the registry knows.
pub fn nodes(desired: &Desired, actual: Option<&Actual>, states: &States) -> Vec<Node> {
    let mut nodes: Vec<Node> = desired.marts.iter().map(|mart| declared(mart, actual)).collect();
    if let Some(actual) = actual {
        let known: BTreeSet<QName> = nodes.iter().map(|node| node.name.clone()).collect();
        let orphans = actual.recorded.iter().filter(|(name, _)| !known.contains(name));
        nodes.extend(orphans.map(|(name, row)| recorded(name, row)));
    }
    for node in &mut nodes {
        node.states.extend(states.get(&node.name).into_iter().flatten().cloned());
    }
    nodes
}

/// Adds what the marts read through plain views that are no marts.
///
/// # Errors
/// What the server says.
pub async fn look_through_views(conn: &mut PgConnection, nodes: &mut [Node]) -> Result<(), ObserveError> {
    let marts: BTreeSet<QName> = nodes.iter().map(|node| node.name.clone()).collect();
    let read: BTreeSet<QName> =
        nodes.iter().flat_map(|n| &n.upstream).filter(|n| !marts.contains(n)).cloned().collect();
    let behind = behind(conn, &read).await?;
    for node in nodes {
        let through: Vec<QName> = node.upstream.iter().filter_map(|view| behind.get(view)).flatten().cloned().collect();
        node.upstream.extend(through);
    }
    Ok(())
}

fn declared(mart: &DesiredMart, actual: Option<&Actual>) -> Node {
    let mut upstream = mart.upstream.clone();
    for read in &mart.reads {
        let candidates: Vec<QName> = match &read.schema {
            Some(schema) => vec![QName::new(schema, &read.name)],
            None => mart.mart.search_path.iter().map(|schema| QName::new(schema, &read.name)).collect(),
        };
        if candidates.iter().any(|name| mart.upstream.contains(name)) {
            continue;
        }
        let live = actual.and_then(|a| candidates.iter().find(|name| a.relations.contains_key(name)));
        match live {
            Some(name) => {
                upstream.insert(name.clone());
            }
            // Without the database any of them may be meant.
            None => upstream.extend(candidates),
        }
    }
    Node {
        name: mart.mart.name.clone(),
        tags: mart.mart.tags.clone(),
        path: mart.path.clone(),
        upstream,
        states: BTreeSet::new(),
    }
}

fn recorded(name: &QName, row: &Recorded) -> Node {
    Node {
        name: name.clone(),
        tags: row.mart.tags.clone(),
        path: String::new(),
        upstream: row.applied.reads.values().map(|read| read.name.clone()).collect(),
        states: BTreeSet::new(),
    }
}
