//! Upstream first; and the cycles that make that impossible.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::among::{error, find};
use super::declare::Declared;
use super::{DesiredMart, Problem};
use crate::state::QName;

/// Reports each cycle once, as the way around it, at the reference that begins it.
pub(super) fn cycles(declared: &[Declared], known: &HashMap<QName, usize>, problems: &mut Vec<Problem>) {
    let mut graph: DiGraph<usize, ()> = DiGraph::with_capacity(declared.len(), declared.len());
    let nodes: Vec<NodeIndex> = (0..declared.len()).map(|i| graph.add_node(i)).collect();
    for (i, mart) in declared.iter().enumerate() {
        for name in &mart.desired.upstream {
            if let Some(up) = known.get(name) {
                graph.update_edge(nodes[i], nodes[*up], ());
            }
        }
    }
    let mut found: Vec<Vec<usize>> = tarjan_scc(&graph)
        .into_iter()
        .map(|part| part.into_iter().map(|n| graph[n]).collect::<Vec<_>>())
        .filter(|part| match part.as_slice() {
            [one] => declared[*one].desired.upstream.contains(&declared[*one].desired.mart.name),
            _ => true,
        })
        .map(|part| around(declared, known, &part))
        .collect();
    found.sort();
    for way in found {
        problems.extend(cycle(declared, known, &way));
    }
}

/// The shortest way from the first mart by name back to itself.
fn around(declared: &[Declared], known: &HashMap<QName, usize>, part: &[usize]) -> Vec<usize> {
    let name = |i: usize| &declared[i].desired.mart.name;
    let Some(start) = part.iter().copied().min_by_key(|i| name(*i)) else {
        return Vec::new();
    };
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(i) = queue.pop_front() {
        for up in declared[i].desired.upstream.iter().filter_map(|n| known.get(n)) {
            if *up == start {
                let mut way = vec![start, i];
                let mut at = i;
                while let Some(before) = came_from.get(&at) {
                    way.push(*before);
                    at = *before;
                }
                way.dedup();
                way.reverse();
                if way.len() == 1 {
                    way.push(start);
                }
                return way;
            }
            if !came_from.contains_key(up) {
                came_from.insert(*up, i);
                queue.push_back(*up);
            }
        }
    }
    Vec::new()
}

fn cycle(declared: &[Declared], known: &HashMap<QName, usize>, way: &[usize]) -> Option<Problem> {
    let (first, second) = (declared.get(*way.first()?)?, declared.get(*way.get(1)?)?);
    let schema = &first.desired.mart.name.schema;
    let one_schema = way.iter().all(|i| declared[*i].desired.mart.name.schema == *schema);
    let label = |i: &usize| {
        let name = &declared[*i].desired.mart.name;
        if one_schema { crate::state::quote_ident(&name.name) } else { name.to_string() }
    };
    let labels: Vec<String> = way.iter().map(label).collect();
    let files: Vec<String> = way[..way.len() - 1]
        .iter()
        .map(|i| format!("{} is {}", label(i), declared[*i].desired.file.display()))
        .collect();
    let help = if way.len() == 2 {
        "a mart cannot read itself; if another relation is meant, write its schema".to_owned()
    } else {
        format!("take one reference out: {}", files.join(", "))
    };
    let mart = &first.desired;
    let next = &second.desired.mart.name;
    let reference = mart.reads.iter().find(|read| {
        let found = find(read.schema.as_deref(), &read.name, &mart.mart.search_path, known);
        found.as_ref() == Some(next)
    });
    let message = format!("dependency cycle: {}", labels.join(" → "));
    let mut problem = error(first, first.spans.query.clone(), "query", message, help);
    if let Some(read) = reference {
        let source = &mart.query_source;
        let span = source.file_span(&mart.mart.query, read.span.clone());
        problem.place = Some(super::Place::new(source.text.clone(), span));
        problem.file = source.file.clone();
    }
    Some(problem)
}

/// Upstream first; by name among those that are ready. Marts of a cycle come last.
pub(super) fn sort(declared: Vec<Declared>) -> Vec<DesiredMart> {
    let mut marts: BTreeMap<QName, DesiredMart> =
        declared.into_iter().map(|d| (d.desired.mart.name.clone(), d.desired)).collect();
    let mut waiting: HashMap<QName, usize> = HashMap::with_capacity(marts.len());
    let mut downstream: HashMap<QName, Vec<QName>> = HashMap::with_capacity(marts.len());
    let mut ready = BinaryHeap::new();
    for (name, mart) in &marts {
        if mart.upstream.is_empty() {
            ready.push(Reverse(name.clone()));
        }
        waiting.insert(name.clone(), mart.upstream.len());
        for up in &mart.upstream {
            downstream.entry(up.clone()).or_default().push(name.clone());
        }
    }
    let mut sorted = Vec::with_capacity(marts.len());
    while let Some(Reverse(name)) = ready.pop() {
        for down in downstream.remove(&name).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(&down) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(down));
                }
            }
        }
        sorted.extend(marts.remove(&name));
    }
    sorted.extend(marts.into_values());
    sorted
}
