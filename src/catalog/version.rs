//! Which relation stores the rows of a mart.

use super::actual::{Actual, Relation};
use super::recorded::{Recorded, RecordedVersion};
use crate::state::{Mart, Part, QName, VersionOn, Versions, version_name};

/// The number of the version of `mart` that is made next. Versions keep their names when marts are renamed: a number whose
/// name is `taken` by another mart's version is passed over.
pub(crate) fn next_version(row: Option<&Recorded>, mart: &QName, taken: impl Fn(&QName) -> bool) -> u32 {
    let mut number = row.map_or(1, Recorded::next_version);
    while taken(&version_name(mart, number)) {
        number += 1;
    }
    number
}

impl Recorded {
    /// The version that is published.
    pub fn published(&self) -> Option<&RecordedVersion> {
        self.versions.iter().find(|version| version.published)
    }

    /// The number of the version that is made next; numbers are never given twice while one of them is there.
    pub fn next_version(&self) -> u32 {
        self.versions.iter().map(|version| version.number).max().unwrap_or(0) + 1
    }

    /// Whether a refresh makes another version: asked for, and no older one is pinned.
    pub fn makes_versions(&self) -> bool {
        let newest = self.versions.iter().max_by_key(|version| version.number);
        let asked = |versions: Versions| versions.on == VersionOn::Refresh && versions.pin.is_none();
        let whole = match &self.part {
            Some(Part::Stable { whole, .. }) => whole,
            _ => &self.mart,
        };
        whole.versions.is_some_and(asked) && newest.is_some_and(|newest| newest.published)
    }

    /// A version by its number.
    pub fn version(&self, number: u32) -> Option<&RecordedVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The row of what stores the mart's rows: of the published version, or of the mart itself.
    pub fn stored(&self) -> Recorded {
        let Some(version) = self.published() else { return self.clone() };
        Recorded {
            // How and when it is refreshed is the mart's business.
            mart: Mart {
                refresh: self.mart.refresh.clone(),
                freshness: self.mart.freshness.clone(),
                ..version.mart.clone()
            },
            applied: version.applied.clone(),
            relation: version.relation,
            versions: Vec::new(),
            ..self.clone()
        }
    }

    /// The name of what stores the mart's rows.
    pub fn stored_name(&self) -> &QName {
        self.published().map_or(&self.mart.name, |version| &version.mart.name)
    }
}

impl Actual {
    /// What stores the rows of a mart: its relation, or that of its published version.
    pub fn stored(&self, mart: &QName) -> Option<&Relation> {
        let name = self.recorded.get(mart).map_or(mart, Recorded::stored_name);
        self.relations.get(name)
    }
}
