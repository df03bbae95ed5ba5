//! Which changes share a transaction, and which have to wait for another's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::aspect::Mode;
use super::decision::{Decision, Decisions};
use crate::catalog::Actual;
use crate::state::QName;

/// How many marts one transaction may hold: thousands of relations exhaust the lock table.
/// <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION>
const MARTS_PER_TRANSACTION: usize = 500;

/// Either the transactions, as indexes into the decisions in order, or a view that has to be built aside.
pub(crate) enum Schedule {
    Transactions(Vec<Vec<usize>>),
    BuildAside(Vec<QName>),
}

/// Groups decisions (upstream first) into transactions.
///
/// A relation that is exchanged and everything that reads it are published together, all old or all new: a view between
/// two of them is built aside as well, so that what reads it need not wait. What is built from a view that can only be
/// changed in place (it is somebody else's, or such a relation depends on it) waits until that view is published; where both are asked for,
/// the view is built aside all the same.
///
/// What a function of a mart's query reads (`depends_on`) cannot be pointed at what is built aside: the mart waits until
/// that is published. Where it cannot, because they are tied to each other, it does not.
pub(crate) fn schedule(
    all: &Decisions<'_>,
    dropped: &BTreeSet<QName>,
    declared: &BTreeSet<QName>,
    actual: &Actual,
) -> Schedule {
    let decisions = &all.marts;
    let ties = ties(decisions, dropped, actual);
    let reads = reads(all);
    let between = reads.iter().filter(|(down, up)| decisions[*down].exchanges() && movable(&decisions[*up], declared));
    let between: BTreeSet<&QName> = between.map(|(_, up)| &decisions[*up].target.mart.name).collect();
    if !between.is_empty() {
        return Schedule::BuildAside(between.into_iter().cloned().collect());
    }
    match stages(decisions, &reads, &ties, true).or_else(|| stages(decisions, &reads, &ties, false)) {
        Some(stage) => Schedule::Transactions(chunks(&stage, &reads, &ties)),
        None => Schedule::BuildAside(
            decisions.iter().filter(|d| d.mode == Mode::InPlace).map(|d| d.target.mart.name.clone()).collect(),
        ),
    }
}

/// Whether a view that changes in place may as well be exchanged: nothing is lost with the relation it is.
fn movable(decision: &Decision<'_>, declared: &BTreeSet<QName>) -> bool {
    let target = &decision.target;
    let ours = |relation: &Option<QName>| relation.as_ref().is_some_and(|name| declared.contains(name));
    let guarded = target.mart.prevent_destroy && target.recorded.is_some_and(|r| r.mart.prevent_destroy);
    decision.mode == Mode::InPlace
        && target.follower.is_none()
        && !guarded
        && target.live.is_some_and(|live| {
            live.extras.is_empty() && live.dependents.iter().all(|d| d.kind != "rule" && ours(&d.relation))
        })
}

/// The stage of each decision; `None` where they wait for each other.
fn stages(
    decisions: &[Decision<'_>],
    reads: &[(usize, usize)],
    ties: &[(usize, usize)],
    functions: bool,
) -> Option<Vec<usize>> {
    let hidden = |down: usize, up: usize| {
        let (down, up) = (&decisions[down].target, &decisions[up]);
        let name = &up.target.mart.name;
        functions && up.mode == Mode::Rebuild && down.desired.upstream.contains(name) && !down.reads.contains(name)
    };
    let waits =
        |down: usize, up: usize| decisions[down].builds() && (decisions[up].mode == Mode::InPlace || hidden(down, up));
    let most = reads.iter().filter(|(down, up)| waits(*down, *up)).count();
    let mut stage = vec![0usize; decisions.len()];
    loop {
        let mut moved = false;
        for &(down, up) in reads {
            let least = stage[up] + usize::from(waits(down, up));
            if stage[down] < least {
                stage[down] = least;
                moved = true;
            }
        }
        for &(a, b) in ties {
            let least = stage[a].max(stage[b]);
            if stage[a] != least || stage[b] != least {
                stage[a] = least;
                stage[b] = least;
                moved = true;
            }
        }
        if !moved {
            return Some(stage);
        }
        if stage.iter().any(|s| *s > most) {
            return None;
        }
    }
}

/// Pairs that are published together: an exchanged relation and what depends on it in the database, perhaps through
/// marts that go.
fn ties(decisions: &[Decision<'_>], dropped: &BTreeSet<QName>, actual: &Actual) -> Vec<(usize, usize)> {
    let live: BTreeMap<&QName, usize> =
        decisions.iter().enumerate().filter_map(|(i, d)| Some((&d.target.live?.name, i))).collect();
    let mut ties = Vec::new();
    for (i, decision) in decisions.iter().enumerate() {
        if !decision.goes() {
            continue;
        }
        let mut relations: Vec<_> = decision.target.live.into_iter().collect();
        let mut seen: BTreeSet<&QName> = BTreeSet::new();
        while let Some(relation) = relations.pop() {
            for dependent in relation.dependents.iter().filter_map(|d| d.relation.as_ref()) {
                match live.get(dependent) {
                    Some(&other) => ties.push((i, other)),
                    // A mart that goes has to go first, and what reads it has to leave it before that.
                    None if dropped.contains(dependent) && seen.insert(dependent) => {
                        relations.extend(actual.relations.get(dependent));
                    }
                    None => {}
                }
            }
        }
    }
    ties
}

/// Stages in order, each cut into transactions that never part what is tied, upstream first.
fn chunks(stage: &[usize], reads: &[(usize, usize)], ties: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<usize, ()> = DiGraph::with_capacity(stage.len(), stage.len() * 2);
    let nodes: Vec<NodeIndex> = (0..stage.len()).map(|i| graph.add_node(i)).collect();
    for &(down, up) in reads {
        graph.add_edge(nodes[down], nodes[up], ());
    }
    for &(a, b) in ties {
        graph.add_edge(nodes[a], nodes[b], ());
        graph.add_edge(nodes[b], nodes[a], ());
    }
    // What each part needs comes before it.
    let mut stages: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
    for part in tarjan_scc(&graph) {
        let members: Vec<usize> = part.into_iter().map(|node| graph[node]).collect();
        stages.entry(stage[members[0]]).or_default().push(members);
    }
    let mut transactions = Vec::new();
    for parts in stages.into_values() {
        let mut current: Vec<usize> = Vec::new();
        for members in parts {
            if !current.is_empty() && current.len() + members.len() > MARTS_PER_TRANSACTION {
                current.sort_unstable();
                transactions.push(std::mem::take(&mut current));
            }
            current.extend(members);
        }
        current.sort_unstable();
        transactions.push(current);
    }
    transactions
}

/// Pairs of decisions, the first of which reads the second, perhaps through views that stay as they are.
fn reads(all: &Decisions<'_>) -> Vec<(usize, usize)> {
    let index: HashMap<&QName, usize> = all.marts.iter().enumerate().map(|(i, d)| (&d.target.mart.name, i)).collect();
    let mut reads = Vec::new();
    for (i, decision) in all.marts.iter().enumerate() {
        for name in decision.target.reads.union(&decision.target.desired.upstream) {
            let beyond = all.through.get(name).into_iter().flatten();
            reads.extend(beyond.chain([name]).filter_map(|name| Some((i, *index.get(name)?))));
        }
    }
    reads
}
