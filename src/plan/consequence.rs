//! What a change costs others: hazards, and what stands against it.

use std::collections::BTreeSet;

use super::aspect::{Difference, Fix, Mode};
use super::grants::GrantFix;
use super::target::Target;
use super::{Hazard, HazardKind, Refusal, divided, place, weight};
use crate::catalog::{Actual, Relation, is_frozen, is_history};
use crate::state::{Kind, Mart, PUBLICATION_TRIES, Piece, QName, quote_ident, quote_role};

/// What hangs on a relation that is exchanged and will not follow.
pub(super) fn refuse_lost(
    refused: &mut Vec<Refusal>,
    live: &Relation,
    managed: &BTreeSet<&QName>,
    target: &Target<'_>,
    differences: &[Difference],
) {
    for dependent in &live.dependents {
        let ours = dependent.kind != "rule" && dependent.relation.as_ref().is_some_and(|name| managed.contains(name));
        if !ours {
            refused.push(Refusal {
                address: target.address(),
                hazard: HazardKind::BreaksDependents,
                message: format!(
                    "the {} depends on {} and is not managed; drop it, or declare it as a mart",
                    dependent.label(),
                    live.name
                ),
                allowable: false,
            });
        }
    }
    for loss in place::lost(target, differences, live) {
        refused.push(Refusal {
            address: target.address(),
            hazard: HazardKind::BreaksDependents,
            message: loss.message,
            allowable: loss.allowable,
        });
    }
    // A versioned mart loses nothing: what is published stays as an older version.
    let guarded = target.desired.part.is_none()
        && target.recorded.is_some_and(|r| r.mart.prevent_destroy)
        && target.mart.prevent_destroy;
    if guarded {
        refused.push(Refusal {
            address: target.address(),
            hazard: HazardKind::DeletesData,
            message: format!(
                "{} has prevent_destroy = true; take it out of its manifest to replace the mart",
                live.name
            ),
            allowable: false,
        });
    }
}

/// What the change of a live mart means.
pub(super) fn hazards(
    target: &Target<'_>,
    live: &Relation,
    mode: Mode,
    accepted: &[Difference],
    actual: &Actual,
    publish_lock_timeout_ms: u64,
) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let filled = target.follower.is_none() || live.populated;
    if mode == Mode::Rebuild && target.has_data() && filled {
        let (name, readers) = (&live.name, weight::readers(live));
        let message = if live.kind.is(Kind::View) {
            format!("{name} is computed, aside, while the view serves{readers}")
        } else {
            let cost = weight::size(live, actual) + &weight::computed(&target.mart.name, live, actual);
            format!("{name} is computed anew, aside, while the old rows serve: {cost}{readers}")
        };
        let message = message + &published(publish_lock_timeout_ms);
        hazards.push(Hazard::new(HazardKind::RebuildsData, message));
        if actual.server.replicas > 0 {
            hazards.push(Hazard::new(
                HazardKind::ConflictsWithReplicaQueries,
                format!("long queries on {} that read {} may be cancelled", weight::replicas(actual), live.name),
            ));
        }
    }
    if mode == Mode::Rebuild && !live.empty && !live.kind.is(Kind::View) {
        hazards.extend(rows_that_go(target, live, actual));
    }
    hazards.extend(place::published(live).filter(|_| mode == Mode::Rebuild));
    for difference in accepted {
        match &difference.fix {
            Fix::CreateIndex(name) | Fix::ReplaceIndex(name) if mode != Mode::Rebuild => {
                hazards.push(Hazard::new(HazardKind::IndexBuild, concurrently(&format!("index {name}"), live, actual)));
            }
            Fix::PrimaryKey { old } if mode != Mode::Rebuild && target.mart.primary_key.is_empty() => {
                let old = old.as_deref().unwrap_or_default();
                hazards.push(Hazard::new(
                    HazardKind::IndexDropped,
                    format!("the primary key {old} goes, and its index{}", weight::index(live, old, actual)),
                ));
            }
            Fix::PrimaryKey { .. } if mode != Mode::Rebuild => {
                hazards.push(Hazard::new(HazardKind::IndexBuild, concurrently("the primary key's index", live, actual)))
            }
            Fix::DropIndex(name) | Fix::DropConstraint(name) => hazards.push(Hazard::new(
                HazardKind::IndexDropped,
                format!("index {name} goes{}", weight::index(live, name, actual)),
            )),
            Fix::Owner(owner) => hazards.push(Hazard::new(
                HazardKind::AuthzUpdate,
                format!("{owner} owns it instead of {}, who keeps what is granted", live.owner),
            )),
            Fix::Grant(fix) => hazards.push(Hazard::new(HazardKind::AuthzUpdate, granted(fix))),
            _ => {}
        }
    }
    hazards.extend(partitions(target, live, accepted));
    hazards.extend(target.history_that_goes());
    hazards
}

