//! What manifests ask for and a database cannot give.

use std::collections::{BTreeSet, HashSet};

use super::PlanProblem;
use super::aspect::{Fix, Mode};
use super::clash::clashes;
use super::decision::Decision;
use super::statement::{next, rename_back};
use super::target::Target;
use super::{depends, taken};
use crate::catalog::{Actual, RelationKind};
use crate::compile::recorded_for;
use crate::manifest::{Desired, DesiredMart};
use crate::state::{Part, QName, quote_ident, quote_role};

/// What the manifests ask for and this database does not have, or has already.
pub(super) fn problems(
    decisions: &[Decision<'_>],
    dropped: &BTreeSet<QName>,
    aside: &BTreeSet<QName>,
    desired: &Desired,
    actual: &Actual,
) -> Vec<PlanProblem> {
    let declared: HashSet<&QName> = desired.marts.iter().map(|d| &d.mart.name).collect();
    let planned: HashSet<&QName> = decisions.iter().map(|d| &d.target.mart.name).collect();
    let moving: HashSet<&QName> = decisions.iter().filter_map(|d| Some(&d.target.live?.name)).chain(dropped).collect();
    let clashes = clashes(&planned, dropped, desired, actual);
    let mut problems: Vec<PlanProblem> = clashes.values().cloned().collect();
    // What stands against followers is told as such.
    for decision in decisions.iter().filter(|decision| decision.target.follower.is_none()) {
        let target = &decision.target;
        // Whose rows are whose cannot be told of these.
        if clashes.contains_key(&target.mart.name) {
            continue;
        }
        let mut problem = |key: &str, message: String, help: String| {
            problems.push(PlanProblem {
                mart: target.desired.part.as_ref().map_or(&target.mart.name, Part::mart).clone(),
                file: target.desired.file.clone(),
                key: key.to_owned(),
                message,
                help,
            });
        };
        if let Some(live) = actual.relations.get(&target.mart.name) {
            let ours = target.recorded.is_some_and(|r| r.mart.name == live.name && live.kind.is(r.mart.kind));
            if let Some(to) = actual.renamed.iter().find(|(_, old)| **old == live.name).map(|(to, _)| to) {
                if !planned.contains(to) {
                    let message =
                        format!("the name {} is free once {to} has its own, which is not selected", live.name);
                    problem("renamed_from", message, format!("select it too: --select '{}'", to.name));
                }
            } else if !ours && decision.adopted.is_none() {
                let project = actual.foreign.get(&live.name);
                let managed =
                    project.map_or("not managed by datamart".to_owned(), |p| format!("managed by project {p}"));
                let message = format!("{} of that name exists and is {managed}", with_article(live.kind.label()));
                let stored = matches!(live.kind, RelationKind::View | RelationKind::MaterializedView);
                if let Some(Part::Version { number, .. }) = &target.desired.part {
                    let message = format!("{} exists, and version {number} needs that name", target.mart.name);
                    problem("versions", message, "rename or drop what has it".to_owned());
                    continue;
                }
                let help = if live.extension {
                    "it belongs to an extension; give the mart another name".to_owned()
                } else if let Some(project) = project {
                    format!("take it out of project {project} first, or give the mart another name")
                } else if stored || live.kind.is(target.mart.kind) {
                    "take it over with `datamart import --adopt`, or give the mart another name".to_owned()
                } else {
                    "give the mart another name, or rename what has this one".to_owned()
                };
                problem("name", message, help);
            }
        }
        let built = target.mart.name.sibling(next(&target.mart.name.name));
        for (name, key) in new_names(decision, aside.contains(&target.mart.name)) {
            let name = target.mart.name.sibling(name);
            let Some(taken) = actual.taken.get(&name) else { continue };
            let left = |name: &QName| {
                let of_refresh = actual.taken.get(name).filter(|_| *name == built);
                let of_refresh = of_refresh.is_some_and(|t| t.is_left_of(&target.mart.name, &desired.project.name));
                of_refresh || actual.left.contains_key(name)
            };
            let goes = |name: &QName| moving.contains(name) || left(name);
            if !goes(&name) && !taken.index_of.as_ref().is_some_and(goes) {
                let what = match &taken.index_of {
                    Some(of) => format!("an index of {of}"),
                    None => with_article(taken.kind.label()),
                };
                let renamed = actual.called.get(&target.mart.name).filter(|now| taken.index_of.as_ref() == Some(*now));
                if let Some(now) = renamed {
                    let message =
                        format!("{name} exists and is {what}, which is this mart's relation: somebody renamed it");
                    problem(key, message, rename_back(target.mart.kind, now, &target.mart.name));
                    continue;
                }
                let help = match key {
                    "indexes" => "give the index another name",
                    "primary_key" => "its index needs that name; rename or drop what has it",
                    _ => "the mart is built under that name; rename or drop what has it",
                };
                problem(key, format!("{name} exists and is {what}"), help.to_owned());
            }
        }
        let roles = target.mart.owner.iter().map(|r| ("owner", r));
        let grants = target.mart.grants.iter().flatten().map(|g| ("grants", &g.role));
        for (key, role) in roles.chain(grants) {
            if role != "public" && !actual.server.roles.contains(role) {
                problem(key, format!("role {role:?} does not exist"), format!("CREATE ROLE {}", quote_ident(role)));
            }
        }
        // What changes in place is changed as its owner, too.
        let changes = decision.adopted.is_none() && !decision.differences.is_empty();
        let acts = decision.builds() || changes;
        let server = &actual.server;
        let owner = target.mart.owner.iter().filter(|owner| acts && server.roles.contains(*owner));
        for owner in owner.filter(|owner| !server.assumable.contains(*owner)) {
            let message = format!("role {} may not act as {owner:?}, which owns it", server.user);
            problem("owner", message, format!("GRANT {} TO {};", quote_ident(owner), quote_role(&server.user)));
        }
        let indexes = target.mart.indexes.iter();
        let spaces = target.mart.tablespace.iter().chain(indexes.clone().filter_map(|i| i.tablespace.as_ref()));
        for space in spaces {
            if !actual.server.tablespaces.contains(space) {
                let known: Vec<&str> = actual.server.tablespaces.iter().map(String::as_str).collect();
                problem(
                    "tablespace",
                    format!("tablespace {space:?} does not exist"),
                    format!("there are {}", known.join(", ")),
                );
            }
        }
        if actual.server.major() < 15 {
            for index in indexes.filter(|i| i.nulls_not_distinct) {
                let message = format!(
                    "index {:?} has nulls_distinct = false, which PostgreSQL {} does not know",
                    index.name,
                    actual.server.major()
                );
                problem("indexes.nulls_distinct", message, "it needs PostgreSQL 15 or later".to_owned());
            }
            if target.mart.with.contains_key("security_invoker") {
                let message = format!("security_invoker is unknown to PostgreSQL {}", actual.server.major());
                problem("with.security_invoker", message, "it needs PostgreSQL 15 or later".to_owned());
            }
        }
        let mut privileges = target.mart.grants.iter().flatten().flat_map(|grant| &grant.privileges);
        if actual.server.major() < 17 && privileges.any(|privilege| privilege == "MAINTAIN") {
            let message = format!("the privilege MAINTAIN is unknown to PostgreSQL {}", actual.server.major());
            problem("grants.privileges", message, "it needs PostgreSQL 17 or later".to_owned());
        }
        problems.extend(target.problems());
        problems.extend(still_there(target, &declared, actual));
        problems.extend(missing_pin(target.desired, actual));
        problems.extend(target.ageless());
        problems.extend(target.timeless());
        problems.extend(target.undated());
        problems.extend(target.undividable());
        problems.extend(depends::problems(decision, &declared, actual));
        problems.extend(taken::problems(decision, (&moving, &declared), actual));
        let missing =
            |read: &QName| !actual.relations.contains_key(read) && declared.contains(read) && !planned.contains(read);
        problems.extend(missing_upstream(decision, missing));
    }
    problems
}

/// An earlier name whose row another mart keeps: nobody is renamed, and what stands there stays another mart's.
fn still_there(target: &Target<'_>, declared: &HashSet<&QName>, actual: &Actual) -> Option<PlanProblem> {
    let mut earlier = target.mart.renamed_from.iter().filter(|_| target.recorded.is_none());
    let old = earlier.find(|old| declared.contains(old) && actual.recorded.contains_key(*old))?;
    Some(PlanProblem {
        mart: target.mart.name.clone(),
        file: target.desired.file.clone(),
        key: "renamed_from".into(),
        message: format!("{old} is still a mart: nothing that was applied is renamed to it"),
        help: "take it out here, or apply first what takes its name".into(),
    })
}

/// A version that is pinned and not there.
fn missing_pin(desired: &DesiredMart, actual: &Actual) -> Option<PlanProblem> {
    let Some(Part::Stable { whole, .. }) = &desired.part else { return None };
    let pin = whole.versions?.pin?;
    let row = recorded_for(whole, actual);
    let known: Vec<String> = row.iter().flat_map(|row| &row.versions).map(|v| v.number.to_string()).collect();
    let first = known.is_empty() && pin == 1;
    if first || known.contains(&pin.to_string()) {
        return None;
    }
    let help = match known.is_empty() {
        true => "the mart has no versions yet; take `pin` out".to_owned(),
        false => format!("its versions are {}", known.join(", ")),
    };
    let message = format!("there is no version {pin} to publish");
    Some(PlanProblem {
        mart: whole.name.clone(),
        file: desired.file.clone(),
        key: "versions.pin".into(),
        message,
        help,
    })
}

/// The names, beside its own, under which this change makes something, and the keys they come from.
fn new_names(decision: &Decision<'_>, aside: bool) -> Vec<(String, &'static str)> {
    let target = &decision.target;
    let mut names = Vec::new();
    if decision.builds() {
        let key = (!target.mart.primary_key.is_empty()).then(|| (target.primary_key_name(), "primary_key"));
        for (name, from) in target.indexes.keys().map(|name| (name.clone(), "indexes")).chain(key) {
            names.extend(aside.then(|| (next(&name), from)));
            names.push((name, from));
        }
        names.extend(aside.then(|| (next(&target.mart.name.name), "name")));
        return names;
    }
    if decision.redefined() && !target.mart.checks.is_empty() {
        names.push((next(&target.mart.name.name), "name"));
    }
    for difference in &decision.differences {
        match &difference.fix {
            Fix::CreateIndex(name) | Fix::RenameIndex { to: name, .. } => names.push((name.clone(), "indexes")),
            Fix::ReplaceIndex(name) => names.push((next(name), "indexes")),
            Fix::PrimaryKey { .. } if !target.mart.primary_key.is_empty() => {
                let name = target.primary_key_name();
                names.push((next(&name), "primary_key"));
                names.push((name, "primary_key"));
            }
            _ => {}
        }
    }
    names
}

/// Marts it reads that neither exist nor are created in this plan.
fn missing_upstream(decision: &Decision<'_>, missing: impl Fn(&QName) -> bool) -> Vec<PlanProblem> {
    if !decision.builds() && decision.mode != Mode::InPlace {
        return Vec::new();
    }
    let reads = decision.target.reads.iter().filter(|read| missing(read));
    reads
        .map(|read| PlanProblem {
            mart: decision.target.mart.name.clone(),
            file: decision.target.desired.file.clone(),
            key: "query".to_owned(),
            message: format!("it reads {read}, which does not exist yet and is not selected"),
            help: format!("select it too: --select '+{}'", decision.target.mart.name.name),
        })
        .collect()
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
