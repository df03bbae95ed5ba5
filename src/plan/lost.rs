//! What hangs on a relation and cannot follow to the one that takes its place, and why.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Column, Extra, ExtraKind, Relation, RelationKind};
use crate::state::{Kind, LOG_EVENTS, QName, log_trigger};

/// A relation and the one that takes its place.
pub(crate) struct Place<'a> {
    /// The one that goes.
    pub live: &'a Relation,
    /// What the new one is.
    pub kind: Kind,
    /// Its name.
    pub name: &'a QName,
    /// Its name until then.
    pub aside: QName,
    /// Its columns.
    pub columns: &'a [Column],
    /// Its owner.
    pub owner: String,
    /// The indexes of the old one that are made again, and the names they will have.
    pub indexes: BTreeMap<String, String>,
    /// The indexes that are made whatever the old one has.
    pub declared: BTreeSet<String>,
    /// The columns that cannot be null.
    pub not_null: BTreeSet<String>,
    /// The columns of each of its unique indexes.
    pub keys: Vec<Vec<String>>,
    /// Relations that are exchanged beside it: their foreign keys come with them.
    pub beside: BTreeSet<QName>,
}

impl Place<'_> {
    /// The foreign keys of other relations that refer to it.
    pub(crate) fn referencing(&self) -> impl Iterator<Item = &Extra> {
        let others = |extra: &&Extra| extra.other.as_ref().is_none_or(|other| !self.beside.contains(other));
        self.live.extras.iter().filter(|extra| extra.kind == ExtraKind::Referencing).filter(others)
    }
}

/// Why something cannot follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// In words, what it is included.
    pub message: String,
    /// Somebody may say that it goes. Else a right is missing, and is granted first.
    pub allowable: bool,
}

/// Whether it goes, with or without a word about it.
pub(crate) fn is_lost(place: &Place<'_>, extra: &Extra) -> bool {
    goes_silently(place, extra) || loss(place, extra).is_some()
}

/// Everything that cannot follow and that somebody would miss.
pub(crate) fn losses(place: &Place<'_>) -> Vec<Loss> {
    let extras = place.live.extras.iter().filter(|extra| !goes_silently(place, extra));
    extras.filter_map(|extra| loss(place, extra)).collect()
}

/// What is set on a column or an index goes with it.
fn goes_silently(place: &Place<'_>, extra: &Extra) -> bool {
    let column_goes = || !extra.columns.iter().all(|name| place.columns.iter().any(|column| column.name == *name));
    match extra.kind {
        ExtraKind::Column => place.kind == Kind::View || column_goes(),
        // What fills our logs goes with what they follow; the relation that is followed instead gets its own.
        ExtraKind::Trigger => !place.live.kind.is(place.kind) && is_log_trigger(extra),
        ExtraKind::Default | ExtraKind::OwnerRights => column_goes(),
        ExtraKind::IndexStatistics | ExtraKind::Key | ExtraKind::Unique | ExtraKind::Exclusion => {
            !place.indexes.contains_key(&extra.name)
        }
        _ => false,
    }
}

fn loss(place: &Place<'_>, extra: &Extra) -> Option<Loss> {
    let (label, live) = (&extra.label, &place.live.name);
    let lost = |why: String| Some(Loss { message: format!("{label} on {live} {why}"), allowable: true });
    if extra.kind == ExtraKind::Stays || !fits(extra, place.live.kind, place.kind) {
        return lost("would not follow to the relation that takes its place".to_owned());
    }
    if let Some(grant) = &extra.missing {
        let message = format!("{label} on {live} cannot be put back with the rights there are; {grant}");
        return Some(Loss { message, allowable: false });
    }
    for name in &extra.columns {
        let was = place.live.columns.iter().find(|column| column.name == *name);
        match place.columns.iter().find(|column| column.name == *name) {
            None => return lost(format!("needs its column {name}, which goes")),
            Some(is) if was.is_some_and(|was| was.type_name != is.type_name) => {
                return lost(format!("needs its column {name}, which becomes {}", is.type_name));
            }
            Some(_) => {}
        }
    }
    match extra.kind {
        ExtraKind::ReplicaIdentity if extra.state == "i" => {
            if !place.indexes.contains_key(&extra.name) {
                return lost(format!("needs its index {}, which goes", extra.name));
            }
            let keys = place.live.indexes.get(&extra.name).map(|index| index.keys.as_slice()).unwrap_or_default();
            let null = keys.iter().find(|column| !place.not_null.contains(*column))?;
            lost(format!("needs its column {null} to be NOT NULL; declare it so"))
        }
        ExtraKind::Referencing => {
            let mut wanted: Vec<&String> = extra.columns.iter().collect();
            wanted.sort();
            let unique = place.keys.iter().any(|key| {
                let mut key: Vec<&String> = key.iter().collect();
                key.sort();
                key == wanted
            });
            if unique {
                return None;
            }
            lost(format!("needs a unique index of its columns {}, which goes", extra.columns.join(", ")))
        }
        _ => None,
    }
}

/// One of those that fill a log of ours.
fn is_log_trigger(extra: &Extra) -> bool {
    let called = extra.tail.split_once("EXECUTE FUNCTION ").and_then(|(_, called)| called.split_once('('));
    let Some((schema, log)) = called.and_then(|(function, _)| function.split_once('.')) else { return false };
    let [schema, log] = [schema, log].map(|name| name.trim_matches('"'));
    log.starts_with("changes_") && LOG_EVENTS.iter().any(|event| log_trigger(schema, log, event) == extra.name)
}

/// Whether a relation of that kind can have what hangs on one of the other.
fn fits(extra: &Extra, was: RelationKind, kind: Kind) -> bool {
    let stored = kind.has_data() && matches!(was, RelationKind::Table | RelationKind::MaterializedView);
    match extra.kind {
        _ if was.is(kind) => true,
        ExtraKind::Label | ExtraKind::OwnerRights => true,
        ExtraKind::Statistics | ExtraKind::Column => stored,
        _ => false,
    }
}
