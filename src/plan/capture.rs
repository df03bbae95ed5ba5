//! Source tables of triggered marts get a trigger that notices writes to them, and lose it with the last mart that needs it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::statement::{create_touch, drop_touch, note_touch};
use super::{Action, Change, Drift, Hazard, HazardKind, Heal, Options, PlanProblem, Step, drift};
use crate::catalog::{Actual, Recorded, RelationKind, Source, Trigger};
use crate::compile::{Compiled, recorded_for};
use crate::manifest::{Desired, DesiredMart};
use crate::state::{Kind, Mart, Part, QName, Strategy, quote_ident, touch_trigger};

/// What is done about triggers on source tables.
#[derive(Debug, Default)]
pub(super) struct Capture {
    /// Tables that get one, before anything is built: what is written meanwhile is noticed.
    before: Vec<(Change, Vec<String>)>,
    /// Tables that lose it, when nothing needs it any more.
    after: Vec<(Change, Vec<String>)>,
    /// Triggers that are gone or disabled and stay so.
    pub drift: Vec<Drift>,
    /// Tables of somebody else.
    pub problems: Vec<PlanProblem>,
    /// By mart, what it reads and cannot be noticed.
    unnoticed: BTreeMap<QName, Vec<String>>,
}

/// Whom a plan is about.
struct World<'a> {
    marts: &'a [DesiredMart],
    compiled: Option<&'a Compiled>,
    actual: &'a Actual,
    kinds: HashMap<&'a QName, Kind>,
}

/// What is asked for, and who does it.
struct Asked<'a> {
    desired: &'a Desired,
    options: &'a Options,
    user: &'a str,
}

/// What is done about the source tables of triggered marts. `dropped` are the marts that go.
pub(super) fn capture(
    desired: &Desired,
    compiled: &Compiled,
    actual: &Actual,
    options: &Options,
    dropped: &BTreeSet<QName>,
) -> Capture {
    let mut capture = Capture::default();
    if actual.captures.sources.is_empty() {
        return capture;
    }
    let world = World::new(&desired.marts, Some(compiled), actual);
    let before = world.before(|_| true);
    let asked = Asked { desired, options, user: &actual.server.user };
    let mut needed: BTreeMap<QName, Vec<&DesiredMart>> = BTreeMap::new();
    for mart in desired.marts.iter().filter(|mart| triggered(whole(mart))) {
        for source in world.sources(mart) {
            needed.entry(source).or_default().push(mart);
        }
    }
    for (name, marts) in &needed {
        if let Some(source) = actual.captures.sources.get(name) {
            capture.source(name, source, marts, before.contains(name), &asked);
        }
    }
    // What has no manifest and stays, goes on.
    let known: BTreeSet<&QName> =
        desired.marts.iter().filter_map(|d| Some(&recorded_for(&d.mart, actual)?.mart.name)).collect();
    let stays = world.before(|name| !known.contains(name) && !dropped.contains(name));
    let gone = world.before(|name| options.selects(name) || dropped.contains(name));
    for (name, source) in &actual.captures.sources {
        let ours = matches!(source.trigger, Some(Trigger::Works | Trigger::Disabled)) && source.owned;
        let concerned = options.select.is_none() || gone.contains(name);
        if ours && concerned && !needed.contains_key(name) && !stays.contains(name) {
            let sql = vec![drop_touch(&trigger(desired), name)];
            let change = change(name, "no triggered mart reads it any more", &made(desired, name).join(";\n"), "");
            capture.after.push((change, sql));
        }
    }
    capture
}

/// The triggered marts that a write to a source table means, by its OID, as the registry has them. Reads the catalog with
/// [`scope`](super::scope).
pub fn watched(actual: &Actual) -> BTreeMap<i64, BTreeSet<QName>> {
    let world = World::new(&[], None, actual);
    let mut watched: BTreeMap<i64, BTreeSet<QName>> = BTreeMap::new();
    for (name, row) in actual.recorded.iter().filter(|(_, row)| triggered(recorded_whole(row))) {
        for source in world.sources_of(name, row) {
            if let Some(source) = actual.captures.sources.get(&source) {
                watched.entry(source.oid).or_default().insert(name.clone());
            }
        }
    }
    watched
}

/// The triggers on tables that declared marts follow which were made and are gone.
pub(super) fn gone(desired: &Desired, actual: &Actual) -> Vec<Drift> {
    let world = World::new(&[], None, actual);
    let mut items = Vec::new();
    for whole in desired.marts.iter().map(whole).filter(|mart| triggered(mart)) {
        let row = actual.recorded.get(&whole.name).filter(|row| triggered(recorded_whole(row)));
        for name in row.map(|row| world.sources_of(&whole.name, row)).unwrap_or_default() {
            let source = actual.captures.sources.get(&name);
            let table = |s: &&Source| matches!(s.kind, RelationKind::Table | RelationKind::PartitionedTable);
            if source.filter(table).is_some_and(|source| source.trigger.is_none() && !source.child) {
                items.push(drifted_item(whole, format!("capture:{name}"), &name, None, desired));
            }
        }
    }
    items
}

