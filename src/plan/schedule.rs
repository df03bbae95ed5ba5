//! Which changes share a transaction, and which have to wait for another's.

use std::collections::BTreeMap;

use super::decision::{Decision, Mode};
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
/// A relation that is exchanged and everything that reads it are published together. What is built from a view that
/// changes in place waits until that view is published; where both are asked for, the view is built aside as well.
pub(crate) fn schedule(decisions: &[Decision<'_>]) -> Schedule {
    let index: BTreeMap<&QName, usize> = decisions
        .iter()
        .enumerate()
        .map(|(i, d)| (&d.target.mart.name, i))
        .collect();
    let ties = ties(decisions);
    let mut stage = vec![0usize; decisions.len()];
    loop {
        let mut moved = false;
        for (i, decision) in decisions.iter().enumerate() {
            for read in &decision.target.reads {
                let Some(&up) = index.get(read) else { continue };
                let waits = decisions[up].mode == Mode::InPlace && decision.builds();
                let least = stage[up] + usize::from(waits);
                if stage[i] < least {
                    stage[i] = least;
                    moved = true;
                }
            }
        }
        for &(a, b) in &ties {
            let least = stage[a].max(stage[b]);
            if stage[a] != least || stage[b] != least {
                stage[a] = least;
                stage[b] = least;
                moved = true;
            }
        }
        if !moved {
            break;
        }
        if stage.iter().any(|s| *s > decisions.len()) {
            let aside = decisions
                .iter()
                .filter(|d| d.mode == Mode::InPlace)
                .map(|d| d.target.mart.name.clone())
                .collect();
            return Schedule::BuildAside(aside);
        }
    }
    Schedule::Transactions(chunks(&stage, &ties))
}

/// Pairs that are published together: an exchanged relation and what depends on it in the database.
fn ties(decisions: &[Decision<'_>]) -> Vec<(usize, usize)> {
    let live: BTreeMap<&QName, usize> = decisions
        .iter()
        .enumerate()
        .filter_map(|(i, d)| Some((&d.target.live?.name, i)))
        .collect();
    let mut ties = Vec::new();
    for (i, decision) in decisions.iter().enumerate() {
        if decision.mode != Mode::Rebuild {
            continue;
        }
        let dependents = decision.target.live.into_iter().flat_map(|live| &live.dependents);
        for dependent in dependents {
            if let Some(&other) = dependent.relation.as_ref().and_then(|name| live.get(name)) {
                ties.push((i, other));
            }
        }
    }
    ties
}

/// Stages in order, each cut into transactions that never part what is tied.
fn chunks(stage: &[usize], ties: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut group: Vec<usize> = (0..stage.len()).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for &(a, b) in ties {
            let least = group[a].min(group[b]);
            changed |= group[a] != least || group[b] != least;
            group[a] = least;
            group[b] = least;
        }
    }
    let mut stages: BTreeMap<usize, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
    for (i, stage) in stage.iter().enumerate() {
        stages.entry(*stage).or_default().entry(group[i]).or_default().push(i);
    }
    let mut transactions = Vec::new();
    for groups in stages.into_values() {
        let mut current: Vec<usize> = Vec::new();
        for members in groups.into_values() {
            if !current.is_empty() && current.len() + members.len() > MARTS_PER_TRANSACTION {
                current.sort_unstable();
                transactions.push(std::mem::take(&mut current));
            }
            current.extend(members);
        }
        if !current.is_empty() {
            current.sort_unstable();
            transactions.push(current);
        }
    }
    transactions
}
