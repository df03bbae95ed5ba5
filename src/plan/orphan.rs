//! Marts that the registry knows and no manifest declares.

use std::collections::{BTreeMap, BTreeSet};

use super::{HazardKind, Options, Orphan, Refusal};
use crate::catalog::{Actual, ExtraKind, Recorded, RelationKind};
use crate::compile::{Compiled, recorded_for};
use crate::manifest::{Desired, DesiredMart};
use crate::sql::parse_qualified_name;
use crate::state::{Part, QName};

/// The orphans, dependents first.
pub(crate) fn orphans<'a>(desired: &Desired, actual: &'a Actual) -> Vec<&'a Recorded> {
    let declared: BTreeSet<&QName> =
        desired.marts.iter().flat_map(|d| [&d.mart.name, actual.former(&d.mart.name)]).collect();
    let orphans: BTreeMap<&QName, &Recorded> =
        actual.recorded.iter().filter(|(name, _)| !declared.contains(name)).collect();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for name in orphans.keys() {
        visit(name, &orphans, actual, &mut seen, &mut order);
    }
    order
}

/// Puts a relation after everything that depends on it.
fn visit<'a>(
    name: &QName,
    orphans: &BTreeMap<&QName, &'a Recorded>,
    actual: &Actual,
    seen: &mut BTreeSet<QName>,
    order: &mut Vec<&'a Recorded>,
) {
    if !seen.insert(name.clone()) {
        return;
    }
    let dependents = actual.relations.get(name).map(|r| r.dependents.as_slice()).unwrap_or_default();
    for dependent in dependents.iter().filter_map(|d| d.relation.as_ref()) {
        if orphans.contains_key(dependent) {
            visit(dependent, orphans, actual, seen, order);
        }
    }
    order.extend(orphans.get(name));
}

/// As a plan lists one that stays.
pub(crate) fn listed(recorded: &Recorded) -> Orphan {
    Orphan {
        address: recorded.mart.name.to_string(),
        kind: match &recorded.part {
            Some(Part::Stable { whole, .. }) => whole.kind,
            _ => recorded.mart.kind,
        },
        file: recorded.file.clone(),
        prevent_destroy: recorded.mart.prevent_destroy,
    }
}

/// Who reads what once the plan is applied.
pub(crate) struct Readers<'a> {
    by_read: BTreeMap<QName, Vec<&'a DesiredMart>>,
    /// The relations of declared marts, under the names they have now.
    live: BTreeSet<&'a QName>,
}

impl<'a> Readers<'a> {
    /// A mart that is not selected goes on reading what it reads.
    pub(crate) fn new(desired: &'a Desired, compiled: &Compiled, actual: &'a Actual, options: &Options) -> Self {
        let mut readers = Self { by_read: BTreeMap::new(), live: BTreeSet::new() };
        for mart in &desired.marts {
            let recorded = recorded_for(&mart.mart, actual);
            let compiled = compiled.marts.get(&mart.mart.name).filter(|_| options.selects(&mart.mart.name));
            let mut reads: BTreeSet<QName> = match (compiled, recorded) {
                (Some(compiled), _) => compiled.reads.clone(),
                (None, Some(recorded)) => recorded.applied.reads.values().map(|read| read.name.clone()).collect(),
                (None, None) => BTreeSet::new(),
            };
            reads.extend(mart.mart.depends_on.iter().filter_map(|name| match parse_qualified_name(name)?.as_slice() {
                [name] => Some(mart.mart.name.sibling(name.as_str())),
                [schema, name] => Some(QName::new(schema.as_str(), name.as_str())),
                _ => None,
            }));
            for read in reads {
                readers.by_read.entry(read).or_default().push(mart);
            }
            readers.live.extend(recorded.map(|r| &r.mart.name));
        }
        readers
    }

    fn of(&self, name: &QName) -> &[&'a DesiredMart] {
        self.by_read.get(name).map_or(&[], Vec::as_slice)
    }
}

/// A folder without any manifest prunes nothing.
pub(crate) fn not_from_nothing(recorded: &Recorded) -> Refusal {
    let name = &recorded.mart.name;
    Refusal {
        address: name.to_string(),
        hazard: HazardKind::DeletesData,
        message: format!(
            "the folder holds no manifest at all, so nothing is pruned; `datamart drop {}` drops it",
            name.name
        ),
        allowable: false,
    }
}

