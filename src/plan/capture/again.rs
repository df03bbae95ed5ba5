//! What a log that is made again means for the marts that follow it.

use super::Asked;
use super::world::Need;
use crate::catalog::Log;
use crate::state::{ChangeLog, QName};

/// Said of a log that was there: what it said is lost, so that all rows of those that follow it by now are computed once.
pub(super) fn told(need: &Need, was: Option<&Log>, log: &ChangeLog, asked: &Asked<'_>) -> String {
    let follows = |mart: &&QName| {
        let row = asked.actual.recorded.get(*mart).filter(|_| !asked.built.contains_key(*mart));
        let applied = row.map(|row| row.published().map_or(&row.applied, |version| &version.applied));
        let changes = applied.and_then(|applied| applied.changes.as_ref());
        changes.is_some_and(|changes| changes.sources.iter().any(|source| source.table == log.table))
    };
    let marts: Vec<String> = need.marts.iter().filter(follows).map(ToString::to_string).collect();
    match &marts[..] {
        [_, ..] if was.is_some() => {
            format!("; the log begins anew: all rows of {} are computed once", marts.join(", "))
        }
        _ => String::new(),
    }
}
