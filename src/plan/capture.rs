//! Tables whose changes marts follow get a log, and lose it with the last mart that needs it.

mod again;
mod beside;
mod early;
mod removed;
mod told;
mod unnoticed;
mod world;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::told::step;
use self::told::{by_owner, change, drifted, granted, log_drifted};
use self::world::{Need, Needs, World, whole};
use super::log::{attach_log, create_log, detach_log, poison_log};
use super::{Change, Drift, Hazard, HazardKind, Heal, Options, PlanProblem, Step};
use crate::catalog::{Actual, Log, RelationKind, Source, Trigger};
use crate::compile::{Compiled, recorded_for};
use crate::manifest::{Desired, DesiredMart};
use crate::state::{ChangeLog, Kind, LoggedColumn, Mart, QName, Strategy, quote_ident, quote_role};

/// A table's change, and its statements: one list for each transaction.
type Made = (Change, Vec<Vec<String>>);

/// What is done about logs.
#[derive(Debug, Default)]
pub(super) struct Capture {
    /// Tables that get one, before anything is built: what is written meanwhile is noticed.
    before: Vec<Made>,
    /// Of marts that get one once they are there, what views of other marts read before that.
    early: Vec<Made>,
    /// Marts that get one once they are there, and tables that lose theirs when nothing needs it any more.
    after: Vec<Made>,
    /// Triggers and functions that are gone or changed, and stay so.
    pub drift: Vec<Drift>,
    /// Tables of somebody else.
    pub problems: Vec<PlanProblem>,
    /// By mart, what it reads and cannot be noticed.
    unnoticed: BTreeMap<QName, Vec<String>>,
    /// Logs that are made again before anything is built.
    again: BTreeMap<QName, ChangeLog>,
    /// Tables that somebody may have written to, and no log tells.
    unseen: BTreeSet<QName>,
}

/// Marts that get another relation, each with the partitions of that.
pub(super) type Built = BTreeMap<QName, Vec<QName>>;

/// What is asked for, and who does it.
struct Asked<'a> {
    desired: &'a Desired,
    actual: &'a Actual,
    options: &'a Options,
    /// Marts of which a relation is built.
    built: &'a Built,
}

/// What is done about the tables that marts follow. `dropped` are the marts that go, `built` those that get another relation.
pub(super) fn capture(
    desired: &Desired,
    compiled: &Compiled,
    actual: &Actual,
    options: &Options,
    dropped: &BTreeSet<QName>,
    built: &Built,
) -> Capture {
    let mut capture = Capture::default();
    let captures = &actual.captures;
    if captures.tables.is_empty() && captures.logs.is_empty() && !desired.marts.iter().any(|m| m.mart.notices_writes())
    {
        return capture;
    }
    let world = World::new(Some(desired), Some(compiled), actual);
    let mut needs = Needs::new();
    for mart in &desired.marts {
        world.declared(mart, &mut needs);
    }
    // What has no manifest and stays, goes on.
    let known: BTreeSet<&QName> =
        desired.marts.iter().filter_map(|d| Some(&recorded_for(&d.mart, actual)?.mart.name)).collect();
    for (name, row) in &actual.recorded {
        if !known.contains(name) && !dropped.contains(name) {
            world.recorded(name, row, &mut needs);
        }
    }
    let asked = Asked { desired, actual, options, built };
    for (table, need) in &needs {
        if need.marts.iter().any(|mart| options.selects(mart)) {
            capture.table(table, need, world.kind(table), &asked);
        }
    }
    let mut gone = Needs::new();
    for (name, row) in &actual.recorded {
        if options.selects(name) || dropped.contains(name) {
            world.recorded(name, row, &mut gone);
        }
    }
    for (table, log) in &captures.logs {
        let concerned = options.select.is_none() || gone.contains_key(table);
        if concerned && !needs.contains_key(table) {
            capture.remove(table, log, &asked);
        }
    }
    capture
}

/// The triggered marts that a change in a log means, by the log's name, as the registry has them. Reads the catalog with
/// [`scope`](super::scope).
pub fn watched(actual: &Actual) -> BTreeMap<String, BTreeSet<QName>> {
    let world = World::new(None, None, actual);
    let mut needs = Needs::new();
    for (name, row) in &actual.recorded {
        world.recorded(name, row, &mut needs);
    }
    let log = |(table, need): (QName, Need)| {
        let log = actual.captures.logs.get(&table).filter(|log| log.whole && !need.triggered.is_empty())?;
        Some((log.name.clone(), need.triggered))
    };
    needs.into_iter().filter_map(log).collect()
}