impl Capture {
    fn source(&mut self, name: &QName, source: &Source, marts: &[&DesiredMart], was: bool, asked: &Asked<'_>) {
        let Asked { desired, options, user } = *asked;
        let selected: Vec<&&DesiredMart> = marts.iter().filter(|mart| options.selects(&mart.mart.name)).collect();
        let Some(first) = selected.first() else { return };
        if !matches!(source.kind, RelationKind::Table | RelationKind::PartitionedTable) {
            for mart in selected {
                let what = format!("{} {name}", source.kind.label());
                self.unnoticed.entry(whole(mart).name.clone()).or_default().push(what);
            }
            return;
        }
        if source.trigger == Some(Trigger::Works) {
            return;
        }
        let aspect = format!("capture:{name}");
        // A partition that is new is no drift. Where the trigger is gone, perhaps with the table that had this name, it is made
        // again as anything that is gone.
        let again = source.trigger.is_none() && source.owned && !options.ignores(&aspect);
        let drifted = was && !source.child;
        if drifted && !again && (options.heal == Heal::Nothing || options.ignores(&aspect) || !source.owned) {
            if !options.ignores(&aspect) {
                self.drift.push(drifted_item(whole(first), aspect, name, source.trigger, desired));
            }
            return;
        }
        let mut sql = made(desired, name);
        if was {
            // What was written before the trigger was there, nobody noticed.
            sql.push(note_touch(name, &desired.project.registry_schema));
        }
        if !source.owned {
            self.problems.push(PlanProblem {
                mart: whole(first).name.clone(),
                file: first.file.clone(),
                key: "refresh.strategy".to_owned(),
                message: format!(
                    "it follows changes of {name}, which belongs to {}: only its owner can make the trigger",
                    source.owner
                ),
                help: format!(
                    "GRANT {} TO {}, or run as {0}: {}",
                    quote_ident(&source.owner),
                    quote_ident(user),
                    sql.join("; ")
                ),
            });
            return;
        }
        let readers: BTreeSet<String> = marts.iter().map(|mart| whole(mart).name.to_string()).collect();
        let readers: Vec<String> = readers.into_iter().collect();
        let reason = match source.trigger {
            _ if !drifted => format!("{} follows its changes", readers.join(", ")),
            None => "its trigger was removed".to_owned(),
            Some(_) => "its trigger was changed".to_owned(),
        };
        let mut change = change(name, &reason, "", &sql.join(";\n"));
        let registry = QName::new(&desired.project.registry_schema, "touched");
        let message = format!("every statement that writes to it adds a row to {registry}");
        change.hazards.push(Hazard::new(HazardKind::CapturesWrites, message));
        self.before.push((change, sql));
    }

    /// Says of marts that change what of their sources is not noticed.
    pub fn warn(&self, changes: &mut [Change], desired: &Desired) {
        for (mart, what) in &self.unnoticed {
            let Some(change) = changes.iter_mut().find(|change| change.address == mart.to_string()) else { continue };
            let declared = desired.marts.iter().map(whole).find(|whole| whole.name == *mart);
            let channel = declared.and_then(|mart| mart.refresh.channel.clone());
            let channel = channel.unwrap_or_else(|| format!("datamart_{}", mart.name));
            let message = format!(
                "changes of {} are not noticed; NOTIFY {} tells of them",
                what.join(", "),
                quote_ident(&channel)
            );
            change.hazards.push(Hazard::new(HazardKind::CapturesWrites, message));
        }
    }

    /// The statements, each table's in a transaction of its own: whoever writes to one waits for no other. Gives what comes
    /// before all others, whose transactions begin after these, and what comes last.
    pub fn steps(&self, desired: &Desired, last: u32) -> (Vec<Step>, Vec<Step>) {
        let numbered = |all: &[(Change, Vec<String>)], first: usize| {
            let tables = all.iter().enumerate();
            let steps = tables.flat_map(|(at, (change, sql))| {
                let transaction = u32::try_from(first + at).unwrap_or(u32::MAX);
                sql.iter().map(move |sql| step(desired, change, sql.clone(), transaction))
            });
            steps.collect::<Vec<_>>()
        };
        let last = usize::try_from(last).unwrap_or_default() + self.before.len();
        (numbered(&self.before, 1), numbered(&self.after, last + 1))
    }

