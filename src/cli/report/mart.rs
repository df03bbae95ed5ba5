//! Marts, for people.

use chrono::{DateTime, Utc};
use datamart::observe::{Following, Freshness, MartStatus, PartitionSummary};
use datamart::state::format_duration;
use serde_json::Value;

use super::super::print::Style;
use super::paint::Paint;
use super::table::{LAST, short, table as lines};
use datamart::state::thousands;

/// `list`: one row per mart.
pub fn list(marts: &[MartStatus], stats: bool, _style: Style) -> String {
    if marts.is_empty() {
        return none();
    }
    let mut header = vec!["mart", "type", "status", "refresh", "tags"];
    if stats {
        header.extend(["rows", "size", "columns", "indexes", "refreshed"]);
    }
    let rows = marts.iter().map(|mart| {
        let mut row = vec![
            mart.full_name.clone(),
            mart.kind.as_str().to_owned(),
            mart.status.as_str().to_owned(),
            mart.refresh_strategy.to_owned(),
            if mart.tags.is_empty() { dash() } else { mart.tags.join(",") },
        ];
        if stats {
            row.extend([
                rows(mart),
                mart.size.clone().unwrap_or_else(dash),
                mart.column_count.to_string(),
                mart.indexes.len().to_string(),
                mart.last_refreshed.map_or_else(dash, moment),
            ]);
        }
        row
    });
    lines(&header, &["rows", "size", "columns", "indexes"], rows.collect())
}

/// `stats`: everything about one mart.
pub fn stats(mart: &MartStatus, style: Style) -> String {
    let paint = Paint(style.out_color);
    let mut text = format!("{} ({}, {})\n", paint.bold(&mart.full_name), mart.kind.as_str(), mart.status.as_str());
    if let Some(description) = &mart.description {
        text.push_str(&format!("{description}\n"));
    }
    let ages = mart.ages.unwrap_or_default();
    let told = |age_seconds: Option<i64>| age_seconds.map_or_else(dash, age);
    let freshness = mart.freshness.map(|freshness| match freshness {
        Freshness::Fresh => paint.green(freshness.as_str()),
        Freshness::Warning => paint.yellow(freshness.as_str()),
        Freshness::Stale => paint.red(freshness.as_str()),
    });
    let facts = [
        ("rows", rows(mart)),
        ("size", mart.size.clone().unwrap_or_else(dash)),
        ("refreshed", mart.last_refreshed.map_or_else(dash, moment)),
        ("next run", mart.next_run.map_or_else(dash, moment)),
        ("freshness", freshness.unwrap_or_else(dash)),
        ("age of data", told(ages.data)),
        ("of snapshot", told(ages.snapshot)),
        ("of last run", told(ages.run)),
    ];
    let version = mart.version.map(|version| ("version", version.to_string()));
    let following = mart.following.iter().flat_map(changes);
    let divided = mart.partitioned.as_ref().map(|summary| ("partitions", partitioned(summary)));
    for (name, value) in version.into_iter().chain(facts).chain(divided).chain(following) {
        text.push_str(&format!("  {name:<12} {value}\n"));
    }
    let columns = mart.columns.iter().map(|column| vec![column.name.clone(), column.type_name.clone()]);
    text.push_str(&format!("\n{}", lines(&["column", "type"], &[], columns.collect())));
    if !mart.indexes.is_empty() {
        let rows = mart.indexes.iter().map(|index| {
            vec![
                index.name.clone(),
                if index.unique { "yes" } else { "no" }.to_owned(),
                index.size.clone().unwrap_or_else(dash),
                index.scans.map_or_else(dash, |scans| scans.to_string()),
                short(body(&index.definition), LAST),
            ]
        });
        let header = ["index", "unique", "size", "scans", "definition"];
        text.push_str(&format!("\n{}", lines(&header, &["size", "scans"], rows.collect())));
    }
    if !mart.partitions.is_empty() {
        let rows = mart.partitions.iter().map(|partition| {
            vec![
                partition.name.clone(),
                partition.bounds.strip_prefix("FOR VALUES ").unwrap_or(&partition.bounds).to_owned(),
                partition.row_count.map_or_else(dash, thousands),
                partition.size.clone().unwrap_or_else(dash),
                partition.built_at.map_or_else(dash, moment),
                if partition.frozen { "yes" } else { "no" }.to_owned(),
            ]
        });
        let header = ["partition", "takes", "rows", "size", "built", "frozen"];
        text.push_str(&format!("\n{}", lines(&header, &["rows", "size"], rows.collect())));
    }
    text
}

