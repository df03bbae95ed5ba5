//! Counts, for reasons.

use crate::state::thousands;

pub(super) fn of_keys(count: u64) -> String {
    counted(count, "key")
}

pub(super) fn of_changes(count: u64) -> String {
    counted(count, "change")
}

pub(super) fn of_partitions(count: u64) -> String {
    counted(count, "partition")
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(count as i64), if count == 1 { "" } else { "s" })
}
