//! `[partition]`, and what a partitioned mart must not say beside it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::names::check_name;
use super::report::Report;
use super::section::Section;
use crate::state::{
    IncrementalMethod, IndexDecl, Kind, OnExpire, Partition, PartitionBy, Ranges, RefreshPolicy, Span, Strategy,
};

/// How many partitions are kept ready where nobody says it.
const PREMAKE: u32 = 1;

/// What the partition for all other values is called behind the name of its mart.
const OTHERS: &str = "default";

/// Keys that mean something for one way of dividing only.
const ONLY: [(&str, &str); 7] = [
    ("interval", "range"),
    ("start", "range"),
    ("premake", "range"),
    ("retain", "range"),
    ("on_expire", "range"),
    ("values", "list"),
    ("modulus", "hash"),
];

/// Reads how a mart is divided; `None` where nothing is said, or too little to mean something.
pub(super) fn read(root: &Section<'_>, kind: Option<Kind>, report: &mut Report) -> Option<Partition> {
    let section = root.section("partition");
    match (kind?, section.exists()) {
        (Kind::PartitionedTable, true) => {}
        (Kind::PartitionedTable, false) => {
            let help =
                "add [partition], for example with `by = \"range\"`, `column = \"day\"` and `interval = \"1 month\"`";
            report.error(root.span("type"), "partition", "a partitioned table needs `[partition]`", help);
            return None;
        }
        (_, true) => {
            let help = "use `type = \"partitioned_table\"`, or remove it";
            report.error(section.own_span(), "partition", "only a partitioned table has `[partition]`", help);
            return None;
        }
        (_, false) => return None,
    }
    // Another word is told where words are checked.
    let by = section.str("by").filter(|by| ONLY.iter().any(|(_, whose)| whose == by))?;
    for (key, whose) in ONLY {
        if section.has(key) && whose != by {
            let message = format!("`{key}` is about `by = \"{whose}\"`, and this is `by = \"{by}\"`");
            report.error(section.key_span(key), section.path(key), message, "remove it");
        }
    }
    let column = section.text("column");
    if let Some(column) = &column {
        check_name(column, section.span("column"), &section.path("column"), report);
    }
    let default = section.bool("default").unwrap_or(false);
    let by = match by {
        "range" => PartitionBy::Range(ranges(&section, report)?),
        "list" => {
            let values = lists(&section, report)?;
            if default && values.contains_key(OTHERS) {
                let table = section.section("values");
                let message = "`default = true` makes a partition of that name for all other values";
                report.error(table.key_span(OTHERS), table.path(OTHERS), message, "give this one another name");
            }
            PartitionBy::List { values }
        }
        "hash" => {
            if default {
                let message = "partitions by hash take every row, so none is left for `default`";
                report.error(section.key_span("default"), section.path("default"), message, "remove it");
            }
            let modulus = section.integer("modulus").and_then(|number| u32::try_from(number).ok());
            if !section.has("modulus") {
                missing(&section, "modulus", "hash", "add for example `modulus = 8`", report);
            }
            PartitionBy::Hash { modulus: modulus? }
        }
        _ => return None,
    };
    Some(Partition { column: column?, by, default })
}

fn missing(section: &Section<'_>, key: &str, by: &str, help: &str, report: &mut Report) {
    report.error(section.own_span(), section.path(key), format!("`by = \"{by}\"` needs `{key}`"), help);
}

fn ranges(section: &Section<'_>, report: &mut Report) -> Option<Ranges> {
    let mut span = |key: &str| {
        let text = section.str(key)?;
        let read = Span::parse(text).and_then(|span| match (key, span.not_an_interval()) {
            ("interval", Some(why)) => Err(format!("partitions of {span} are not possible: {why}")),
            _ => Ok(span),
        });
        let help = format!("write for example `{key} = \"1 month\"`");
        read.map_err(|message| report.error(section.span(key), section.path(key), message, help)).ok()
    };
    let (interval, retain) = (span("interval"), span("retain"));
    if !section.has("interval") {
        missing(section, "interval", "range", "add for example `interval = \"1 month\"`", report);
    }
    let start = section.str("start").and_then(|text| {
        let start = time(text);
        if start.is_none() {
            let message = format!("{text:?} is neither a date nor a time");
            let help = "write for example `start = \"2025-01-01\"`";
            report.error(section.span("start"), section.path("start"), message, help);
        }
        start
    });
    let premake = section.integer("premake").and_then(|number| u32::try_from(number).ok());
    let on_expire = match section.str("on_expire") {
        Some("detach") => OnExpire::Detach,
        _ => OnExpire::Drop,
    };
    if section.has("on_expire") && !section.has("retain") {
        let message = "`on_expire` says what becomes of partitions that are older than `retain`";
        let help = "add for example `retain = \"12 months\"`, or remove it";
        report.error(section.key_span("on_expire"), section.path("on_expire"), message, help);
    }
    Some(Ranges { interval: interval?, start, premake: premake.unwrap_or(PREMAKE), retain, on_expire })
}

