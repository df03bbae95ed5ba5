//! The keys of `[refresh]` that belong to one strategy.

use toml_edit::{InlineTable, Value};

use super::text::{string, strings};
use crate::state::{Incremental, RefreshPolicy};

/// The keys that differ from what the manifest says, with what they say now. What is inherited is not said again.
pub(super) fn changes(
    old: Option<&RefreshPolicy>,
    new: &RefreshPolicy,
    inherited: &RefreshPolicy,
) -> Vec<(&'static str, Option<Value>)> {
    let mut changes = Vec::new();
    for (key, of) in KEYS {
        let value = of(new);
        if old.is_none_or(|old| !same(&of(old), &value)) {
            let own = !same(&of(inherited), &value);
            changes.push((*key, value.filter(|_| own)));
        }
    }
    changes
}

/// A key, and what a policy says under it.
type Written = (&'static str, fn(&RefreshPolicy) -> Option<Value>);

const KEYS: &[Written] = &[
    ("debounce", |policy| policy.debounce.map(duration)),
    ("max_wait", |policy| policy.max_wait.map(duration)),
    ("channel", |policy| policy.channel.as_deref().map(string)),
    ("full_after", |policy| policy.full_after.map(duration)),
    ("fresh", |policy| policy.fresh.then(|| Value::from(true))),
    ("incremental", |policy| policy.incremental.as_ref().map(incremental)),
];

fn same(one: &Option<Value>, other: &Option<Value>) -> bool {
    one.as_ref().map(Value::to_string) == other.as_ref().map(Value::to_string)
}

/// A duration in the largest unit that says it exactly.
fn duration(seconds: u64) -> Value {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units.into_iter().find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size));
    let (size, unit) = whole.unwrap_or((1, "s"));
    string(&format!("{}{unit}", seconds / size))
}

fn incremental(said: &Incremental) -> Value {
    let mut table = InlineTable::new();
    let key = (!said.unique_key.is_empty()).then(|| strings(&said.unique_key));
    for (key, value) in [
        ("method", Some(string(said.method.as_str()))),
        ("time_column", said.time_column.as_deref().map(string)),
        ("lookback", said.lookback.map(duration)),
        ("unique_key", key),
        ("full_schedule", said.full_schedule.as_deref().map(string)),
    ] {
        if let Some(value) = value {
            table.insert(key, value);
        }
    }
    table.into()
}
