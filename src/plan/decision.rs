//! What is done about each mart, decided upstream first.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{Cause, Difference, Fix, differences};
use super::target::Target;
use super::{Drift, Hazard, HazardKind, Heal, Options, Refusal, declared, drift};
use crate::catalog::{Actual, Relation};
use crate::compile::Compiled;
use crate::manifest::Desired;
use crate::state::{Kind, QName};

/// How a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The relation does not exist.
    Create,
    /// A view that takes another query by CREATE OR REPLACE.
    InPlace,
    /// Built aside under another name, then exchanged.
    Rebuild,
    /// Indexes, grants, comments, options, names, or only what the registry keeps.
    Alter,
    /// Nothing a user would see: the registry's row is brought up to date.
    Record,
}

/// What is done about one mart, and why.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    pub target: Target<'a>,
    pub mode: Mode,
    /// What is mended; everything else that differs is drift.
    pub differences: Vec<Difference>,
    pub reasons: Vec<String>,
    pub hazards: Vec<Hazard>,
    /// Its rows will be others: what keeps rows read from it follows.
    pub data_changes: bool,
    /// Aspects that drifted and stay as they are.
    pub drifted: Vec<String>,
}

impl Decision<'_> {
    /// Builds a relation, so that what it reads has to be published before or aside.
    pub(crate) fn builds(&self) -> bool {
        matches!(self.mode, Mode::Create | Mode::Rebuild)
    }

    /// Shown to the user.
    pub(crate) fn visible(&self) -> bool {
        self.mode != Mode::Record
    }
}

/// Everything decided.
#[derive(Debug, Default)]
pub(crate) struct Decisions<'a> {
    /// Upstream first.
    pub marts: Vec<Decision<'a>>,
    pub drift: Vec<Drift>,
    pub refused: Vec<Refusal>,
    /// Old name, new name.
    pub renames: Vec<(QName, QName)>,
}

/// Decides about every mart of `desired`. `dropped` are the marts that go in the same plan.
pub(crate) fn decide<'a>(
    desired: &'a Desired,
    compiled: &Compiled,
    actual: &'a Actual,
    options: &Options,
    dropped: &BTreeSet<QName>,
    aside: &BTreeSet<QName>,
) -> Decisions<'a> {
    let targets: Vec<Target<'a>> = desired
        .marts
        .iter()
        .map(|mart| Target::new(mart, compiled, actual))
        .collect();
    let renames: Vec<(QName, QName)> = targets
        .iter()
        .filter(|t| options.selects(&t.mart.name))
        .filter_map(|t| Some((t.renamed_from()?.clone(), t.mart.name.clone())))
        .collect();
    let declared_live: BTreeMap<QName, QName> = targets
        .iter()
        .filter_map(|t| Some((t.live?.name.clone(), t.mart.name.clone())))
        .collect();
    let mut decisions = Decisions { renames, ..Decisions::default() };
    // Live relations that will have another OID, and marts whose rows will be others.
    let mut exchanged: BTreeMap<QName, String> = BTreeMap::new();
    let mut changed: BTreeSet<QName> = BTreeSet::new();
    for target in targets {
        let follows = follow_reasons(&target, &exchanged, &changed, actual);
        let selected = options.selects(&target.mart.name);
        if !selected && follows.is_empty() {
            continue;
        }
        let Some(decision) = one(target, actual, options, follows, selected, aside, &mut decisions) else {
            continue;
        };
        let target = &decision.target;
        if decision.mode == Mode::Rebuild {
            if let Some(live) = target.live {
                refuse_lost(&mut decisions.refused, live, &declared_live, dropped, target);
                exchanged.insert(live.name.clone(), target.address());
            }
        }
        if decision.data_changes {
            changed.insert(target.mart.name.clone());
        }
        decisions.marts.push(decision);
    }
    decisions
}

/// Why a mart has to follow what happens upstream.
fn follow_reasons(
    target: &Target<'_>,
    exchanged: &BTreeMap<QName, String>,
    changed: &BTreeSet<QName>,
    actual: &Actual,
) -> Vec<String> {
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    if let Some(live) = target.live {
        for (name, address) in exchanged {
            let depends = actual.relations.get(name).is_some_and(|relation| {
                relation.dependents.iter().any(|d| d.relation.as_ref() == Some(&live.name))
            });
            if depends {
                reasons.insert(format!("reads {address}, which is replaced"));
            }
        }
    }
    if target.has_data() && target.live.is_some() {
        for up in target.reads.intersection(changed) {
            if !exchanged.contains_key(up) {
                reasons.insert(format!("reads {up}, whose query changed"));
            } else {
                reasons.insert(format!("reads {up}, which is replaced"));
            }
        }
    }
    reasons.into_iter().collect()
}

