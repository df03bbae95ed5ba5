//! Making a plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::assemble::assemble;
use super::decision::{Decisions, decide};
use super::fold::{self, Whole};
use super::problem::problems;
use super::schedule::{Schedule, schedule};
use super::target::Target;
use super::{Action, Change, Hazard, HazardKind, Options, Plan, PlanError, Refusal, Summary};
use super::{aside, capture, drift, fresh, keep, kept, moved, orphan, version};
use crate::catalog::{Actual, Recorded};
use crate::compile::{Compiled, recorded_for};
use crate::manifest::{Desired, Prune};
use crate::state::{Part, QName};

/// What `apply` would do to bring `actual` to `desired`, both with versioned marts taken apart; see [`parts`](super::parts).
pub fn plan(
    desired: &Desired,
    compiled: &Compiled,
    actual: &Actual,
    options: &Options,
    now: DateTime<Utc>,
) -> Result<Plan, PlanError> {
    let options = &with_parts(options, desired, actual);
    let versioned = version::versioned(desired, compiled, actual, options);
    let (desired, compiled, actual) = (&*versioned.desired, &*versioned.compiled, &*versioned.actual);
    let options = &with_parts(options, desired, actual);
    let seen = actual;
    let cleared = (!actual.left.is_empty()).then(|| actual.without_left());
    let actual = cleared.as_ref().unwrap_or(actual);
    let policy = &desired.project.policy;
    let orphans = orphan::orphans(desired, actual);
    let dropped = dropped(desired, actual, options);
    let dropped_names: BTreeSet<QName> = dropped.iter().map(|r| r.mart.name.clone()).collect();
    let (decisions, transactions) = decided(desired, compiled, actual, options, &dropped_names);
    let aside = aside::marts(&decisions.marts, &transactions);
    let mut problems = problems(&decisions.marts, &dropped_names, &aside, desired, actual);
    let built = decisions.marts.iter().filter(|decision| decision.builds()).map(|decision| &decision.target);
    let parts = |target: &Target<'_>| target.pieces.iter().map(|piece| piece.name.clone()).collect();
    let built: capture::Built = built.map(|target| (target.mart.name.clone(), parts(target))).collect();
    let mut capture = capture::capture(desired, compiled, actual, options, &dropped_names, &built);
    let built = built.into_keys().collect();
    fresh::leave_logs(&mut capture, &decisions.marts, &dropped_names, desired, actual);
    problems.append(&mut capture.problems);
    let mut keep = keep::keep((desired, compiled), actual, options, (&dropped_names, &built), &mut capture);
    problems.append(&mut keep.problems);
    problems.extend(fresh::problems(desired, compiled, actual, |mart| options.selects(mart)));
    let kept = kept::refusals(&decisions, actual);
    let mut drift = decisions.drift;
    drift.append(&mut capture.drift);
    drift.append(&mut keep.drift);
    if !problems.is_empty() {
        return Err(PlanError::Problems { problems, drift });
    }
    let mut refused = decisions.refused;
    refused.extend(kept);
    // Nothing declared at all looks like a folder that was not read: whoever means it says the names.
    if desired.marts.is_empty() && options.select.is_none() {
        let whole = dropped.iter().filter(|recorded| !is_version(recorded));
        refused.extend(whole.map(|recorded| orphan::not_from_nothing(recorded)));
    }
    refused.extend(orphan::lost_versions(&dropped));
    if !dropped.is_empty() {
        let readers = orphan::Readers::new(desired, compiled, actual, options);
        for recorded in &dropped {
            refused.extend(orphan::refusals(recorded, &dropped_names, &readers, actual));
        }
    }
    let mut assembly = assemble(&decisions.marts, &transactions, &dropped, actual, desired);
    assembly.around(&capture, desired);
    assembly.kept(&mut keep, desired);
    let wholes = wholes(desired, actual);
    let mut changes = fold::changes(&decisions.marts, &wholes, &versioned.news, &assembly.adopted, actual);
    changes.extend(dropped.iter().filter_map(|recorded| deletion(recorded)));
    capture.warn(&mut changes, desired);
    let (first, last) = capture.changes();
    changes.splice(0..0, first);
    changes.extend(last);
    let (gone, come) = keep.changes();
    changes.splice(0..0, gone);
    changes.extend(come);
    show_hazards(&mut changes, &mut refused);
    refuse_hazards(&changes, options, &mut refused);
    refused.retain(|r| !(r.allowable && options.allow.contains(&r.hazard)));
    let summary = summarise(&changes);
    let followers = decisions.marts.iter().filter(|d| d.target.follower.is_some()).map(|d| &d.target.mart.name);
    let whole = desired.marts.iter().map(|d| &d.mart.name).chain(followers).cloned().collect();
    // Readers that are no one's loss are there all the same when it is applied.
    let mut reads = moved::reads(&whole, &moved::touched(&assembly.records), seen);
    reads.extend(moved::asides(&aside, seen));
    let listed = if policy.prune == Prune::Never { Vec::new() } else { orphans };
    let listed = listed.into_iter().filter(|r| !dropped_names.contains(&r.mart.name) && !is_version(r));
    let listed = listed.map(orphan::listed).collect();
    let fingerprint = Plan::fingerprint_of(&changes, &assembly.steps, &assembly.records, &reads);
    Ok(Plan {
        format_version: "1.0".to_owned(),
        created_at: now,
        revision: options.revision.clone(),
        project: desired.project.name.clone(),
        database: options.database.clone(),
        fingerprint,
        summary,
        changes,
        drift,
        orphans: listed,
        steps: assembly.steps,
        records: assembly.records,
        reads,
        marts: desired.marts.iter().filter(|desired| !matches!(desired.part, Some(Part::Version { .. }))).count(),
        leftovers: assembly.leftovers,
        refused,
    })
}