/// The triggers that tables which declared marts follow lack: they were made and are gone, or a partition came.
pub(super) fn gone(desired: &Desired, actual: &Actual) -> Vec<Drift> {
    let world = World::new(None, None, actual);
    let mut items = Vec::new();
    for whole in desired.marts.iter().map(whole).filter(|mart| mart.notices_writes()) {
        let mut needs = Needs::new();
        if let Some(row) = actual.recorded.get(&whole.name) {
            world.recorded(&whole.name, row, &mut needs);
        }
        for table in needs.keys() {
            let Some(log) = actual.captures.logs.get(table) else { continue };
            let source = actual.captures.tables.get(table).filter(|source| can_be_logged(source));
            let log = declared_log(desired, table, log.columns.clone(), log.commits);
            // A partition that came has none yet.
            for member in source.iter().flat_map(|source| &source.family) {
                let part = actual.captures.tables.get(member).filter(|part| can_be_logged(part));
                if let Some(is @ (Trigger::Missing | Trigger::Ordinary)) = part.map(|part| part.trigger(&log)) {
                    items.extend(drifted(Some(whole), &log, member, is));
                }
            }
        }
    }
    items
}

impl Capture {
    fn table(&mut self, table: &QName, need: &Need, kind: Option<Kind>, asked: &Asked<'_>) {
        let captures = &asked.actual.captures;
        let log = declared_log(asked.desired, table, need.columns(), need.commits);
        let parts = asked.built.get(table);
        // Of another kind, it has nothing of the relation that was there.
        let new = |source: &&Source| parts.is_some() && kind.is_some_and(|kind| !source.kind.is(kind));
        let Some(source) = captures.tables.get(table).filter(|source| !new(source)) else {
            // A relation that this plan makes.
            if kind.is_some_and(Kind::is_table) {
                let attach = parts.into_iter().flatten().chain([table]).flat_map(|member| attach_log(&log, member));
                let sql = [self.log_of_new(&log, need, asked), attach.collect()].concat();
                self.after.push(self.made(&log, need, "", vec![sql], asked));
            }
            return;
        };
        if !self.can(table, source, need, asked) {
            return;
        }
        let was = captures.logs.get(table);
        let same = |was: &Log| {
            (&was.columns, was.logged, was.commits) == (&log.columns, log.logged, log.commits)
                && was.name == log.name().name
        };
        let as_wanted = was.is_some_and(same);
        let changed = was.is_some_and(|was| as_wanted && !was.whole);
        let aspect = format!("capture:{table}");
        let ignored = asked.options.ignores(&aspect);
        let heals = asked.options.heal != Heal::Nothing && !ignored;
        let mut reason = format!("{} its changes", follow(&need.marts));
        let mut transactions: Vec<Vec<String>> = Vec::new();
        let mut create = Vec::new();
        if !as_wanted {
            create.extend(lock(was, asked));
            create.extend(create_log(&log));
        } else if changed && heals {
            reason = "the function or a table of its log was changed".to_owned();
            create.extend(lock(was, asked));
            create.extend(create_log(&log));
        } else if changed && !ignored {
            self.drift.extend(log_drifted(first(need, asked), &log, table));
        }
        let made_again = !create.is_empty();
        let owner = Some(&source.owner).filter(|owner| kind.is_some() && **owner != asked.actual.server.user);
        if let Some(owner) = owner.filter(|_| made_again) {
            // Whoever exchanges the mart's relation makes its triggers as its owner.
            create.push(format!("GRANT EXECUTE ON FUNCTION {}() TO {}", log.name(), quote_role(owner)));
        }
        // The triggers of a relation go along with the one that takes its place, those of its partitions do not.
        let mut missed = parts.is_some_and(|parts| !parts.is_empty());
        transactions.extend(parts.into_iter().flatten().map(|part| attach_log(&log, part)));
        for member in source.family.iter().filter(|member| parts.is_none() || *member == table) {
            let Some(part) = captures.tables.get(member).filter(|part| can_be_logged(part)) else { continue };
            let is = part.trigger(&log);
            let before = part.has_triggers(&log.name().name);
            let stays = match is {
                Trigger::Works => true,
                // What is gone, perhaps with the table that had this name, is made again; so is what a new log needs.
                // Those that were disabled and enabled again for a load are as they were once more.
                Trigger::Missing | Trigger::Ordinary => ignored && as_wanted && before,
                Trigger::Disabled | Trigger::Other => as_wanted && !heals,
            };
            if stays {
                if is != Trigger::Works && !ignored {
                    self.drift.extend(drifted(first(need, asked), &log, member, is));
                }
                continue;
            }
            if !part.owned {
                self.not_ours(member, part, &by_owner(&log, member, asked.actual), need, asked);
                continue;
            }
            if as_wanted && !made_again && member == table {
                reason = match is {
                    Trigger::Missing => "triggers of its log are gone".to_owned(),
                    Trigger::Ordinary => "its triggers do not fire for what replication writes".to_owned(),
                    _ => "its triggers were changed".to_owned(),
                };
            }
            missed = true;
            let sql = attach_log(&log, member);
            if member == table { create.extend(sql) } else { transactions.push(sql) }
        }
        if missed || was.is_none_or(|was| !was.whole) {
            self.unseen.insert(table.clone());
        }
        if (missed || made_again) && was.is_some() {
            // What was written before the triggers were there, or stood in the log, nobody knows any more.
            match transactions.last_mut() {
                Some(last) => last.push(poison_log(&log)),
                None => create.push(poison_log(&log)),
            }
        }
        if !create.is_empty() {
            transactions.insert(0, create);
        }
        // A partition that went took its triggers along.
        let log_name = log.name().name;
        let strays = captures
            .tables
            .iter()
            .filter(|(name, other)| other.owned && other.has_triggers(&log_name) && !source.family.contains(*name));
        for (stray, _) in strays {
            let change =
                change(stray, &format!("it is no part of {table} any more"), &format!("log {}", log.name()), "");
            self.after.push((change, vec![detach_log(&log, stray)]));
        }
        if transactions.is_empty() {
            return;
        }
        let made = self.made(&log, need, &reason, transactions, asked);
        // The relation that takes a mart's place is there at the end.
        if asked.built.contains_key(table) {
            let made = if made_again && need.shown { self.split(made, &log) } else { made };
            self.after.push(made);
        } else {
            self.before.push(made);
            self.again.extend(made_again.then(|| (table.clone(), log)));
        }
    }