fn one<'a>(
    target: Target<'a>,
    actual: &Actual,
    options: &Options,
    follows: Vec<String>,
    selected: bool,
    aside: &BTreeSet<QName>,
    decisions: &mut Decisions<'a>,
) -> Option<Decision<'a>> {
    let Some(live) = target.live else {
        let reason = match target.recorded {
            Some(_) => "missing in the database".to_owned(),
            None => "new".to_owned(),
        };
        return Some(Decision {
            mode: Mode::Create,
            differences: Vec::new(),
            reasons: vec![reason],
            hazards: Vec::new(),
            data_changes: true,
            drifted: Vec::new(),
            target,
        });
    };
    let mut accepted = Vec::new();
    let mut drifted = Vec::new();
    if selected {
        for difference in differences(&target, live, actual, &decisions.renames) {
            if difference.cause != Cause::Drift {
                accepted.push(difference);
                continue;
            }
            if options.ignores(&difference.aspect) {
                drifted.push(difference.aspect);
            } else if options.heals(&difference) {
                accepted.push(difference);
            } else {
                decisions.drift.push(drift::item(&target, &difference));
                drifted.push(difference.aspect);
            }
        }
    }
    let metadata = if selected { declared::changed_keys(&target) } else { Vec::new() };
    let redefined = accepted.iter().any(|d| d.fix == Fix::Definition);
    let rebuilt = accepted.iter().any(|d| d.fix == Fix::Rebuild);
    let view = target.mart.kind == Kind::View && live.kind.is(Kind::View);
    let in_place = view && target.extends(&live.columns) && !aside.contains(&target.mart.name);
    let mode = if rebuilt || ((redefined || !follows.is_empty()) && !in_place) {
        Mode::Rebuild
    } else if redefined || !follows.is_empty() {
        Mode::InPlace
    } else if !accepted.is_empty() || !metadata.is_empty() || target.renamed_from().is_some() {
        Mode::Alter
    } else if selected && declared::record_is_old(&target, actual) {
        Mode::Record
    } else {
        return None;
    };
    let mut reasons: Vec<String> = accepted.iter().map(declared::reason).collect();
    if let Some(old) = target.renamed_from() {
        reasons.insert(0, format!("renamed from {old}"));
    }
    reasons.extend(metadata.iter().map(|key| format!("{key} changed")));
    reasons.extend(follows);
    reasons.dedup();
    let hazards = hazards(&target, live, mode, &accepted, actual);
    let data_changes = (redefined || mode == Mode::Rebuild)
        && accepted.iter().any(|d| matches!(d.fix, Fix::Definition | Fix::Rebuild))
        || (mode == Mode::Rebuild && target.has_data());
    Some(Decision { mode, differences: accepted, reasons, hazards, data_changes, drifted, target })
}

/// What hangs on a relation that is exchanged and will not follow.
fn refuse_lost(
    refused: &mut Vec<Refusal>,
    live: &Relation,
    declared: &BTreeMap<QName, QName>,
    dropped: &BTreeSet<QName>,
    target: &Target<'_>,
) {
    for dependent in &live.dependents {
        let ours = dependent.relation.as_ref().is_some_and(|name| {
            declared.contains_key(name) || dropped.contains(name)
        });
        if !ours {
            refused.push(Refusal {
                address: target.address(),
                hazard: HazardKind::BreaksDependents,
                message: format!(
                    "the {} {} depends on {} and is not managed; drop it, or declare it as a mart",
                    dependent.kind, dependent.name, live.name
                ),
                allowable: false,
            });
        }
    }
    for extra in &live.extras {
        refused.push(Refusal {
            address: target.address(),
            hazard: HazardKind::BreaksDependents,
            message: format!("{extra} on {} would not follow to the relation that takes its place", live.name),
            allowable: true,
        });
    }
    let guarded = target.recorded.is_some_and(|r| r.mart.prevent_destroy) && target.mart.prevent_destroy;
    if guarded {
        refused.push(Refusal {
            address: target.address(),
            hazard: HazardKind::DeletesData,
            message: format!("{} has prevent_destroy = true; take it out of its manifest to replace the mart", live.name),
            allowable: false,
        });
    }
}

fn hazards(
    target: &Target<'_>,
    live: &Relation,
    mode: Mode,
    accepted: &[Difference],
    actual: &Actual,
) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let rows = live.tuples.max(0.0) as i64;
    if mode == Mode::Rebuild && target.has_data() {
        hazards.push(Hazard::new(
            HazardKind::RebuildsData,
            format!("{} is computed anew, aside, while the old rows serve (about {rows} rows now)", live.name),
        ));
        let sources: Vec<_> = target.reads.iter().filter_map(|name| actual.relations.get(name)).collect();
        let stored: Vec<_> = sources.iter().filter(|s| s.kind.is(Kind::Table)).collect();
        if !live.empty && !stored.is_empty() && stored.iter().all(|s| s.empty) {
            hazards.push(Hazard::new(
                HazardKind::DeletesData,
                format!("every table that {} reads is empty; its rows could not be computed again", live.name),
            ));
        }
        if actual.server.replicas > 0 {
            hazards.push(Hazard::new(
                HazardKind::ConflictsWithReplicaQueries,
                format!("long queries on {} attached replica(s) that read {} may be cancelled", actual.server.replicas, live.name),
            ));
        }
    }
    for difference in accepted {
        match &difference.fix {
            Fix::CreateIndex(name) | Fix::ReplaceIndex(name) if mode != Mode::Rebuild => {
                hazards.push(Hazard::new(
                    HazardKind::IndexBuild,
                    format!("index {name} is built CONCURRENTLY over about {rows} rows; writes go on, readers too"),
                ));
            }
            Fix::AddPrimaryKey if mode != Mode::Rebuild => hazards.push(Hazard::new(
                HazardKind::IndexBuild,
                format!("the primary key's index is built CONCURRENTLY over about {rows} rows"),
            )),
            Fix::DropIndex(name) | Fix::DropConstraint(name) => hazards.push(Hazard::new(
                HazardKind::IndexDropped,
                format!("index {name} goes; queries that used it become slower"),
            )),
            Fix::Owner(owner) => hazards.push(Hazard::new(
                HazardKind::AuthzUpdate,
                format!("the owner becomes {owner}"),
            )),
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

impl Options {
    /// Whether a mart is among those asked for.
    pub(crate) fn selects(&self, name: &QName) -> bool {
        self.select.as_ref().is_none_or(|selected| selected.contains(name))
    }

    fn heals(&self, difference: &Difference) -> bool {
        match self.heal {
            Heal::Nothing => false,
            Heal::All => true,
            Heal::ButAddedIndexes => {
                !matches!(difference.fix, Fix::DropIndex(_) | Fix::DropConstraint(_))
            }
        }
    }
}