/// How many partitions there are, and what is amiss with them.
pub fn partitioned(summary: &PartitionSummary) -> String {
    let mut amiss = Vec::new();
    amiss.extend((summary.missing > 0).then(|| format!("{} missing", summary.missing)));
    amiss.extend((summary.undeclared > 0).then(|| format!("{} undeclared", summary.undeclared)));
    let waiting = summary.default_rows.filter(|rows| *rows > 0);
    amiss.extend(waiting.map(|rows| format!("~{} rows in the default", thousands(rows))));
    match amiss.is_empty() {
        true => summary.count.to_string(),
        false => format!("{} ({})", summary.count, amiss.join(", ")),
    }
}

/// How it stands to the changes of its sources.
fn changes(following: &Following) -> Vec<(&'static str, String)> {
    let since = following.since.map_or_else(String::new, |at| format!(" since {}", moment(at)));
    let mut facts = vec![("pending", format!("{}{since}", pending(following))), ("logs", following.log_size.clone())];
    if let Some(rung) = &following.rung {
        let ratio = following.ratio.map_or_else(String::new, |ratio| format!(", costs {:.0}% of all", ratio * 100.0));
        let reason = following.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        facts.push(("decided", format!("{rung}{ratio}{reason}")));
    }
    facts.extend(following.demoted.as_ref().map(|why| ("demoted", why.clone())));
    facts
}

/// Rows of logs that it has not seen; of a mart that counts on no log, all of its rows.
pub fn pending(following: &Following) -> String {
    match following.pending {
        None if following.unread => "unknown".to_owned(),
        None => "all".to_owned(),
        Some(rows) => format!("{}{}", thousands(rows), if following.more { "+" } else { "" }),
    }
}

/// `apply`: what there is now, in short.
pub fn table(marts: &[MartStatus], _style: Style) -> String {
    if marts.is_empty() {
        return none();
    }
    let rows = marts.iter().map(|mart| {
        vec![
            mart.full_name.clone(),
            mart.kind.as_str().to_owned(),
            mart.status.as_str().to_owned(),
            rows(mart),
            mart.size.clone().unwrap_or_else(dash),
        ]
    });
    lines(&["mart", "type", "status", "rows", "size"], &["rows", "size"], rows.collect())
}

/// For programs.
pub fn json(mart: &MartStatus) -> Value {
    // Our own types always serialise.
    serde_json::to_value(mart).unwrap_or(Value::Null)
}

/// What an index is of: its definition without names that stand beside it.
fn body(definition: &str) -> &str {
    definition.split_once(" USING ").map_or(definition, |(_, body)| body)
}

/// Rows, with `~` before an estimate.
pub fn rows(mart: &MartStatus) -> String {
    match (mart.row_count, mart.estimated) {
        (None, _) => dash(),
        (Some(rows), true) => format!("~{}", thousands(rows)),
        (Some(rows), false) => thousands(rows),
    }
}

pub fn none() -> String {
    "No marts.\n".to_owned()
}

/// For what is not there.
pub fn dash() -> String {
    "-".to_owned()
}

/// Seconds for people.
pub fn age(seconds: i64) -> String {
    format_duration(u64::try_from(seconds).unwrap_or(0))
}

/// A time for people, in UTC, to the second.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
