//! Partitioned tables as marts whose queries nobody knows: what is there is read, what fills it has to be said.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::live;
use super::place::Places;
use super::{Findings, Note};
use crate::catalog::{Attached, Relation, RelationKind};
use crate::compile::Restated;
use crate::sql::parse_qualified_name;
use crate::state::{Kind, Mart, OnExpire, Partition, PartitionBy, QName, Ranges, Span, TimeType, range_of};

/// Intervals that partitions by time have, the shortest first.
const INTERVALS: [&str; 15] = [
    "1 hour", "2 hours", "3 hours", "4 hours", "6 hours", "8 hours", "12 hours", "1 day", "1 week", "1 month",
    "2 months", "3 months", "4 months", "6 months", "1 year",
];

/// The marts that partitioned tables could be.
#[derive(Debug, Default)]
pub struct Drafts {
    /// Marts without a query, and where their manifests may stand.
    pub marts: Vec<(Mart, String)>,
    /// Those that no manifest can say, and why.
    pub refused: Vec<(QName, String)>,
    /// What was guessed.
    pub notes: Vec<Note>,
}

/// The marts that the partitioned tables of `names` could be.
pub fn drafts(findings: &Findings<'_>, names: &BTreeSet<QName>, now: DateTime<Utc>) -> Drafts {
    let mut drafts = Drafts::default();
    let mut places = Places::default();
    for path in findings.desired.marts.iter().map(|desired| &desired.path).chain(findings.taken) {
        places.take(path);
    }
    for name in names {
        let Some(relation) = findings.actual.relations.get(name) else { continue };
        let zone = live::zone(findings.timezone).and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC);
        let mut note = |message: String| drafts.notes.push(Note { relation: name.clone(), message });
        match partition(relation, zone, now, &mut note) {
            Ok(partition) => {
                let mart = mart(relation, partition, findings, &mut drafts.notes);
                drafts.marts.push((mart, places.of(name)));
            }
            Err(why) => drafts.refused.push((name.clone(), why)),
        }
    }
    drafts
}

fn mart(relation: &Relation, partition: Partition, findings: &Findings<'_>, notes: &mut Vec<Note>) -> Mart {
    let nothing = Restated { canonical: String::new(), text: String::new(), captured: false, indexes: BTreeMap::new() };
    let mut mart = live::mart(relation, Kind::PartitionedTable, &nothing, findings, notes);
    let key = relation.primary_key();
    mart.primary_key = key.map(|(_, index)| index.keys.clone()).unwrap_or_default();
    mart.indexes.retain(|index| key.is_none_or(|(name, _)| index.name != *name));
    for column in relation.columns.iter().filter(|column| column.not_null && !mart.primary_key.contains(&column.name)) {
        mart.columns.entry(column.name.clone()).or_default().not_null = true;
    }
    mart.partition = Some(partition);
    mart
}

/// How it is divided, as a manifest says it.
fn partition(
    relation: &Relation,
    zone: Tz,
    now: DateTime<Utc>,
    note: &mut impl FnMut(String),
) -> Result<Partition, String> {
    let key = relation.partitioned_by.as_deref().unwrap_or_default();
    let (by, column) = key.split_once(" (").ok_or("how it is divided is not understood")?;
    let column = column.strip_suffix(')').and_then(parse_qualified_name);
    let [column] = column.as_deref().unwrap_or_default() else {
        return Err(format!("divided by {key}; a manifest names one column"));
    };
    let other = relation.partitions.iter().find(|attached| attached.kind != RelationKind::Table);
    if let Some(other) = other {
        return Err(format!("its partition {} is a {}", other.name, other.kind.label()));
    }
    let default = relation.partitions.iter().any(Attached::is_default);
    let parts: Vec<&Attached> = relation.partitions.iter().filter(|attached| !attached.is_default()).collect();
    let mut partition = Partition { column: column.clone(), by: PartitionBy::Hash { modulus: 1 }, default };
    partition.by = match by {
        "RANGE" => PartitionBy::Range(ranges(&partition, relation, &parts, zone, now, note)?),
        "LIST" => PartitionBy::List { values: lists(relation, &parts)? },
        _ => PartitionBy::Hash { modulus: modulus(&parts)? },
    };
    let wanted: BTreeSet<&str> = parts.iter().map(|attached| attached.bound.as_str()).collect();
    let names = partition.fixed(&relation.name);
    let others = names.iter().filter(|piece| wanted.contains(piece.bound.as_str()));
    let renamed = others.filter(|piece| parts.iter().all(|attached| attached.name != piece.name)).count();
    if renamed > 0 {
        note(format!(
            "{renamed} of its partitions have other names than a mart gives them: the first plan tells them as drift"
        ));
    }
    Ok(partition)
}

