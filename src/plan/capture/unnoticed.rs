//! What no trigger tells of the sources of marts.

use super::{Asked, Capture, Need, whole};
use crate::catalog::{RelationKind, Source};
use crate::manifest::Desired;
use crate::plan::{Change, Hazard, HazardKind};
use crate::state::{QName, quote_ident};

impl Capture {
    /// What is written to partitions that are elsewhere fires no trigger here. Marts that follow rows are refused for them.
    pub(super) fn foreign_parts(&mut self, source: &Source, need: &Need, asked: &Asked<'_>) {
        let tables = &asked.actual.captures.tables;
        let foreign = |name: &&QName| tables.get(*name).is_some_and(|part| part.kind == RelationKind::ForeignTable);
        for part in source.family.iter().filter(foreign) {
            for mart in need.triggered.iter().filter(|mart| asked.options.selects(mart)) {
                self.unnoticed.entry(mart.clone()).or_default().push(format!("foreign table {part}"));
            }
        }
    }

    /// Says of marts that change what of their sources is not noticed.
    pub fn warn(&self, changes: &mut [Change], desired: &Desired) {
        for (mart, what) in &self.unnoticed {
            let Some(change) = changes.iter_mut().find(|change| change.address == mart.to_string()) else { continue };
            let declared = desired.marts.iter().map(whole).find(|whole| whole.name == *mart);
            let Some(channel) = declared.map(|declared| declared.refresh.channel_of(mart)) else { continue };
            let message = format!(
                "changes of {} are not noticed; NOTIFY {} tells of them",
                what.join(", "),
                quote_ident(&channel)
            );
            change.hazards.push(Hazard::new(HazardKind::CapturesWrites, message));
        }
    }
}
