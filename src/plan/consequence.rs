//! What a change costs others: hazards, and what stands against it.

use std::collections::BTreeSet;

use super::along;
use super::aspect::{Difference, Fix, Mode};
use super::target::Target;
use super::{Hazard, HazardKind, Refusal};
use crate::catalog::{Actual, Relation};
use crate::state::{Kind, QName};

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
    for loss in along::lost(target, differences, live) {
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
) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let rows = live.tuples.max(0.0) as i64;
    let filled = target.follower.is_none() || live.populated;
    if mode == Mode::Rebuild && target.has_data() && filled {
        let message = if live.kind.is(Kind::View) {
            format!("{} is computed, aside, while the view serves", live.name)
        } else {
            format!("{} is computed anew, aside, while the old rows serve (about {rows} rows now)", live.name)
        };
        hazards.push(Hazard::new(HazardKind::RebuildsData, message));
        let sources: Vec<_> = target.reads.iter().filter_map(|name| actual.relation(name)).collect();
        // Of what others read not everything is known.
        let known = target.follower.is_none() || sources.len() == target.reads.len();
        let stored: Vec<_> = sources.iter().filter(|s| s.kind.is(Kind::Table)).collect();
        if known && !live.empty && !stored.is_empty() && stored.iter().all(|s| s.empty) {
            hazards.push(Hazard::new(
                HazardKind::DeletesData,
                format!("every table that {} reads is empty; its rows could not be computed again", live.name),
            ));
        }
        if actual.server.replicas > 0 {
            hazards.push(Hazard::new(
                HazardKind::ConflictsWithReplicaQueries,
                format!(
                    "long queries on {} attached replica(s) that read {} may be cancelled",
                    actual.server.replicas, live.name
                ),
            ));
        }
    }
    hazards.extend(along::published(live).filter(|_| mode == Mode::Rebuild));
    for difference in accepted {
        match &difference.fix {
            Fix::CreateIndex(name) | Fix::ReplaceIndex(name) if mode != Mode::Rebuild => {
                hazards.push(Hazard::new(
                    HazardKind::IndexBuild,
                    format!("index {name} is built CONCURRENTLY over about {rows} rows; writes go on, readers too"),
                ));
            }
            Fix::PrimaryKey { old } if mode != Mode::Rebuild && target.mart.primary_key.is_empty() => {
                let old = old.as_deref().unwrap_or_default();
                hazards
                    .push(Hazard::new(HazardKind::IndexDropped, format!("the primary key {old} goes, and its index")));
            }
            Fix::PrimaryKey { .. } if mode != Mode::Rebuild => hazards.push(Hazard::new(
                HazardKind::IndexBuild,
                format!("the primary key's index is built CONCURRENTLY over about {rows} rows"),
            )),
            Fix::DropIndex(name) | Fix::DropConstraint(name) => hazards.push(Hazard::new(
                HazardKind::IndexDropped,
                format!("index {name} goes; queries that used it become slower"),
            )),
            Fix::Owner(owner) => {
                hazards.push(Hazard::new(HazardKind::AuthzUpdate, format!("the owner becomes {owner}")))
            }
            Fix::Grant(_) => hazards.push(Hazard::new(
                HazardKind::AuthzUpdate,
                format!(
                    "{}: {} instead of {}",
                    difference.aspect,
                    difference.expected.as_deref().unwrap_or("nothing"),
                    difference.actual.as_deref().unwrap_or("nothing")
                ),
            )),
            _ => {}
        }
    }
    hazards
}
