//! What a plan does to the versions of a mart, beside building and publishing them.

use super::builder::Builder;
use super::decision::Decision;
use super::{PartRow, Record, RecordRow, parts, version};
use crate::state::Part;

impl Builder<'_> {
    /// Versions beyond those that are kept go once the mart's view has left them, each by itself: who still reads one holds up
    /// nothing else.
    pub(super) fn expire(&mut self, decision: &Decision<'_>) {
        let desired = decision.target.desired;
        let Some(Part::Stable { whole, .. }) = &desired.part else { return };
        let newest = version::newest(self.desired, &whole.name);
        for version in version::expired_of(desired, newest, self.actual) {
            self.begin();
            if let Some(owner) = &version.owner {
                let sql = format!("DROP {} {}", version.mart.kind.sql(), version.mart.name);
                self.publish(&whole.name, sql, self.role(Some(owner)));
            }
            let row = RecordRow::Forget { of: whole.name.clone(), number: version.number };
            self.out.records.push(Record { transaction: self.transaction, mart: version.mart.name, row });
        }
    }
}

/// What a relation is to its versioned mart, for the registry.
pub(super) fn part_row(decision: &Decision<'_>) -> Option<PartRow> {
    let target = &decision.target;
    Some(match target.desired.part.as_ref()? {
        Part::Version { of, number, .. } => PartRow::Version { of: of.clone(), number: *number },
        Part::Stable { whole, number } => PartRow::Stable {
            whole: whole.clone(),
            number: *number,
            held: target
                .recorded
                .filter(|recorded| !parts::overtaken(target.desired, recorded))
                .and_then(|recorded| recorded.held.clone()),
        },
    })
}
