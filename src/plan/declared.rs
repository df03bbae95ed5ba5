//! What changed in a declaration, in words.

use std::collections::BTreeMap;

use serde_json::Value;

use super::aspect::{Cause, Difference, Fix};
use super::divided;
use super::parts;
use super::target::Target;
use crate::catalog::{Actual, Recorded};
use crate::compile::settings_changed;
use crate::state::{Mart, Part, Versions};

/// Keys that only the registry keeps and that changed: `refresh.schedule`, `tags` …
pub(crate) fn changed_keys(target: &Target<'_>) -> Vec<String> {
    /// Their differences are read from the database instead, or mean nothing by themselves.
    const SEEN_IN_THE_DATABASE: [&str; 13] = [
        "name",
        "type",
        "query",
        "search_path",
        "description",
        "owner",
        "renamed_from",
        "primary_key",
        "tablespace",
        "with",
        "columns",
        "indexes",
        "grants",
    ];
    let Some(recorded) = target.recorded else {
        return Vec::new();
    };
    if recorded.fingerprint == target.mart.fingerprint() {
        return Vec::new();
    }
    let as_value = |mart| serde_json::to_value(mart).unwrap_or(Value::Null);
    let (old, new) = (as_value(&recorded.mart), as_value(target.mart));
    let mut changed = Vec::new();
    for key in keys(&old, &new) {
        if SEEN_IN_THE_DATABASE.contains(&key.as_str()) {
            continue;
        }
        match (key.as_str(), old.get(&key), new.get(&key)) {
            (_, old, new) if old == new => {}
            // The defaults of another kind are others.
            ("refresh", ..) if recorded.mart.kind != target.mart.kind => {}
            ("partition", ..) if divided_anew(target, recorded) => {}
            ("versions", ..) if waits(target, recorded) => {}
            ("timezone" | "session", ..) if settings_changed(target.mart, &recorded.mart) && target.has_data() => {}
            ("refresh", Some(old), Some(new)) => {
                for inner in keys(old, new) {
                    if old.get(&inner) != new.get(&inner) {
                        changed.push(format!("refresh.{inner}"));
                    }
                }
            }
            _ => changed.push(key),
        }
    }
    changed
}

/// Whether another division is told as what it is: a difference that builds the mart anew.
fn divided_anew(target: &Target<'_>, recorded: &Recorded) -> bool {
    match (&target.mart.partition, &recorded.mart.partition) {
        (Some(now), Some(before)) => !before.divides_as(now),
        _ => true,
    }
}

/// Whether nothing but the pin differs, and a rollback decides about that still.
fn waits(target: &Target<'_>, recorded: &Recorded) -> bool {
    let without = |mart: &Mart| mart.versions.map(|versions| Versions { pin: None, ..versions });
    parts::holds(target.desired, recorded).is_some() && without(target.mart) == without(&recorded.mart)
}