/// The marts that go: they have no manifest any more, dependents first.
pub(super) fn dropped<'a>(desired: &Desired, actual: &'a Actual, options: &Options) -> Vec<&'a Recorded> {
    let prune = options.prune || desired.project.policy.prune == Prune::Always;
    let unversioned: BTreeSet<&QName> = desired.marts.iter().map(|desired| &desired.mart.name).collect();
    // Versions of a mart that has none any more go, whoever prunes.
    let left_over =
        |recorded: &Recorded| matches!(&recorded.part, Some(Part::Version { of, .. }) if unversioned.contains(of));
    let mut orphans = orphan::orphans(desired, actual);
    orphans.retain(|r| options.selects(&r.mart.name) && (prune || left_over(r)));
    orphans
}

/// Decides, and decides again with views built aside where a schedule cannot be found otherwise.
pub(super) fn decided<'a>(
    desired: &'a Desired,
    compiled: &'a Compiled,
    actual: &'a Actual,
    options: &Options,
    dropped: &BTreeSet<QName>,
) -> (Decisions<'a>, Vec<Vec<usize>>) {
    let mut aside = BTreeSet::new();
    let declared = desired.marts.iter().map(|d| d.mart.name.clone()).collect();
    loop {
        let decisions = decide(desired, compiled, actual, options, dropped, &aside);
        match schedule(&decisions, dropped, &declared, actual) {
            Schedule::Transactions(transactions) => return (decisions, transactions),
            // Every view named is one more that is no longer changed in place: this ends.
            Schedule::BuildAside(views) => aside.extend(views),
        }
    }
}

/// The same options with the parts of the marts that are selected.
pub(super) fn with_parts(options: &Options, desired: &Desired, actual: &Actual) -> Options {
    let mut options = options.clone();
    if let Some(selected) = &mut options.select {
        let declared = desired.marts.iter().map(|desired| (&desired.mart.name, &desired.part));
        let recorded = actual.recorded.iter().map(|(name, row)| (name, &row.part));
        let parts = declared.chain(recorded).filter_map(|(name, part)| Some((name, part.as_ref()?)));
        let parts: Vec<QName> =
            parts.filter(|(_, part)| selected.contains(part.mart())).map(|(name, _)| name.clone()).collect();
        selected.extend(parts);
    }
    options
}

fn is_version(recorded: &Recorded) -> bool {
    matches!(recorded.part, Some(Part::Version { .. }))
}

/// The versioned marts.
fn wholes<'a>(desired: &'a Desired, actual: &'a Actual) -> BTreeMap<QName, Whole<'a>> {
    let mut wholes = BTreeMap::new();
    for desired_mart in &desired.marts {
        let Some(Part::Stable { whole, number }) = &desired_mart.part else { continue };
        let recorded = recorded_for(whole, actual);
        let before = recorded.map(|row| match &row.part {
            Some(Part::Stable { whole, .. }) => &**whole,
            _ => &row.mart,
        });
        let was = recorded.and_then(|row| row.published()).map(|version| version.number);
        let found = Whole {
            mart: whole,
            before,
            was,
            number: *number,
            expired: version::expired_of(desired_mart, version::newest(desired, &whole.name), actual),
            file: desired_mart.file.display().to_string(),
            origins: desired_mart.origins.clone(),
        };
        wholes.insert(whole.name.clone(), found);
    }
    wholes
}

fn deletion(recorded: &Recorded) -> Option<Change> {
    let mart = match &recorded.part {
        None => &recorded.mart,
        Some(Part::Stable { whole, .. }) => whole,
        Some(Part::Version { .. }) => return None,
    };
    let definition = recorded.published().map_or(&recorded.applied.definition, |version| &version.applied.definition);
    Some(Change {
        address: recorded.mart.name.to_string(),
        kind: mart.kind,
        action: Action::Delete,
        reason: format!("no manifest declares it any more ({})", recorded.file),
        before: serde_json::to_value(mart).unwrap_or(Value::Null),
        after: Value::Null,
        diff: drift::unified(definition, "", "definition (now)", "nothing"),
        hazards: Vec::new(),
        file: None,
        origins: BTreeMap::new(),
    })
}

/// What a change may do with leave is a hazard of its, shown and counted whoever allows it.
fn show_hazards(changes: &mut [Change], refused: &mut Vec<Refusal>) {
    refused.retain(|refusal| {
        let of = changes.iter_mut().find(|change| refusal.allowable && change.address == refusal.address);
        of.map(|change| change.hazards.push(Hazard::new(refusal.hazard, refusal.message.clone()))).is_none()
    });
}

/// Hazards that nobody allowed.
fn refuse_hazards(changes: &[Change], options: &Options, refused: &mut Vec<Refusal>) {
    for change in changes {
        for Hazard { kind, message } in &change.hazards {
            if kind.needs_allowing() && !options.allow.contains(kind) {
                refused.push(Refusal {
                    address: change.address.clone(),
                    hazard: *kind,
                    message: message.clone(),
                    allowable: true,
                });
            }
        }
    }
}

fn summarise(changes: &[Change]) -> Summary {
    let mut summary = Summary::default();
    for change in changes {
        match change.action {
            Action::Create => summary.add += 1,
            Action::Update | Action::Rename | Action::Publish => summary.change += 1,
            Action::Replace => summary.replace += 1,
            Action::Delete => summary.destroy += 1,
        }
        if change.hazards.iter().any(|h| h.kind == HazardKind::DeletesData) {
            summary.destructive += 1;
        }
    }
    summary
}