    /// How many transactions come first.
    pub fn transactions(&self) -> u32 {
        u32::try_from(self.before.len()).unwrap_or(u32::MAX)
    }

    /// The changes, those of the beginning and those of the end.
    pub fn changes(self) -> (Vec<Change>, Vec<Change>) {
        let changes = |all: Vec<(Change, _)>| all.into_iter().map(|(change, _)| change).collect();
        (changes(self.before), changes(self.after))
    }
}

impl<'a> World<'a> {
    fn new(marts: &'a [DesiredMart], compiled: Option<&'a Compiled>, actual: &'a Actual) -> Self {
        let recorded = actual.recorded.iter().map(|(name, row)| (name, row.mart.kind));
        let declared = marts.iter().map(|mart| (&mart.mart.name, mart.mart.kind));
        Self { marts, compiled, actual, kinds: recorded.chain(declared).collect() }
    }

    /// The tables behind a mart.
    fn sources(&self, mart: &DesiredMart) -> BTreeSet<QName> {
        let stored = match &mart.part {
            Some(Part::Stable { number, .. }) => self.marts.iter().find(|other| {
                matches!(&other.part, Some(Part::Version { of, number: n, .. }) if *of == mart.mart.name && n == number)
            }),
            _ => Some(mart),
        };
        self.behind(stored.map(|stored| self.reads(&stored.mart.name)).unwrap_or_default())
    }

    /// The tables behind the triggered marts of the registry.
    fn before(&self, among: impl Fn(&QName) -> bool) -> BTreeSet<QName> {
        let rows = self.actual.recorded.iter().filter(|(name, row)| among(name) && triggered(recorded_whole(row)));
        rows.flat_map(|(name, row)| self.sources_of(name, row)).collect()
    }

    fn sources_of(&self, name: &QName, row: &Recorded) -> BTreeSet<QName> {
        let stored = match &row.part {
            Some(Part::Stable { number, .. }) => self.actual.recorded.values().find(
                |other| matches!(&other.part, Some(Part::Version { of, number: n, .. }) if of == name && n == number),
            ),
            _ => Some(row),
        };
        let reads = stored.map(|row| row.applied.reads.values().map(|read| read.name.clone()).collect());
        self.behind(reads.unwrap_or_default())
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

    /// The tables behind these relations. Marts with rows are none: what reads them follows them.
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

    fn kind(&self, name: &QName) -> Option<Kind> {
        self.kinds.get(name).copied()
    }
}

fn whole(mart: &DesiredMart) -> &Mart {
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

fn triggered(mart: &Mart) -> bool {
    mart.refresh.strategy == Strategy::Triggered && mart.kind.has_data()
}

fn trigger(desired: &Desired) -> String {
    touch_trigger(&desired.project.registry_schema, &desired.project.name)
}

fn made(desired: &Desired, table: &QName) -> Vec<String> {
    create_touch(&trigger(desired), table, &desired.project.registry_schema)
}

fn change(table: &QName, reason: &str, before: &str, after: &str) -> Change {
    Change {
        address: table.to_string(),
        kind: Kind::Table,
        action: Action::Update,
        reason: reason.to_owned(),
        before: Value::Null,
        after: Value::Null,
        diff: drift::unified(before, after, "trigger (now)", "trigger (new)"),
        hazards: Vec::new(),
        file: None,
        origins: BTreeMap::new(),
    }
}

fn drifted_item(mart: &Mart, aspect: String, table: &QName, is: Option<Trigger>, desired: &Desired) -> Drift {
    let (what, actual) = match is {
        None => ("removed", None),
        Some(Trigger::Other) => ("changed", Some("another trigger of that name")),
        Some(Trigger::Works | Trigger::Disabled) => ("disabled", Some("a trigger that does not always fire")),
    };
    let expected = made(desired, table).join(";\n");
    Drift {
        address: mart.name.to_string(),
        kind: mart.kind,
        aspect,
        message: format!("the trigger that notices changes of {table} was {what}"),
        diff: drift::unified(&expected, actual.unwrap_or_default(), "as applied", "in the database"),
        expected: Some(expected),
        actual: actual.map(str::to_owned),
    }
}

fn step(desired: &Desired, change: &Change, sql: String, transaction: u32) -> Step {
    Step {
        transaction: Some(transaction),
        sql,
        // Who writes to a table that is written to all the time waits a moment, again and again, not for long once.
        lock_timeout_ms: desired.project.database.publish_lock_timeout_ms,
        statement_timeout_ms: desired.project.database.statement_timeout_ms,
        mart: change.address.clone(),
        role: None,
        settings: Vec::new(),
        publication: true,
        aside: false,
        check: None,
    }
}
