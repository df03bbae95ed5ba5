//! Making a plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::aspect::Mode;
use super::assemble::{action, assemble};
use super::decision::{Decision, Decisions, decide};
use super::problem::problems;
use super::schedule::{Schedule, schedule};
use super::{
    Action, Change, Hazard, HazardKind, Options, Plan, PlanError, Refusal, Summary, aside, drift, moved, orphan,
};
use crate::catalog::{Actual, Recorded};
use crate::compile::Compiled;
use crate::manifest::{Desired, Prune};
use crate::state::QName;

/// What `apply` would do to bring `actual` to `desired`.
pub fn plan(
    desired: &Desired,
    compiled: &Compiled,
    actual: &Actual,
    options: &Options,
    now: DateTime<Utc>,
) -> Result<Plan, PlanError> {
    let seen = actual;
    let cleared = (!actual.left.is_empty()).then(|| actual.without_left());
    let actual = cleared.as_ref().unwrap_or(actual);
    let policy = &desired.project.policy;
    let prune = options.prune || policy.prune == Prune::Always;
    let orphans = orphan::orphans(desired, actual);
    let dropped: Vec<&Recorded> = orphans.iter().filter(|r| prune && options.selects(&r.mart.name)).copied().collect();
    let dropped_names: BTreeSet<QName> = dropped.iter().map(|r| r.mart.name.clone()).collect();
    let (decisions, transactions) = decided(desired, compiled, actual, options, &dropped_names);
    let aside = aside::marts(&decisions.marts, &transactions);
    let problems = problems(&decisions.marts, &dropped_names, &aside, desired, actual);
    if !problems.is_empty() {
        return Err(PlanError::Problems { problems });
    }
    let mut refused = decisions.refused;
    // Nothing declared at all looks like a folder that was not read: whoever means it says the names.
    if desired.marts.is_empty() && options.select.is_none() {
        refused.extend(dropped.iter().map(|recorded| orphan::not_from_nothing(recorded)));
    }
    if !dropped.is_empty() {
        let readers = orphan::Readers::new(desired, compiled, actual, options);
        for recorded in &dropped {
            refused.extend(orphan::refusals(recorded, &dropped_names, &readers, actual, options));
        }
    }
    let assembly = assemble(&decisions.marts, &transactions, &dropped, &decisions.renames, actual, &desired.project);
    let mut changes: Vec<Change> = decisions
        .marts
        .iter()
        .filter(|d| d.visible())
        .map(|decision| change(decision, assembly.adopted.contains(&decision.target.mart.name)))
        .collect();
    changes.extend(dropped.iter().map(|recorded| deletion(recorded)));
    refuse_hazards(&changes, options, &mut refused);
    refused.retain(|r| !(r.allowable && options.allow.contains(&r.hazard)));
    let summary = summarise(&changes);
    // Readers that are no one's loss are there all the same when it is applied.
    let mut reads = moved::reads(&desired.marts.iter().map(|d| d.mart.name.clone()).collect(), seen);
    reads.extend(moved::asides(&aside, seen));
    let listed = if policy.prune == Prune::Never { Vec::new() } else { orphans };
    let listed = listed.into_iter().filter(|r| !dropped_names.contains(&r.mart.name)).map(orphan::listed).collect();
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
        drift: decisions.drift,
        orphans: listed,
        steps: assembly.steps,
        records: assembly.records,
        reads,
        marts: desired.marts.len(),
        leftovers: assembly.leftovers,
        refused,
    })
}

/// Decides, and decides again with views built aside where a schedule cannot be found otherwise.
fn decided<'a>(
    desired: &'a Desired,
    compiled: &Compiled,
    actual: &'a Actual,
    options: &Options,
    dropped: &BTreeSet<QName>,
) -> (Decisions<'a>, Vec<Vec<usize>>) {
    let mut aside = BTreeSet::new();
    loop {
        let decisions = decide(desired, compiled, actual, options, dropped, &aside);
        match schedule(&decisions, dropped, actual) {
            Schedule::Transactions(transactions) => return (decisions, transactions),
            // Every view named is one more that is no longer changed in place: this ends.
            Schedule::BuildAside(views) => aside.extend(views),
        }
    }
}

fn change(decision: &Decision<'_>, adopted: bool) -> Change {
    let target = &decision.target;
    let mut diff = String::new();
    for difference in &decision.differences {
        let (old, new) = (difference.actual.as_deref(), difference.expected.as_deref());
        diff.push_str(&drift::unified(
            old.unwrap_or_default(),
            new.unwrap_or_default(),
            &format!("{} (now)", difference.aspect),
            &format!("{} (declared)", difference.aspect),
        ));
    }
    if decision.mode == Mode::Create {
        diff.push_str(&drift::unified("", &target.mart.query, "nothing", "query"));
    }
    let value = |mart| serde_json::to_value(mart).unwrap_or(Value::Null);
    let mut reasons = decision.reasons.clone();
    if reasons.is_empty() {
        reasons.push("declaration changed".to_owned());
    }
    if adopted {
        reasons.push("built aside already by an apply that was interrupted".to_owned());
    }
    Change {
        address: target.address(),
        kind: target.mart.kind,
        action: action(decision),
        reason: reasons.join("; "),
        before: target.recorded.map_or(Value::Null, |r| value(&r.mart)),
        after: value(target.mart),
        diff,
        hazards: decision.hazards.clone(),
        file: Some(target.desired.file.display().to_string()),
        origins: target.desired.origins.clone(),
    }
}

fn deletion(recorded: &Recorded) -> Change {
    Change {
        address: recorded.mart.name.to_string(),
        kind: recorded.mart.kind,
        action: Action::Delete,
        reason: format!("no manifest declares it any more ({})", recorded.file),
        before: serde_json::to_value(&recorded.mart).unwrap_or(Value::Null),
        after: Value::Null,
        diff: drift::unified(&recorded.applied.definition, "", "definition (now)", "nothing"),
        hazards: Vec::new(),
        file: None,
        origins: BTreeMap::new(),
    }
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
            Action::Update | Action::Rename => summary.change += 1,
            Action::Replace => summary.replace += 1,
            Action::Delete => summary.destroy += 1,
        }
        if change.hazards.iter().any(|h| h.kind == HazardKind::DeletesData) {
            summary.destructive += 1;
        }
    }
    summary
}
