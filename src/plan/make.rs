//! Making a plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::assemble::{action, assemble};
use super::decision::{Decision, Decisions, Mode, decide};
use super::schedule::{Schedule, schedule};
use super::{
    Action, Change, Hazard, HazardKind, Options, Plan, PlanError, PlanProblem, Refusal, Summary, drift, moved, orphan,
};
use crate::catalog::{Actual, Recorded};
use crate::compile::Compiled;
use crate::manifest::{Desired, Prune};
use crate::state::{Fingerprint, QName};

/// What `apply` would do to bring `actual` to `desired`.
pub fn plan(
    desired: &Desired,
    compiled: &Compiled,
    actual: &Actual,
    options: &Options,
    now: DateTime<Utc>,
) -> Result<Plan, PlanError> {
    let policy = &desired.project.policy;
    let prune = options.prune || policy.prune == Prune::Always;
    let orphans = orphan::orphans(desired, actual);
    let dropped: Vec<&Recorded> = orphans
        .iter()
        .filter(|r| prune && options.selects(&r.mart.name))
        .copied()
        .collect();
    let dropped_names: BTreeSet<QName> = dropped.iter().map(|r| r.mart.name.clone()).collect();
    let (decisions, transactions) = decided(desired, compiled, actual, options, &dropped_names);
    let problems = problems(&decisions.marts, desired, actual);
    if !problems.is_empty() {
        return Err(PlanError::Problems { problems });
    }
    let mut refused = decisions.refused;
    for recorded in &dropped {
        refused.extend(orphan::refusals(recorded, &dropped_names, desired, actual, options));
    }
    let assembly = assemble(
        &decisions.marts,
        &transactions,
        &dropped,
        &decisions.renames,
        actual,
        &desired.project,
    );
    let mut changes: Vec<Change> = decisions.marts.iter().filter(|d| d.visible()).map(change).collect();
    changes.extend(dropped.iter().map(|recorded| deletion(recorded)));
    refuse_hazards(&changes, options, &mut refused);
    refused.retain(|r| !(r.allowable && options.allow.contains(&r.hazard)));
    let summary = summarise(&changes);
    let reads = moved::reads(&desired.marts.iter().map(|d| d.mart.name.clone()).collect(), actual);
    let listed = if policy.prune == Prune::Never { Vec::new() } else { orphans };
    let listed = listed
        .into_iter()
        .filter(|r| !dropped_names.contains(&r.mart.name))
        .map(orphan::listed)
        .collect();
    let fingerprint = Fingerprint::of(&(&changes, &assembly.steps, &assembly.records, &reads));
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
        match schedule(&decisions.marts) {
            Schedule::Transactions(transactions) => return (decisions, transactions),
            // Every view named is one more that is no longer changed in place: this ends.
            Schedule::BuildAside(views) => aside.extend(views),
        }
    }
}

/// What the manifests ask for and this database does not have, or has already.
fn problems(decisions: &[Decision<'_>], desired: &Desired, actual: &Actual) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    for decision in decisions {
        let target = &decision.target;
        let mut problem = |key: &str, message: String, help: String| {
            problems.push(PlanProblem {
                mart: target.mart.name.clone(),
                file: target.desired.file.clone(),
                key: key.to_owned(),
                message,
                help,
            });
        };
        if let Some(live) = actual.relations.get(&target.mart.name) {
            let ours = target.recorded.is_some_and(|r| r.mart.name == live.name && live.kind.is(r.mart.kind));
            if !ours {
                let message = format!("a {} of that name exists and is not managed by datamart", live.kind.label());
                let help = if live.extension {
                    "it belongs to an extension; give the mart another name".to_owned()
                } else {
                    "take it over with `datamart import --adopt`, or give the mart another name".to_owned()
                };
                problem("name", message, help);
            }
        }
        let roles = target.mart.owner.iter().map(|r| ("owner", r));
        let grants = target.mart.grants.iter().flatten().map(|g| ("grants", &g.role));
        for (key, role) in roles.chain(grants) {
            if !role.eq_ignore_ascii_case("public") && !actual.server.roles.contains(role) {
                problem(key, format!("role {role:?} does not exist"), format!("CREATE ROLE {}", crate::state::quote_ident(role)));
            }
        }
        let indexes = target.mart.indexes.iter();
        let spaces = target.mart.tablespace.iter().chain(indexes.clone().filter_map(|i| i.tablespace.as_ref()));
        for space in spaces {
            if !actual.server.tablespaces.contains(space) {
                let known: Vec<&str> = actual.server.tablespaces.iter().map(String::as_str).collect();
                problem("tablespace", format!("tablespace {space:?} does not exist"), format!("there are {}", known.join(", ")));
            }
        }
        if actual.server.major() < 15 {
            for index in indexes.filter(|i| i.nulls_not_distinct) {
                let message = format!("index {:?} has nulls_distinct = false, which PostgreSQL {} does not know", index.name, actual.server.major());
                problem("indexes.nulls_distinct", message, "it needs PostgreSQL 15 or later".to_owned());
            }
            if target.mart.with.contains_key("security_invoker") {
                let message = format!("security_invoker is unknown to PostgreSQL {}", actual.server.major());
                problem("with.security_invoker", message, "it needs PostgreSQL 15 or later".to_owned());
            }
        }
        problems.extend(target.problems());
        problems.extend(missing_upstream(decision, decisions, desired, actual));
    }
    problems
}

/// A mart it reads that neither exists nor is created in this plan.
fn missing_upstream(
    decision: &Decision<'_>,
    decisions: &[Decision<'_>],
    desired: &Desired,
    actual: &Actual,
) -> Vec<PlanProblem> {
    if !decision.builds() && decision.mode != Mode::InPlace {
        return Vec::new();
    }
    let declared = |name: &QName| desired.marts.iter().any(|d| d.mart.name == *name);
    let planned = |name: &QName| decisions.iter().any(|d| d.target.mart.name == *name);
    let reads = decision.target.reads.iter();
    let missing = reads.filter(|read| !actual.relations.contains_key(*read) && declared(read) && !planned(read));
    missing
        .map(|read| PlanProblem {
            mart: decision.target.mart.name.clone(),
            file: decision.target.desired.file.clone(),
            key: "query".to_owned(),
            message: format!("it reads {read}, which does not exist yet and is not selected"),
            help: format!("select it too: --select '+{}'", decision.target.mart.name.name),
        })
        .collect()
}

fn change(decision: &Decision<'_>) -> Change {
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
