//! What stands against keeping what follows.

use std::collections::BTreeSet;

use super::aspect::Mode;
use super::decision::{Decision, Decisions};
use super::statement::next;
use super::{HazardKind, Refusal};
use crate::catalog::{Actual, Relation, Taken};
use crate::state::{Kind, QName, quote_ident};

/// What hangs on a follower that goes, and stays: nothing may.
fn refuse_left(refused: &mut Vec<Refusal>, live: &Relation, all: &Decisions<'_>) {
    let mut refuse = |message: String| {
        refused.push(Refusal {
            address: live.name.to_string(),
            hazard: HazardKind::BreaksDependents,
            message,
            allowable: false,
        });
    };
    let goes = |name: &QName| all.marts.iter().any(|d| d.mode == Mode::Drop && d.target.mart.name == *name);
    for dependent in &live.dependents {
        if !dependent.relation.as_ref().is_some_and(goes) {
            refuse(format!("the {} depends on {}, which cannot follow", dependent.label(), live.name));
        }
    }
    let depends = |name: &QName| live.dependents.iter().any(|dependent| dependent.relation.as_ref() == Some(name));
    for reader in all.marts.iter().filter(|d| d.mode != Mode::Drop && d.target.reads.contains(&live.name)) {
        let name = &reader.target.mart.name;
        if !depends(name) {
            refuse(format!("the mart {name} is to read {}, which cannot follow", live.name));
        }
    }
}

/// What stands against keeping followers, before anything is built: rights that are missing, names that are taken, rows that could
/// not be computed.
pub(super) fn refusals(decisions: &Decisions<'_>, actual: &Actual) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let moving: BTreeSet<&QName> = decisions.marts.iter().filter_map(|d| Some(&d.target.live?.name)).collect();
    for decision in decisions.marts.iter().filter(|d| d.target.follower.is_some()) {
        let name = &decision.target.mart.name;
        let (Some(live), Some(follower)) = (decision.target.live, actual.followers.get(name)) else { continue };
        let mut refuse = |message: String| {
            refused.push(Refusal {
                address: name.to_string(),
                hazard: HazardKind::BreaksDependents,
                message,
                allowable: false,
            });
        };
        if !follower.assumable {
            refuse(format!(
                "the {} {name} has to follow and belongs to {}, as which this role may not act: GRANT {} TO {};",
                live.kind.label(),
                live.owner,
                quote_ident(&live.owner),
                quote_ident(&actual.server.user)
            ));
        }
        if decision.mode == Mode::Drop {
            refuse_left(&mut refused, live, decisions);
            continue;
        }
        for right in &follower.lacks {
            refuse(format!(
                "the {} {name} has to follow and its owner may not make it again: GRANT {right} TO {};",
                live.kind.label(),
                quote_ident(&live.owner)
            ));
        }
        if let Some(denied) = decision.target.follower.and_then(|follower| follower.denied.as_ref()) {
            refuse(format!(
                "the {} {name} has to follow and its owner {} may not make it again: {denied}",
                live.kind.label(),
                live.owner
            ));
        }
        if decision.mode != Mode::Rebuild {
            continue;
        }
        for aside in live.indexes.keys().chain([&name.name]).map(|name| live.name.sibling(next(name))) {
            if let Some(taken) =
                actual.taken.get(&aside).filter(|taken| !moving.contains(&aside) && !is_left(&aside, taken, actual))
            {
                let what = match &taken.index_of {
                    Some(of) => format!("an index of {of}"),
                    None => format!("a {}", taken.kind.label()),
                };
                refuse(format!("{name} has to follow and is built as {aside}, which is {what}; rename or drop that"));
            }
        }
        if let Some(empty) = unpopulated(decision, live, actual) {
            refuse(format!(
                "{name} has to follow and reads {empty}, which is not populated: its rows could not be computed"
            ));
        }
    }
    refused
}

/// Whether an apply that was interrupted left it.
fn is_left(name: &QName, taken: &Taken, actual: &Actual) -> bool {
    [Some(name), taken.index_of.as_ref()].into_iter().flatten().any(|name| actual.left.contains_key(name))
}

/// A materialized view that holds no rows and that one with rows reads.
fn unpopulated<'a>(decision: &'a Decision<'_>, live: &Relation, actual: &'a Actual) -> Option<&'a QName> {
    let stores = decision.target.mart.kind == Kind::MaterializedView && live.populated;
    let empty = |name: &&QName| {
        // A mart is filled when it is built.
        let stays = actual.followers.contains_key(*name);
        actual.relations.get(*name).is_some_and(|relation| stays && !relation.populated)
    };
    decision.target.reads.iter().filter(|_| stores).find(empty)
}
