//! Marts as one looks at them.

use std::collections::BTreeMap;

use super::Looked;
use crate::catalog::{Recorded, Relation};
use crate::state::{Mart, QName};

/// A mart as declared, else as applied, with what there is of it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub mart: &'a Mart,
    pub recorded: Option<&'a Recorded>,
    pub live: Option<&'a Relation>,
    pub orphan: bool,
}

/// Everything declared or applied.
pub(super) fn subjects<'a>(looked: &Looked<'a>) -> BTreeMap<&'a QName, Subject<'a>> {
    let actual = looked.actual;
    let subject = |mart: &'a Mart, orphan| {
        let recorded = actual.recorded.get(&mart.name);
        // A relation of that name that nobody applied is not the mart. Of a versioned one the published version is looked at.
        let live = recorded.and_then(|_| actual.relations.get(&mart.name)).and(actual.stored(&mart.name));
        (&mart.name, Subject { mart, recorded, live, orphan })
    };
    let known = looked.desired.is_some();
    let mut subjects: BTreeMap<_, _> = actual.recorded.values().map(|row| subject(&row.mart, known)).collect();
    let declared = looked.desired.iter().flat_map(|desired| &desired.marts);
    subjects.extend(declared.map(|desired| subject(&desired.mart, false)));
    subjects
}
