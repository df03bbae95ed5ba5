//! What the names of fresh marts show: their rows as they would be now.

use crate::catalog::Actual;
use crate::compile::{Compiled, recorded_for};
use crate::manifest::{Desired, DesiredMart};
use crate::sql::{FreshView, asked_by, fresh_view};
use crate::state::{Changes, Mart, Part, QName, ShownBy, log_name, log_segments};

/// A fresh mart: the view of its name, and the version that it shows.
pub(super) struct Fresh<'a> {
    pub whole: &'a Mart,
    pub version: &'a DesiredMart,
    pub view: &'a DesiredMart,
}

/// The fresh marts among `desired`, by the places of their views.
pub(super) fn fresh(desired: &Desired) -> impl Iterator<Item = (usize, Fresh<'_>)> {
    desired.marts.iter().enumerate().filter_map(|(at, view)| {
        let Some(Part::Stable { whole, number }) = &view.part else { return None };
        let shown = |other: &&DesiredMart| {
            matches!(&other.part, Some(Part::Version { of, number: n, .. }) if *of == whole.name && n == number)
        };
        let version = desired.marts.iter().find(shown).filter(|_| whole.refresh.fresh && whole.kind.has_data())?;
        Some((at, Fresh { whole, version, view }))
    })
}

/// The texts of the views of fresh marts, by their places in `desired`. Where the rows cannot follow what changed there is none:
/// [`fresh`](super::fresh) says why.
pub(super) fn views(desired: &Desired, compiled: &Compiled, actual: &Actual) -> Vec<(usize, ShownBy)> {
    let views = fresh(desired).filter_map(|(at, fresh)| {
        let changes = changes(fresh.version, compiled, actual).filter(|changes| !asked_by(changes).is_empty())?;
        let columns = columns(fresh.version, compiled, actual);
        let view = FreshView {
            registry: &desired.project.registry_schema,
            project: &desired.project.name,
            rows: &fresh.version.mart.name,
            columns: &columns,
            changes,
            logged: desired.project.capture.logged,
            timezone: &fresh.version.mart.timezone,
        };
        Some((at, ShownBy { text: fresh_view(&view), reads: reads(&view) }))
    });
    views.collect()
}

/// What a version's rows follow, as the server says now or said when it was made.
pub(super) fn changes<'a>(version: &DesiredMart, compiled: &'a Compiled, actual: &'a Actual) -> Option<&'a Changes> {
    match compiled.marts.get(&version.mart.name) {
        Some(compiled) => compiled.changes.as_ref(),
        None => recorded_for(&version.mart, actual)?.applied.changes.as_ref(),
    }
}

fn columns(version: &DesiredMart, compiled: &Compiled, actual: &Actual) -> Vec<String> {
    let compiled = compiled.marts.get(&version.mart.name).map(|mart| &mart.columns);
    let columns = compiled.or_else(|| Some(&recorded_for(&version.mart, actual)?.applied.columns));
    columns.into_iter().flatten().map(|column| column.name.clone()).collect()
}

/// What the view reads beside rows and sources: where the rows stand, and what was logged since.
fn reads(view: &FreshView<'_>) -> Vec<QName> {
    let own = ["positions", "captures", "sentinels"].map(|table| QName::new(view.registry, table));
    let sources = view.changes.sources.iter();
    let logs = sources.flat_map(|source| log_segments(&log_name(view.registry, view.project, &source.table)));
    own.into_iter().chain(logs).collect()
}