    /// Whether its changes can be logged; says of whom they are needed what stands against it.
    fn can(&mut self, table: &QName, source: &Source, need: &Need, asked: &Asked<'_>) -> bool {
        let what = match (can_be_logged(source), source.subscribed) {
            (true, false) => {
                self.foreign_parts(source, need, asked);
                return true;
            }
            (true, true) => format!("table {table} that a subscription writes"),
            (false, _) => format!("{} {table}", source.kind.label()),
        };
        for mart in need.marts.iter().filter(|mart| asked.options.selects(mart)) {
            let exact =
                declared(mart, asked).filter(|d| need.exact && whole(d).refresh.strategy != Strategy::Triggered);
            let Some(declared) = exact else {
                self.unnoticed.entry(mart.clone()).or_default().push(what.clone());
                continue;
            };
            self.problems.push(PlanProblem {
                mart: mart.clone(),
                file: declared.file.clone(),
                key: "refresh.incremental".to_owned(),
                message: format!("it follows changes of {table}, and changes of {what} cannot be logged"),
                help: "use one of the methods window, append and upsert, or refresh it whole".to_owned(),
            });
        }
        false
    }

    fn not_ours(&mut self, table: &QName, source: &Source, sql: &[String], need: &Need, asked: &Asked<'_>) {
        let selected = need.marts.iter().filter(|mart| asked.options.selects(mart));
        let Some(declared) = selected.filter_map(|mart| declared(mart, asked)).next() else { return };
        let triggered = whole(declared).refresh.strategy == Strategy::Triggered;
        self.problems.push(PlanProblem {
            mart: whole(declared).name.clone(),
            file: declared.file.clone(),
            key: if triggered { "refresh.strategy" } else { "refresh.incremental" }.to_owned(),
            message: format!(
                "it follows changes of {table}, which belongs to {}: only its owner can make the triggers",
                source.owner
            ),
            help: granted(&source.owner, &asked.actual.server.user, sql),
        });
    }