fn keys(old: &Value, new: &Value) -> Vec<String> {
    let mut keys: Vec<String> =
        [old, new].iter().filter_map(|value| value.as_object()).flat_map(|object| object.keys().cloned()).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Whether the registry's row says less than is known now: another spelling of the same query, another file,
/// columns of a source that this mart does not use, another major version of the server.
pub(crate) fn record_is_old(target: &Target<'_>, actual: &Actual) -> bool {
    let Some(recorded) = target.recorded else {
        return true;
    };
    part_is_old(target, recorded)
        || recorded.fingerprint != target.mart.fingerprint()
        || recorded.file != target.desired.path
        || recorded.applied.major != actual.server.major()
        || (target.compiled && recorded.applied.query != target.mart.query_fingerprint().0)
        // What it reads may be stored elsewhere, with the same columns.
        || (target.compiled && recorded.applied.changes != target.changes)
        || recorded.relation != target.live.map(|live| live.oid)
        || recorded.applied.reads != target.read_signatures(actual)
}

/// Whether the row of a versioned mart says less: another declaration, a rollback that the mart's file has overtaken.
fn part_is_old(target: &Target<'_>, recorded: &Recorded) -> bool {
    match (&target.desired.part, &recorded.part) {
        (Some(Part::Stable { whole, .. }), Some(Part::Stable { whole: known, .. })) => {
            whole.fingerprint() != known.fingerprint() || parts::overtaken(target.desired, recorded)
        }
        _ => false,
    }
}

/// Why differences are mended, in a few words each; of many partitions together.
pub(crate) fn reasons(differences: &[Difference]) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut partitions: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for difference in differences {
        let Some(("partitions", name)) = difference.aspect.split_once(':') else { continue };
        partitions.entry(reason(difference).replace(&subject(difference), "{}")).or_default().push(name);
    }
    for difference in differences {
        let reason = reason(difference);
        let together = partitions.get(&reason.replace(&subject(difference), "{}"));
        match together.filter(|names| names.len() > 1 && difference.aspect.starts_with("partitions:")) {
            // Where the first of them stands.
            Some(names) if difference.aspect.split_once(':').is_some_and(|(_, name)| name == names[0]) => {
                let all = format!("partitions {}", divided::names(names.iter().copied()));
                reasons.push(reason.replace(&subject(difference), &all).replace(" is ", " are "));
            }
            Some(_) => {}
            None => reasons.push(reason),
        }
    }
    reasons
}

/// Why one difference is mended, in a few words.
fn reason(difference: &Difference) -> String {
    let words = match (&difference.fix, difference.aspect.as_str()) {
        (Fix::Definition, _) => "query changed".to_owned(),
        (Fix::RenameIndex { .. }, _) => "index names follow".to_owned(),
        (_, "type") => format!(
            "type changed from {} to {}",
            difference.actual.as_deref().unwrap_or_default(),
            difference.expected.as_deref().unwrap_or_default()
        ),
        (Fix::CreateIndex(_), _) if difference.cause == Cause::Missing => format!("{} is missing", subject(difference)),
        (Fix::ReplaceIndex(_), _) if difference.cause == Cause::Missing => {
            format!("{} is invalid", subject(difference))
        }
        (Fix::DropIndex(_), _) if difference.cause == Cause::Missing => {
            format!("{} was left by an interrupted build", subject(difference))
        }
        (Fix::RenamePartition { .. }, _) => "partition names follow".to_owned(),
        (Fix::CreatePartition { filled: true, .. }, _) => format!("{} is missing", subject(difference)),
        (Fix::CreateIndex(_) | Fix::CreatePartition { .. }, _) => format!("{} added", subject(difference)),
        (Fix::DropPartition(_) | Fix::DetachPartition { .. }, _) if difference.cause == Cause::Declared => {
            format!("{} is older than is kept", subject(difference))
        }
        (Fix::DropIndex(_) | Fix::DropConstraint(_) | Fix::DropPartition(_) | Fix::DetachPartition { .. }, _) => {
            format!("{} removed", subject(difference))
        }
        _ => format!("{} changed", subject(difference)),
    };
    match difference.cause {
        Cause::Drift => format!("drift: {words}"),
        _ => words,
    }
}

/// What differs, for people: `index NAME`, `NOT NULL of day`, `owner`.
pub(crate) fn subject(difference: &Difference) -> String {
    let aspect = &difference.aspect;
    match aspect.split_once(':') {
        Some(("indexes", name)) => format!("index {name}"),
        Some(("grants", role)) => format!("grants of {role}"),
        Some(("options", name)) => format!("option {name}"),
        Some(("columns", name)) => format!("NOT NULL of {name}"),
        Some(("description", name)) => format!("description of {name}"),
        Some(("partitions", name)) => format!("partition {name}"),
        Some(("partition_grants", role)) => format!("grants of {role} on partitions"),
        _ if aspect == "primary_key" => "primary key".to_owned(),
        _ if aspect == "definition" => "query".to_owned(),
        _ => aspect.clone(),
    }
}