/// What older versions hold could not be computed again.
pub(crate) fn lost_versions(dropped: &[&Recorded]) -> Vec<Refusal> {
    let mut lost: BTreeMap<&QName, Vec<u32>> = BTreeMap::new();
    for recorded in dropped {
        if let Some(Part::Version { of, number, .. }) = &recorded.part {
            lost.entry(of).or_default().push(*number);
        }
    }
    let several = lost.into_iter().filter(|(_, numbers)| numbers.len() > 1);
    several
        .map(|(of, mut numbers)| {
            numbers.sort_unstable();
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            Refusal {
                address: of.to_string(),
                hazard: HazardKind::DeletesData,
                message: format!("its versions {} go, and what they hold", numbers.join(", ")),
                allowable: true,
            }
        })
        .collect()
}

/// Why an orphan cannot go, or may not go without leave.
pub(crate) fn refusals(
    recorded: &Recorded,
    dropped: &BTreeSet<QName>,
    readers: &Readers<'_>,
    actual: &Actual,
) -> Vec<Refusal> {
    let name = &recorded.mart.name;
    let refuse = |hazard, message, allowable| Refusal { address: name.to_string(), hazard, message, allowable };
    let mut refused = Vec::new();
    if recorded.mart.prevent_destroy {
        refused.push(refuse(
            HazardKind::DeletesData,
            format!(
                "{name} was applied with prevent_destroy = true; bring its manifest {} back without it first",
                recorded.file
            ),
            false,
        ));
    }
    let Some(live) = actual.relations.get(name) else {
        return refused;
    };
    for reader in readers.of(name) {
        let what = format!("{} ({}) still reads {name}", reader.mart.name, reader.file.display());
        refused.push(refuse(HazardKind::BreaksDependents, what, false));
    }
    for dependent in &live.dependents {
        // A mart that depends on it and is not among the readers reads something else from now on.
        let managed = dependent.relation.as_ref().is_some_and(|r| dropped.contains(r) || readers.live.contains(r));
        if !managed {
            let whose = dependent.relation.as_ref().and_then(|reader| actual.followers.get(reader)?.declared.as_ref());
            let whose =
                whose.map_or("is not managed".to_owned(), |(project, _)| format!("is a mart of project {project}"));
            let what = format!("the {} depends on {name} and {whose}", dependent.label());
            refused.push(refuse(HazardKind::BreaksDependents, what, false));
        }
    }
    for (reader, project) in actual.read_elsewhere.get(name).into_iter().flatten() {
        // Views are among the dependents.
        if !live.dependents.iter().any(|dependent| dependent.relation.as_ref() == Some(reader)) {
            let what = format!("{reader}, a mart of project {project}, reads {name}");
            refused.push(refuse(HazardKind::BreaksDependents, what, true));
        }
    }
    for key in live.extras.iter().filter(|extra| extra.kind == ExtraKind::Referencing) {
        // That of a mart that goes as well, dependents first, has gone by then.
        if key.other.as_ref().is_none_or(|other| !dropped.contains(other)) {
            let what = format!("the {} depends on {name} and is not managed", key.label);
            refused.push(refuse(HazardKind::BreaksDependents, what, false));
        }
    }
    let sources: Vec<_> = recorded
        .applied
        .reads
        .values()
        .filter_map(|read| actual.relations.get(&read.name))
        .filter(|source| source.kind == RelationKind::Table)
        .collect();
    let emptied =
        !live.empty && recorded.mart.kind.has_data() && !sources.is_empty() && sources.iter().all(|s| s.empty);
    if emptied {
        let message = format!("every table that {name} read is empty; its rows could not be computed again");
        refused.push(refuse(HazardKind::DeletesData, message, true));
    }
    if let Some(history) = recorded.mart.history().filter(|_| !live.empty) {
        let message = format!("rows of {name} that {history} go, and nothing computes them again");
        refused.push(refuse(HazardKind::DeletesData, message, true));
    }
    refused
}