/// The interval, from the bounds: the one that most of them are of.
fn ranges(
    partition: &Partition,
    relation: &Relation,
    parts: &[&Attached],
    zone: Tz,
    now: DateTime<Utc>,
    note: &mut impl FnMut(String),
) -> Result<Ranges, String> {
    let type_name = relation.columns.iter().find(|column| column.name == partition.column).map(|c| &c.type_name);
    let kind = type_name.and_then(|name| TimeType::of(name));
    let kind = kind.ok_or_else(|| format!("divided by ranges of {}, which is no time", partition.column))?;
    let begins: Vec<_> =
        parts.iter().filter_map(|attached| Some((kind.read(&range_of(&attached.bound)?.0, zone)?, attached))).collect();
    let of = |interval: Span| {
        let ranges = Ranges { interval, start: None, premake: 0, retain: None, on_expire: OnExpire::Drop };
        let by_time = Partition { by: PartitionBy::Range(ranges), ..partition.clone() };
        let regular = begins.iter().filter(|(begins, attached)| {
            let piece = by_time.between(&relation.name, (kind, zone), *begins, *begins);
            piece.is_ok_and(|piece| piece.first().is_some_and(|piece| piece.bound == attached.bound))
        });
        regular.map(|(begins, _)| *begins).collect::<Vec<_>>()
    };
    let candidates = INTERVALS.iter().filter_map(|text| Span::parse(text).ok()).map(|span| (span, of(span)));
    // Of two that fit as well the first: February is a month, and no two of them.
    let best = candidates.fold(None, |best: Option<(Span, Vec<_>)>, (span, regular)| match best {
        Some(best) if best.1.len() >= regular.len() => Some(best),
        _ => Some((span, regular)),
    });
    let Some((interval, regular)) = best.filter(|(_, regular)| !regular.is_empty()) else {
        return Err("the bounds of its partitions are no interval that a manifest can say".to_owned());
    };
    let today = now.with_timezone(&zone).naive_local();
    let premake = u32::try_from(regular.iter().filter(|begins| **begins > today).count()).unwrap_or_default();
    note(format!("its partitions are of {interval}, {premake} of them ahead of now: guessed from their bounds"));
    if regular.len() < parts.len() {
        let others = parts.len() - regular.len();
        note(format!("{others} of its partitions are of another length: the first plan tells them as drift"));
    }
    Ok(Ranges { interval, start: regular.iter().min().copied(), premake, retain: None, on_expire: OnExpire::Drop })
}

/// The values of each partition, by the end of its name.
fn lists(relation: &Relation, parts: &[&Attached]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut lists = BTreeMap::new();
    for attached in parts {
        let values = attached.bound.strip_prefix("FOR VALUES IN (").and_then(|rest| values(rest.strip_suffix(')')?));
        let values =
            values.ok_or_else(|| format!("what {} takes is not understood: {}", attached.name, attached.bound))?;
        let name = &attached.name.name;
        let own = name.strip_prefix(&format!("{}_", relation.name.name)).unwrap_or(name);
        lists.insert(own.to_owned(), values);
    }
    Ok(lists)
}

/// Literals as PostgreSQL prints them; `None` where NULL is among them, or anything else than strings and numbers.
fn values(text: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, behind) = match rest.strip_prefix('\'') {
            Some(quoted) => {
                let mut value = String::new();
                let mut left = quoted;
                loop {
                    let (before, after) = left.split_once('\'')?;
                    value.push_str(before);
                    match after.strip_prefix('\'') {
                        Some(more) => {
                            value.push('\'');
                            left = more;
                        }
                        None => break (value, after),
                    }
                }
            }
            None => {
                let end = rest.find(", ").unwrap_or(rest.len());
                let plain = &rest[..end];
                let known = plain == "true" || plain == "false" || plain.parse::<f64>().is_ok();
                known.then(|| (plain.to_owned(), &rest[end..]))?
            }
        };
        values.push(value);
        match behind.strip_prefix(", ") {
            Some(more) => rest = more,
            None => return behind.is_empty().then_some(values),
        }
    }
}

fn modulus(parts: &[&Attached]) -> Result<u32, String> {
    let of = |attached: &&Attached| {
        let (number, _) = attached.bound.strip_prefix("FOR VALUES WITH (modulus ")?.split_once(',')?;
        number.parse::<u32>().ok()
    };
    let moduli: BTreeSet<Option<u32>> = parts.iter().map(of).collect();
    match (moduli.first().copied().flatten(), moduli.len()) {
        (Some(modulus), 1) if usize::try_from(modulus) == Ok(parts.len()) => Ok(modulus),
        _ => Err("its partitions by hash are not as many as their modulus".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn literals_are_read_as_they_are_printed() {
        let read = |text: &str| values(text).map(|values| values.join("|"));
        assert_eq!(read("'DE', 'it''s, or not'").as_deref(), Some("DE|it's, or not"));
        assert_eq!(read("1, -2.5, true").as_deref(), Some("1|-2.5|true"));
        assert_eq!(read("'a', NULL"), None);
    }
}
