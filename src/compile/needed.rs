//! Which marts the server has to be asked about.

use std::collections::BTreeSet;

use crate::catalog::{Actual, Recorded};
use crate::manifest::DesiredMart;
use crate::state::{Mart, QName};

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
                    || indexes_changed(mart, recorded)
                    || reads_changed(recorded, actual)
            }
        };
        if changed || desired.upstream.iter().any(|up| needed.contains(up)) {
            needed.insert(mart.name.clone());
        }
    }
    needed
}

/// The registry's row of a mart, under its name or the one it had before.
pub(crate) fn recorded_for<'a>(mart: &Mart, actual: &'a Actual) -> Option<&'a Recorded> {
    actual.recorded.get(&mart.name).or_else(|| {
        mart.renamed_from
            .iter()
            .find_map(|old| actual.recorded.get(old))
    })
}

fn indexes_changed(mart: &Mart, recorded: &Recorded) -> bool {
    mart.indexes
        .iter()
        .any(|index| index.needs_server() && !recorded.mart.indexes.contains(index))
}

fn reads_changed(recorded: &Recorded, actual: &Actual) -> bool {
    recorded.applied.reads.values().any(|read| {
        actual
            .relations
            .get(&read.name)
            .is_none_or(|relation| relation.signature() != read.signature)
    })
}