    fn made(&self, log: &ChangeLog, need: &Need, reason: &str, sql: Vec<Vec<String>>, asked: &Asked<'_>) -> Made {
        let reason = if reason.is_empty() { format!("{} its changes", follow(&need.marts)) } else { reason.to_owned() };
        let logged =
            log.columns.iter().map(|column| format!("\n    {} {}", quote_ident(&column.name), column.type_name));
        let logged: String = logged.collect();
        let after = format!("log {}{logged}", log.name());
        let was = asked.actual.captures.logs.get(&log.table);
        let before = was.filter(|_| reason.ends_with("its changes")).map(|_| format!("log {}", log.name()));
        let mut change = change(&log.table, &reason, &before.unwrap_or_default(), &after);
        let rows = if log.columns.is_empty() { "a row" } else { "what it changes" };
        let mut message = format!("every statement that writes to it adds {rows} to {}", log.name());
        message.push_str(&again::told(need, was, log, asked));
        change.hazards.push(Hazard::new(HazardKind::CapturesWrites, message));
        (change, sql)
    }

    /// The statements, each table's in transactions of its own: whoever writes to one waits for no other. Gives what comes
    /// before all others, whose transactions begin after these, and what comes last.
    pub fn steps(&self, desired: &Desired, last: u32) -> (Vec<Step>, Vec<Step>) {
        let numbered = |all: &[Made], first: usize| {
            let lists = all.iter().flat_map(|(change, lists)| lists.iter().map(move |list| (change, list)));
            let steps = lists.enumerate().flat_map(|(at, (change, list))| {
                let transaction = u32::try_from(first + at).unwrap_or(u32::MAX);
                list.iter().map(move |sql| step(desired, &change.address, sql.clone(), transaction))
            });
            steps.collect::<Vec<_>>()
        };
        let first = [&self.before[..], &self.early].concat();
        let last = usize::try_from(last).unwrap_or_default() + transactions(&first);
        (numbered(&first, 1), numbered(&self.after, last + 1))
    }

    /// How many transactions come first.
    pub fn transactions(&self) -> u32 {
        u32::try_from(transactions(&self.before) + transactions(&self.early)).unwrap_or(u32::MAX)
    }

    /// The changes, those of the beginning and those of the end.
    pub fn changes(self) -> (Vec<Change>, Vec<Change>) {
        let changes = |all: Vec<Made>| all.into_iter().map(|(change, _)| change).collect();
        (changes(self.before), changes(self.after))
    }
}

fn transactions(all: &[Made]) -> usize {
    all.iter().map(|(_, lists)| lists.len()).sum()
}

/// No writer is in the middle of the function while what it writes to is exchanged.
fn lock(log: Option<&Log>, asked: &Asked<'_>) -> Option<String> {
    let tables = asked.actual.captures.tables.iter();
    let on = tables.filter(|(_, source)| source.owned && log.is_some_and(|log| source.has_triggers(&log.name)));
    let on: Vec<String> = on.map(|(name, _)| name.to_string()).collect();
    (!on.is_empty()).then(|| format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", on.join(", ")))
}

fn follow(marts: &BTreeSet<QName>) -> String {
    let names: Vec<String> = marts.iter().map(ToString::to_string).collect();
    format!("{} {}", names.join(", "), if names.len() == 1 { "follows" } else { "follow" })
}

fn can_be_logged(source: &Source) -> bool {
    matches!(source.kind, RelationKind::Table | RelationKind::PartitionedTable)
}

fn declared_log(desired: &Desired, table: &QName, columns: Vec<LoggedColumn>, commits: bool) -> ChangeLog {
    ChangeLog {
        registry: desired.project.registry_schema.clone(),
        project: desired.project.name.clone(),
        table: table.clone(),
        columns,
        logged: desired.project.capture.logged,
        commits,
    }
}

fn declared<'a>(mart: &QName, asked: &Asked<'a>) -> Option<&'a DesiredMart> {
    asked.desired.marts.iter().find(|declared| whole(declared).name == *mart)
}

/// Of the marts that follow it, one that is named when something is said.
fn first<'a>(need: &'a Need, asked: &Asked<'a>) -> Option<&'a Mart> {
    let mut selected = need.marts.iter().filter(|mart| asked.options.selects(mart));
    selected.find_map(|mart| Some(whole(declared(mart, asked)?)))
}