/// Rows that nothing computes again once the relation is another.
fn rows_that_go(target: &Target<'_>, live: &Relation, actual: &Actual) -> Vec<Hazard> {
    let mut messages = Vec::new();
    let sources: Vec<_> = target.reads.iter().filter_map(|name| actual.relation(name)).collect();
    // Of what others read not everything is known.
    let known = target.follower.is_none() || sources.len() == target.reads.len();
    let stored: Vec<_> = sources.iter().filter(|s| s.kind.is(Kind::Table)).collect();
    if known && !stored.is_empty() && stored.iter().all(|s| s.empty) {
        messages.push(format!("every table that {} reads is empty; its rows could not be computed again", live.name));
    }
    let before = target.recorded.map(|recorded| &recorded.mart);
    if let Some(history) = before.into_iter().chain([target.mart]).find_map(Mart::history) {
        let again = if target.has_data() { "are computed again from what its sources have now" } else { "go" };
        messages.push(format!("rows of {} that {history} {again}", live.name));
    }
    messages.into_iter().map(|message| Hazard::new(HazardKind::DeletesData, message)).collect()
}

/// What becomes of the rows of partitions.
fn partitions(target: &Target<'_>, live: &Relation, accepted: &[Difference]) -> Vec<Hazard> {
    let told = |of: Vec<&QName>, one: &str, many: &str| {
        let names: Vec<String> = of.into_iter().map(QName::to_string).collect();
        let (noun, verb) = if names.len() == 1 { ("partition", one) } else { ("partitions", many) };
        format!("{noun} {} {verb}", divided::names(names.iter().map(String::as_str)))
    };
    let dropped = accepted.iter().filter_map(|difference| match &difference.fix {
        Fix::DropPartition(name) => Some(name),
        _ => None,
    });
    // What is not kept any more goes because somebody said so; of what is frozen nothing else is left.
    let frozen = |name: &&QName| {
        let attached = live.partitions.iter().find(|attached| attached.name == **name);
        attached.is_some_and(|attached| is_history(target.mart, live, attached, target.now))
    };
    let dropped = dropped.filter(frozen);
    let filled = accepted.iter().flat_map(|difference| match &difference.fix {
        Fix::CreatePartition { name, filled: true, .. } => vec![name],
        Fix::DetachPartition { instead, .. } => instead.iter().filter(|(_, filled)| *filled).map(|(n, _)| n).collect(),
        _ => Vec::new(),
    });
    let (dropped, filled): (Vec<&QName>, Vec<&QName>) = (dropped.collect(), filled.collect());
    let mut hazards = Vec::new();
    if !dropped.is_empty() {
        let (one, many) = (
            "is older than is kept, and is dropped with its frozen rows",
            "are older than is kept, and are dropped with their frozen rows",
        );
        hazards.push(Hazard::new(HazardKind::DeletesData, told(dropped, one, many)));
    }
    let first = target.recorded.and_then(|recorded| Some(recorded.applied.divided.as_ref()?.first.as_str()));
    let history = |name: &&&QName| {
        let piece = target.pieces.iter().find(|piece| piece.name == ***name);
        // Before the first that there was are those that only now are asked for.
        let was = |from: &str| first.is_none_or(|first| from >= first);
        let was = |piece: &&Piece| piece.range.as_ref().is_some_and(|(from, _)| was(from));
        piece.filter(was).is_some_and(|piece| is_frozen(target.mart, live, piece, target.now))
    };
    let lost: Vec<&QName> = filled.iter().filter(history).copied().collect();
    if !lost.is_empty() {
        let (one, many) = (
            "is gone with rows that were frozen; attach it again, or it gets what its query still has",
            "are gone with rows that were frozen; attach them again, or they get what their query still has",
        );
        hazards.push(Hazard::new(HazardKind::DeletesData, told(lost, one, many)));
    }
    if !filled.is_empty() {
        let (one, many) = (
            "gets the rows that its query has now, before readers see it",
            "get the rows that their query has now, before readers see them",
        );
        hazards.push(Hazard::new(HazardKind::RebuildsData, told(filled, one, many)));
    }
    hazards
}

/// The lock that takes its place: for catalog work alone, never waited for longer than readers may wait behind it.
fn published(lock_timeout_ms: u64) -> String {
    format!(
        "; published under ACCESS EXCLUSIVE, waited for {lock_timeout_ms} ms a try, at most {PUBLICATION_TRIES} times"
    )
}

/// What building an index beside readers and writers means.
fn concurrently(what: &str, live: &Relation, actual: &Actual) -> String {
    let cost = weight::size(live, actual) + &weight::indexed(live, actual);
    format!("{what} is built CONCURRENTLY over {cost}; its lock, SHARE UPDATE EXCLUSIVE, lets reads and writes go on")
}

/// Who gains and loses what.
fn granted(fix: &GrantFix) -> String {
    let list = |items: &[(String, Option<String>, bool)], option: &str| {
        let words = items.iter().map(|(privilege, column, grantable)| {
            let column = column.as_ref().map(|column| format!(" ({})", quote_ident(column))).unwrap_or_default();
            format!("{privilege}{column}{}", if *grantable { option } else { "" })
        });
        words.collect::<Vec<_>>().join(", ")
    };
    let gains = list(&fix.grant, " with grant option");
    let loses = list(&fix.revoke, "'s grant option");
    let parts = [("gains", gains), ("loses", loses)].into_iter().filter(|(_, what)| !what.is_empty());
    let parts: Vec<String> = parts.map(|(verb, what)| format!("{verb} {what}")).collect();
    format!("{} {}", quote_role(&fix.role), parts.join(", "))
}
