//! Which marts the server has to be asked about.

use std::collections::BTreeSet;

use crate::catalog::{Actual, Column, Recorded};
use crate::manifest::DesiredMart;
use crate::state::{Mart, Part, QName};

/// The marts that are new, changed, read something that changed, or read such a mart. `marts` stand upstream first.
pub fn needed(marts: &[DesiredMart], actual: &Actual) -> BTreeSet<QName> {
    let mut needed: BTreeSet<QName> = BTreeSet::new();
    for desired in marts {
        let mart = &desired.mart;
        let known = recorded_for(mart, actual);
        let changed = match known {
            None => true,
            Some(recorded) => {
                recorded.applied.query != mart.query_fingerprint().0
                    || recorded.mart.name != mart.name
                    || recorded.mart.kind != mart.kind
                    || recorded.applied.major != actual.server.major()
                    || columns_changed(recorded, actual)
                    || settings_changed(mart, &recorded.mart)
                    || untried(mart, &recorded.mart)
                    || recorded.mart.checks != mart.checks
                    || divided_anew(mart, &recorded.mart)
                    || indexes_changed(mart, recorded)
                    || reads_changed(recorded, actual)
                    || reads_others(desired, recorded, actual)
                    || (mart.follows_changes()
                        && (recorded.applied.changes.is_none() || followed_otherwise(mart, &recorded.mart)))
                    || is_fresh(desired.part.as_ref()) != is_fresh(recorded.part.as_ref())
            }
        };
        if changed || desired.upstream.iter().any(|up| needed.contains(up)) {
            needed.insert(mart.name.clone());
        }
    }
    let fresh = fresh_below(marts, &needed);
    needed.extend(fresh);
    needed
}

/// The fresh marts that marts read which are to follow changes: of these views the server knows another text than the query.
fn fresh_below(marts: &[DesiredMart], needed: &BTreeSet<QName>) -> BTreeSet<QName> {
    let follows = |desired: &&DesiredMart| needed.contains(&desired.mart.name) && desired.mart.follows_changes();
    let read: BTreeSet<&QName> = marts.iter().filter(follows).flat_map(|desired| &desired.upstream).collect();
    let fresh = |desired: &&DesiredMart| is_fresh(desired.part.as_ref()) && read.contains(&desired.mart.name);
    let views = marts.iter().filter(fresh);
    views.flat_map(|view| view.upstream.iter().cloned().chain([view.mart.name.clone()])).collect()
}

/// Whether other columns tell what changes affect.
fn followed_otherwise(mart: &Mart, before: &Mart) -> bool {
    let method = |mart: &Mart| mart.refresh.incremental.as_ref().map(|incremental| incremental.method);
    mart.partition.is_some() && method(mart) != method(before)
}

/// The registry's row of a mart, under its name or the one it had before.
pub(crate) fn recorded_for<'a>(mart: &Mart, actual: &'a Actual) -> Option<&'a Recorded> {
    actual.row(mart)
}

/// Whether other partitions are wanted, which begin with the earliest row.
fn divided_anew(mart: &Mart, before: &Mart) -> bool {
    mart.partition.as_ref().zip(before.partition.as_ref()).is_some_and(|(now, before)| !now.divides_as(before))
}

/// Whether settings changed that a query's result may depend on; memory and planner settings are none.
pub(crate) fn settings_changed(mart: &Mart, before: &Mart) -> bool {
    const MATTER: [&str; 12] = [
        "array_nulls",
        "bytea_output",
        "datestyle",
        "default_text_search_config",
        "extra_float_digits",
        "intervalstyle",
        "row_security",
        "timezone",
        "timezone_abbreviations",
        "transform_null_equals",
        "xmlbinary",
        "xmloption",
    ];
    let of = |mart: &Mart| -> Vec<(String, String)> {
        let settings = mart.settings().into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value));
        let matters = |key: &str| key.contains('.') || key.starts_with("lc_") || MATTER.contains(&key);
        let mut settings: Vec<_> = settings.filter(|(key, _)| matters(key)).collect();
        settings.sort();
        settings
    };
    (mart.timezone != before.timezone || mart.session != before.session) && of(mart) != of(before)
}

/// Whether it has settings or parameters of its storage that the server has not been asked about.
fn untried(mart: &Mart, before: &Mart) -> bool {
    let settings = mart.session != before.session && !mart.session.is_empty();
    settings || (mart.with != before.with && !mart.with.is_empty() && mart.kind.has_data())
}

/// Whether an unqualified name of the query means another relation now, because one came into an earlier schema of
/// its search path.
fn reads_others(desired: &DesiredMart, recorded: &Recorded, actual: &Actual) -> bool {
    let mart = &desired.mart;
    desired.reads.iter().filter(|read| read.schema.is_none()).any(|read| {
        let names = mart.search_path.iter().map(|schema| QName::new(schema, &read.name));
        let found = names.into_iter().find(|name| actual.relations.contains_key(name));
        found.is_some_and(|name| name != mart.name && !recorded.applied.reads.values().any(|known| known.name == name))
    })
}

/// Whether it is the view of a fresh mart, which is made from more than its query.
pub(super) fn is_fresh(part: Option<&Part>) -> bool {
    matches!(part, Some(Part::Stable { whole, .. }) if whole.refresh.fresh)
}

/// Whether it is gone, or somebody gave it other columns: what reads it is compiled against what it should be, not against those.
fn columns_changed(recorded: &Recorded, actual: &Actual) -> bool {
    let Some(live) = actual.relations.get(&recorded.mart.name) else { return true };
    let told = |columns: &[Column]| -> Vec<(String, String)> {
        columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).collect()
    };
    told(&live.columns) != told(&recorded.applied.columns)
}

fn indexes_changed(mart: &Mart, recorded: &Recorded) -> bool {
    mart.indexes.iter().any(|index| index.needs_server() && !recorded.mart.indexes.contains(index))
}

fn reads_changed(recorded: &Recorded, actual: &Actual) -> bool {
    recorded
        .applied
        .reads
        .values()
        .any(|read| actual.relations.get(&read.name).is_none_or(|relation| relation.signature() != read.signature))
}
