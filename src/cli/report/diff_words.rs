//! What is said of two versions that were compared, in every form.

use datamart::build::{ChangedRows, ComparedBy, Comparison};
use serde::Serialize;
use serde_json::Value;

use super::table::short;
use datamart::state::thousands;

/// The widest a cell is shown.
const CELL: usize = 32;

/// Two versions, compared.
#[derive(Debug, Clone, Serialize)]
pub struct Diff {
    /// The mart.
    pub mart: String,
    /// What the first side is called.
    pub a: String,
    /// What the second side is called.
    pub b: String,
    /// A unified diff of the definitions; empty where they are the same.
    pub definition: String,
    /// The rows.
    pub data: Comparison,
}

/// ` (3 of 7)` where not all are shown.
pub(super) fn of(shown: usize, count: i64) -> String {
    if i64::try_from(shown).is_ok_and(|shown| shown >= count) {
        return String::new();
    }
    format!(" ({} of {})", shown, thousands(count))
}

/// How many rows there are, and how they were matched.
pub(super) fn rows_line(Diff { a, b, data, .. }: &Diff) -> String {
    let matched = match &data.by {
        ComparedBy::Key(key) => format!("by key ({})", key.join(", ")),
        ComparedBy::Rows => "whole rows".to_owned(),
        ComparedBy::Nothing => "not compared".to_owned(),
    };
    let (rows_a, rows_b) = (thousands(data.rows_a), thousands(data.rows_b));
    format!("Rows, {matched}: {rows_a} in {a}, {rows_b} in {b}")
}

/// What has to be known to read the counts.
pub(super) fn remarks(Diff { a, b, data, .. }: &Diff) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(note) = &data.note {
        lines.push(format!("compared as whole rows: {note}"));
    }
    if data.by == ComparedBy::Nothing {
        lines.push("they have no column in common".to_owned());
    }
    for (side, columns) in [(a, &data.columns_only_in_a), (b, &data.columns_only_in_b)] {
        if !columns.is_empty() {
            let names: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.type_name)).collect();
            lines.push(format!("only {side} has, left out: {}", names.join(", ")));
        }
    }
    if !data.as_text.is_empty() {
        let types: Vec<String> = data.as_text.iter().map(|c| format!("{} ({} → {})", c.name, c.a, c.b)).collect();
        lines.push(format!("compared as text, of another type: {}", types.join(", ")));
    }
    lines
}

/// One line for each way in which rows differ, with its mark.
pub(super) fn count_lines(Diff { a, b, data, .. }: &Diff) -> Vec<String> {
    let mut lines = Vec::new();
    if data.same_rows() {
        lines.push("= every row is the same".to_owned());
    }
    for (mark, side, only) in [("-", a, &data.only_in_a), ("+", b, &data.only_in_b)] {
        if only.count > 0 {
            lines.push(format!("{mark} {} only in {side}", thousands(only.count)));
        }
    }
    if let Some(changed) = data.changed.as_ref().filter(|changed| changed.count > 0) {
        let columns: Vec<String> =
            changed.columns.iter().map(|column| format!("{} ({})", column.name, thousands(column.count))).collect();
        lines.push(format!("~ {} changed: {}", thousands(changed.count), columns.join(", ")));
    }
    lines
}

/// `key, column, old, new` for each value that differs; the key stands on the first line of its row only.
pub(super) fn changed_rows(changed: &ChangedRows) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for row in &changed.sample {
        let Some(Value::Object(old)) = row.get("old") else { continue };
        let mut key = row.get("key").map(pairs).unwrap_or_default();
        for (name, value) in old {
            let new = row.get("new").and_then(|new| new.get(name));
            rows.push(vec![std::mem::take(&mut key), short(name, CELL), cell(Some(value)), cell(new)]);
        }
    }
    rows
}

fn pairs(key: &Value) -> String {
    let Value::Object(key) = key else { return String::new() };
    let pairs: Vec<String> = key.iter().map(|(name, value)| format!("{name}={}", cell(Some(value)))).collect();
    pairs.join(" ")
}

/// A value, short enough to stand beside others.
pub(super) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "NULL".to_owned(),
        Some(Value::String(text)) => short(text, CELL),
        Some(other) => short(&other.to_string(), CELL),
    }
}
