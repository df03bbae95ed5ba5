//! Which marts are refreshed together: those that follow changes, one of another.

use std::collections::BTreeMap;

use super::choose::follows;
use super::{Facts, Item, Run};
use crate::state::{QName, Strategy};

/// What became of a mart that was to be refreshed in one transaction with others.
#[derive(Debug, Clone)]
pub enum Along {
    /// It was refreshed, or failed.
    Ran(Box<Run>),
    /// Nothing that it reads changed.
    Unneeded,
    /// It has to be refreshed by itself.
    Alone,
}

/// Of each item, the number of the chain that it is a part of; `None` where it is refreshed alone.
pub(super) fn chains(items: &[Item]) -> Vec<Option<usize>> {
    let stored: BTreeMap<&QName, usize> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| can(item))
        .map(|(at, item)| (&item.recorded.mart.name, at))
        .collect();
    let follows = |item: &Item| -> Vec<usize> {
        let sources = item.recorded.applied.changes.iter().flat_map(|changes| &changes.sources);
        sources.filter_map(|source| stored.get(&source.table).copied()).collect()
    };
    let mut chains: Vec<Option<usize>> = vec![None; items.len()];
    for (at, item) in items.iter().enumerate().filter(|(_, item)| can(item)) {
        for other in follows(item) {
            let into = chains[at].or(chains[other]).unwrap_or(at);
            let before = chains[other].filter(|other| *other != into);
            chains
                .iter_mut()
                .filter(|chain| before.is_some() && **chain == before)
                .for_each(|chain| *chain = Some(into));
            (chains[at], chains[other]) = (Some(into), Some(into));
        }
    }
    chains
}

/// Adds those of a chain's items to `together` that can go now, each behind what it reads: that is `there`, or goes along.
pub(super) fn along(items: &[Item], together: &mut Vec<usize>, chain: &[usize], there: impl Fn(&QName) -> bool) {
    loop {
        let goes = |up: &QName| there(up) || together.iter().any(|other| items[*other].mart == *up);
        let ready = |at: &usize| !together.contains(at) && items[*at].upstream.iter().all(goes);
        let Some(next) = chain.iter().copied().find(ready) else { return };
        together.push(next);
    }
}

impl Item {
    /// Whether it may be refreshed in one transaction with others.
    pub fn goes_along(&self) -> bool {
        can(self)
    }
}

/// Whether its rows follow changes, as far as that is known before anything is read.
fn can(item: &Item) -> bool {
    let mart = &item.recorded.mart;
    // Writers that keep a mart wait for its refresh, or that of what it reads, which is to be short: they would wait for the others.
    let kept = item.feeds || mart.refresh.strategy == Strategy::OnCommit;
    let alone = item.series.is_some() || mart.partition.is_some();
    !alone && !kept && follows(&item.recorded, &item.asked, &Facts::default())
}
