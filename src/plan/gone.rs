//! What was applied and is gone. A plan counts it among the changes, since it makes it again.

use std::collections::BTreeSet;

use super::drift::unified;
use super::{Drift, capture, keep};
use crate::catalog::{Actual, Applied, Missed, Recorded, wanted};
use crate::manifest::Desired;
use crate::state::{Mart, QName};

/// Relations, indexes, triggers on sources and what keeps marts, of declared marts, that were applied and are gone.
pub fn gone(desired: &Desired, actual: &Actual) -> Vec<Drift> {
    let declared: BTreeSet<&QName> =
        desired.marts.iter().flat_map(|d| d.mart.renamed_from.iter().chain([&d.mart.name])).collect();
    let mut items = capture::gone(desired, actual);
    items.extend(keep::gone(desired, actual));
    for (name, row) in actual.recorded.iter().filter(|(name, _)| declared.contains(name)) {
        let whole = Piece { row, relation: name, mart: &row.mart, applied: &row.applied, of: String::new() };
        whole.gone(actual, &mut items);
        // Older versions may go: nothing is made of them again.
        let newest = row.versions.last().map(|version| version.number);
        for version in row.versions.iter().filter(|v| v.published || Some(v.number) == newest) {
            let (mart, applied, of) = (&version.mart, &version.applied, format!(" of version {}", version.number));
            Piece { row, relation: &mart.name, mart, applied, of }.gone(actual, &mut items);
        }
    }
    items
}

/// A relation of a mart, and what it was.
struct Piece<'a> {
    row: &'a Recorded,
    relation: &'a QName,
    mart: &'a Mart,
    applied: &'a Applied,
    /// What it is to a versioned mart, behind what is told.
    of: String,
}

impl Piece<'_> {
    fn gone(&self, actual: &Actual, items: &mut Vec<Drift>) {
        let of = &self.of;
        let Some(live) = actual.relations.get(self.relation) else {
            let subject = if of.is_empty() { "its relation".to_owned() } else { format!("the relation{of}") };
            items.push(match actual.called.get(self.relation) {
                Some(now) => self.renamed(&subject, now),
                None => self.item("relation".to_owned(), &subject, &self.applied.definition),
            });
            return;
        };
        for (index, applied) in &self.applied.indexes {
            let ours = applied.primary || self.mart.indexes.iter().any(|declared| declared.name == *index);
            let there = live.indexes.get(index).is_some_and(|found| found.valid);
            if ours && !there {
                let subject = format!("index {index}{of}");
                items.push(self.item(format!("indexes:{index}"), &subject, &applied.definition));
            }
        }
        let (divided, now) = (self.applied.divided.as_ref(), actual.server.now);
        let pieces = wanted(self.mart, &live.columns, Some(live), None, divided, now).unwrap_or_default();
        let missed = Missed { mart: self.mart, live, applied: divided, now };
        for piece in missed.gone(&pieces).iter().filter(|_| live.partitioned_by.is_some()) {
            let subject = format!("partition {}{of}", piece.name.name);
            items.push(self.item(format!("partitions:{}", piece.name.name), &subject, &piece.bound));
        }
    }

    /// It is there, under another name.
    fn renamed(&self, subject: &str, now: &QName) -> Drift {
        let (expected, actual) = (self.relation.to_string(), now.to_string());
        Drift {
            address: self.row.mart.name.to_string(),
            kind: self.row.mart.kind,
            message: format!("{subject} was renamed to {now}"),
            aspect: "relation".to_owned(),
            diff: unified(&expected, &actual, "as applied", "in the database"),
            expected: Some(expected),
            actual: Some(actual),
        }
    }

    fn item(&self, aspect: String, subject: &str, expected: &str) -> Drift {
        let removed: String = expected.trim_end().lines().map(|line| format!("-{line}\n")).collect();
        let lines = match removed.lines().count() {
            1 => "1".to_owned(),
            count => format!("1,{count}"),
        };
        Drift {
            address: self.row.mart.name.to_string(),
            kind: self.row.mart.kind,
            message: format!("{subject} was removed"),
            aspect,
            expected: Some(expected.to_owned()),
            actual: None,
            diff: format!("--- as applied\n+++ in the database\n@@ -{lines} +0,0 @@\n{removed}"),
        }
    }
}