/// A day, or a time of one, on the wall of the mart's zone.
fn time(text: &str) -> Option<NaiveDateTime> {
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN);
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(midnight);
    let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
    day.or_else(|| formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()))
}

fn lists(section: &Section<'_>, report: &mut Report) -> Option<BTreeMap<String, Vec<String>>> {
    let table = section.section("values");
    if !section.has("values") {
        let help = "add for example `values = { eu = [\"DE\", \"FR\"], us = [\"US\"] }`";
        missing(section, "values", "list", help, report);
        return None;
    }
    let mut lists = BTreeMap::new();
    let mut taken: HashMap<String, String> = HashMap::new();
    for (name, span) in table.keys() {
        check_name(name, span.clone(), &table.path(name), report);
        let values = table.texts(name);
        if values.is_empty() {
            report.error(span, table.path(name), format!("the partition {name:?} takes no value"), "name one");
        }
        for (value, span) in &values {
            if let Some(other) = taken.insert(value.clone(), name.to_owned()) {
                let message = format!("{value:?} is taken by the partition {other:?}");
                report.error(span.clone(), table.path(name), message, "remove one of them");
            }
        }
        lists.insert(name.to_owned(), values.into_iter().map(|(value, _)| value).collect());
    }
    if lists.is_empty() {
        let help = "write for example `values = { eu = [\"DE\", \"FR\"] }`";
        report.error(section.span("values"), section.path("values"), "no partition is named", help);
    }
    Some(lists)
}

/// What else a partitioned mart says.
pub(super) struct Beside<'a> {
    pub primary_key: &'a [String],
    pub indexes: Vec<(&'a IndexDecl, Range<usize>)>,
    pub policy: &'a RefreshPolicy,
}

/// What a partitioned mart cannot have, with what it can have instead.
pub(super) fn check(root: &Section<'_>, partition: &Partition, beside: &Beside<'_>, report: &mut Report) {
    let column = &partition.column;
    let help = format!("add {column}: PostgreSQL can only tell rows apart within a partition");
    if !beside.primary_key.is_empty() && !beside.primary_key.contains(column) {
        let message = format!("the primary key of a partitioned table holds {column}, by which it is divided");
        report.error(root.span("primary_key"), "primary_key", message, help.clone());
    }
    for (index, span) in beside.indexes.iter().filter(|(index, _)| index.unique) {
        if !index.keys.iter().any(|key| !key.expression && key.term == *column) {
            let message = format!("a unique index of a partitioned table holds {column}, by which it is divided");
            report.error(span.clone(), "indexes.columns", message, help.clone());
        }
    }
    let Some(incremental) = &beside.policy.incremental else { return };
    let section = root.section("refresh").section("incremental");
    let place = || match () {
        () if section.has("method") => section.span("method"),
        () if section.exists() => section.own_span(),
        () => root.section("refresh").span("strategy"),
    };
    if incremental.method == IncrementalMethod::Partition {
        if partition.ranges().is_none() && incremental.lookback.is_some() {
            let message = "`lookback` is about partitions by range";
            let help = "remove it: what its sources log tells which partitions are computed again";
            report.error(section.span("lookback"), section.path("lookback"), message, help);
        }
        if incremental.time_column.as_ref().is_some_and(|time| time != column) {
            let message = format!("partitions are told by {column}, which is the `time_column` then");
            report.error(section.span("time_column"), section.path("time_column"), message, "remove it");
        }
    }
    let frozen = incremental.frozen_before.is_some();
    if frozen && partition.ranges().is_none() {
        let message = "history is kept by partitions of time, and these are not by `range`";
        report.error(section.span("frozen_before"), section.path("frozen_before"), message, "remove it");
    } else if frozen && incremental.time_column.as_ref().is_none_or(|time| time != column) {
        let message = format!("history is kept by partition, so `frozen_before` is about {column}");
        let help = format!("add `time_column = \"{column}\"`");
        report.error(place(), section.path("frozen_before"), message, help);
    }
    if beside.policy.strategy == Strategy::OnCommit || beside.policy.fresh {
        let message = "a partitioned table is refreshed, it does not follow each write yet";
        report.error(root.span("type"), "type", message, "use `type = \"table\"`");
    }
}
