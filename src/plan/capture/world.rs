//! Which tables each mart follows, and what of them has to be logged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catalog::{Actual, Recorded};
use crate::compile::Compiled;
use crate::manifest::{Desired, DesiredMart};
use crate::state::{Changes, Kind, LoggedColumn, Mart, Part, QName, Strategy};

/// Whom a plan is about.
pub(super) struct World<'a> {
    marts: &'a [DesiredMart],
    compiled: Option<&'a Compiled>,
    actual: &'a Actual,
    kinds: HashMap<&'a QName, Kind>,
}

/// What is logged of a table, and for whom.
#[derive(Debug, Clone, Default)]
pub(super) struct Need {
    /// Its columns, with their types.
    pub columns: BTreeMap<String, String>,
    /// The marts that follow it.
    pub marts: BTreeSet<QName>,
    /// Those that are refreshed when it changes.
    pub triggered: BTreeSet<QName>,
    /// Some of them cannot do without.
    pub exact: bool,
    /// Some of them are kept as writers commit.
    pub commits: bool,
    /// Views of some of them read it.
    pub shown: bool,
}

impl Need {
    /// The columns, in order.
    pub fn columns(&self) -> Vec<LoggedColumn> {
        let column =
            |(name, type_name): (&String, &String)| LoggedColumn { name: name.clone(), type_name: type_name.clone() };
        self.columns.iter().map(column).collect()
    }
}

/// By table.
pub(super) type Needs = BTreeMap<QName, Need>;

impl<'a> World<'a> {
    /// The marts of a plan.
    pub fn new(desired: Option<&'a Desired>, compiled: Option<&'a Compiled>, actual: &'a Actual) -> Self {
        let marts = desired.map_or(&[][..], |desired| &desired.marts);
        let recorded = actual.recorded.iter().map(|(name, row)| (name, row.mart.kind));
        let declared = marts.iter().map(|mart| (&mart.mart.name, mart.mart.kind));
        Self { marts, compiled, actual, kinds: recorded.chain(declared).collect() }
    }

    /// What a declared mart needs.
    pub fn declared(&self, mart: &DesiredMart, needs: &mut Needs) {
        let whole = whole(mart);
        if !whole.notices_writes() || matches!(mart.part, Some(Part::Version { .. })) {
            return;
        }
        let stored = match &mart.part {
            Some(Part::Stable { number, .. }) => self.marts.iter().find(|other| {
                matches!(&other.part, Some(Part::Version { of, number: n, .. }) if *of == mart.mart.name && n == number)
            }),
            _ => Some(mart),
        };
        if let Some(stored) = stored {
            let name = &stored.mart.name;
            self.need(whole, || self.reads(name), self.changes(name), needs);
        }
    }

    /// What a mart of the registry needs.
    pub fn recorded(&self, name: &QName, row: &Recorded, needs: &mut Needs) {
        let whole = recorded_whole(row);
        if !whole.notices_writes() || matches!(row.part, Some(Part::Version { .. })) {
            return;
        }
        let stored = match &row.part {
            Some(Part::Stable { number, .. }) => self.actual.recorded.values().find(
                |other| matches!(&other.part, Some(Part::Version { of, number: n, .. }) if of == name && n == number),
            ),
            _ => None,
        };
        let published = || row.published().map(|version| &version.applied);
        let applied = stored.map(|row| &row.applied).or_else(published).or(Some(&row.applied));
        if let Some(applied) = applied {
            let reads = || applied.reads.values().map(|read| read.name.clone()).collect();
            self.need(whole, reads, applied.changes.as_ref(), needs);
        }
    }

    fn need(&self, mart: &Mart, reads: impl Fn() -> Vec<QName>, changes: Option<&Changes>, needs: &mut Needs) {
        if mart.refresh.strategy == Strategy::Triggered {
            for table in self.behind(reads()) {
                let need = needs.entry(table).or_default();
                need.marts.insert(mart.name.clone());
                need.triggered.insert(mart.name.clone());
            }
        }
        // What was followed once may be known still.
        let changes = changes.filter(|_| mart.follows_changes());
        for source in changes.iter().flat_map(|changes| &changes.sources) {
            let need = needs.entry(source.table.clone()).or_default();
            need.marts.insert(mart.name.clone());
            need.exact = true;
            need.shown |= mart.refresh.fresh;
            need.commits |= mart.refresh.strategy == Strategy::OnCommit;
            need.columns.extend(source.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())));
        }
    }

    /// How a mart follows changes, as it is compiled or was.
    fn changes(&self, mart: &QName) -> Option<&Changes> {
        if let Some(compiled) = self.compiled.and_then(|compiled| compiled.marts.get(mart)) {
            return compiled.changes.as_ref();
        }
        let name = self.actual.renamed.get(mart).unwrap_or(mart);
        self.actual.recorded.get(name)?.applied.changes.as_ref()
    }

    /// What a mart reads, as the server says.
    fn reads(&self, mart: &QName) -> Vec<QName> {
        if let Some(compiled) = self.compiled.and_then(|compiled| compiled.marts.get(mart)) {
            return compiled.reads.iter().cloned().collect();
        }
        let name = self.actual.renamed.get(mart).unwrap_or(mart);
        let row = self.actual.recorded.get(name);
        row.map(|row| row.applied.reads.values().map(|read| read.name.clone()).collect()).unwrap_or_default()
    }

    /// The tables behind these relations. Marts with rows are none: what reads them is refreshed after them.
    fn behind(&self, mut ahead: Vec<QName>) -> BTreeSet<QName> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        while let Some(name) = ahead.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            match self.kind(&name) {
                Some(Kind::View) => ahead.extend(self.reads(&name)),
                Some(_) => {}
                None => {
                    let tables = self.actual.captures.behind.get(&name).into_iter().flatten();
                    found.extend(tables.filter(|table| self.kind(table).is_none()).cloned());
                }
            }
        }
        found
    }

    /// What it is, where it is a mart.
    pub fn kind(&self, name: &QName) -> Option<Kind> {
        self.kinds.get(name).copied()
    }
}

/// The mart, where this is the view of a versioned one.
pub(super) fn whole(mart: &DesiredMart) -> &Mart {
    match &mart.part {
        Some(Part::Stable { whole, .. }) => whole,
        _ => &mart.mart,
    }
}

fn recorded_whole(row: &Recorded) -> &Mart {
    match &row.part {
        Some(Part::Stable { whole, .. }) => whole,
        _ => &row.mart,
    }
}
