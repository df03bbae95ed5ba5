//! What became of each mart. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::rights::reader;
use super::side::Side;
use super::watch::{Lock, Watch};
use super::{At, Checked, Effect, EffectKind, MartEffects, SourceChange};
use crate::catalog::Relation;
use crate::manifest::{Desired, DesiredMart};
use crate::observe::human_size;
use crate::plan::{Action, Change, HazardKind, Refusal};
use crate::sql::index_body;
use crate::state::{Kind, QName};

/// What a migration does to the marts; `reads` is what each reads directly.
pub(super) fn judge(
    desired: &Desired,
    before: &Side<'_>,
    after: &Side<'_>,
    watch: &Watch,
    reads: &BTreeMap<QName, BTreeSet<QName>>,
) -> Checked {
    let none = BTreeSet::new();
    let one = |mart: &DesiredMart| {
        let reads = reads.get(&mart.mart.name).unwrap_or(&none);
        let judge = Judge { mart, before, after, watch, reads };
        let mut effects = judge.broken();
        if effects.is_empty() {
            effects.extend(judge.planned());
        }
        effects.extend(judge.locked());
        effects.extend(judge.rewritten());
        effects.extend(judge.unindexed());
        effects.sort_by_key(|effect| effect.kind);
        MartEffects { name: mart.mart.name.clone(), kind: mart.mart.kind, effects }
    };
    let marts: Vec<MartEffects> = desired.marts.iter().map(one).filter(|mart| !mart.effects.is_empty()).collect();
    Checked { marts, sources: sources(before, after, reads) }
}

/// Relations that marts read and are none.
fn sources(before: &Side<'_>, after: &Side<'_>, reads: &BTreeMap<QName, BTreeSet<QName>>) -> Vec<SourceChange> {
    let names: BTreeSet<&QName> = reads.values().flatten().filter(|name| !reads.contains_key(name)).collect();
    let changed = |name: &QName| {
        let was = before.actual.relations.get(name)?;
        Some(match after.actual.relations.get(name) {
            None => "it is gone".to_owned(),
            Some(is) if is.signature() == was.signature() => return None,
            Some(is) => columns(was, is),
        })
    };
    let told = names.into_iter().filter_map(|name| Some((name.to_string(), changed(name)?)));
    told.map(|(full_name, change)| SourceChange { full_name, change }).collect()
}

/// Which columns are others, in one line.
fn columns(was: &Relation, is: &Relation) -> String {
    let named = |of: &Relation, name: &str| of.columns.iter().find(|column| column.name == name).cloned();
    let mut said = Vec::new();
    for old in &was.columns {
        match named(is, &old.name) {
            None => said.push(format!("column {} is gone", old.name)),
            Some(new) if new.type_name != old.type_name => {
                said.push(format!("column {} is {}, was {}", old.name, new.type_name, old.type_name));
            }
            Some(_) => {}
        }
    }
    for new in is.columns.iter().filter(|new| named(was, &new.name).is_none()) {
        said.push(format!("column {} {} is new", new.name, new.type_name));
    }
    match said.is_empty() {
        true => "its columns stand in another order".to_owned(),
        false => said.join("; "),
    }
}

struct Judge<'a> {
    mart: &'a DesiredMart,
    before: &'a Side<'a>,
    after: &'a Side<'a>,
    watch: &'a Watch,
    reads: &'a BTreeSet<QName>,
}

impl Judge<'_> {
    fn name(&self) -> &QName {
        &self.mart.mart.name
    }

    fn stores(&self) -> bool {
        self.mart.mart.kind != Kind::View
    }

    /// What it cannot be after this.
    fn broken(&self) -> Vec<Effect> {
        let name = self.name();
        let breaks = |message: String, at: At| Effect { kind: EffectKind::Breaks, message, at };
        let mut effects = Vec::new();
        for failure in self.after.tried.failures.iter().filter(|failure| failure.mart == *name) {
            let already = self.before.tried.failures.iter().any(|known| {
                known.mart == failure.mart
                    && known.index == failure.index
                    && known.check == failure.check
                    && known.key == failure.key
                    && known.error.message == failure.error.message
            });
            let index = failure.index.as_ref().map(|index| format!("index {index}: "));
            let check = || failure.check.as_ref().map(|check| format!("check {check}: "));
            let what = index.or_else(check).unwrap_or_default();
            let without = if already { " (so it is without the migration)" } else { "" };
            effects.push(breaks(
                format!("{what}{}{without}", failure.error.message),
                At::Compile(Box::new(failure.clone())),
            ));
        }
        if self.after.tried.skipped.contains(name) {
            let failed = |up: &&QName| {
                let tried = &self.after.tried;
                tried.skipped.contains(*up) || tried.failures.iter().any(|failure| failure.mart == **up)
            };
            let upstream: Vec<String> = self.mart.upstream.iter().filter(failed).map(ToString::to_string).collect();
            effects.push(breaks(format!("it reads {}, which breaks", upstream.join(" and ")), At::Mart));
        }
        effects.extend(self.lost(!effects.is_empty()));
        effects.extend(self.forbidden());
        let problems = self.after.problems.iter().filter(|problem| problem.mart == *name);
        for problem in problems {
            let known = |known: &&crate::plan::PlanProblem| known.mart == *name && known.message == problem.message;
            if self.before.problems.iter().find(known).is_none() {
                effects.push(breaks(problem.message.clone(), At::Key(Box::new(problem.clone()))));
            }
        }
        effects
    }

    /// Its relation is gone, or is another one; `broken` where it cannot be made again.
    fn lost(&self, broken: bool) -> Option<Effect> {
        let oid = self.before.actual.relations.get(self.name())?.oid;
        let trace = &self.watch.trace;
        let (at, message) = match (trace.gone.get(&oid), trace.renamed.get(&oid)) {
            (Some(at), _) if self.after.actual.relations.contains_key(self.name()) => {
                (*at, "it is dropped, and another relation takes its name".to_owned())
            }
            (Some(at), _) if broken => (*at, "it is dropped".to_owned()),
            (Some(at), _) => (*at, "it is dropped; the next apply makes it again".to_owned()),
            (None, Some((at, name))) => (*at, format!("it becomes {name}")),
            (None, None) => return None,
        };
        Some(Effect { kind: EffectKind::Breaks, message, at: At::Statement(at) })
    }

    /// What its owner may not read any more; of what is gone the query says so itself.
    fn forbidden(&self) -> Vec<Effect> {
        let role = reader(self.mart, self.before.actual);
        let (might, may) = &self.watch.rights;
        let lost = self.reads.iter().filter(|name| {
            let right = (role.clone(), (*name).clone());
            might.contains(&right) && !may.contains(&right) && self.after.actual.relations.contains_key(*name)
        });
        let breaks = |name: &QName| Effect {
            kind: EffectKind::Breaks,
            message: format!("its owner {role} may not read {name} any more"),
            at: At::Mart,
        };
        lost.map(breaks).collect()
    }

    /// What the next apply has to do that it had not to do before.
    fn planned(&self) -> Vec<Effect> {
        let address = self.name().to_string();
        let mut effects = Vec::new();
        let was = self.before.changes.get(&address);
        let same = |is: &Change| was.is_some_and(|was| (was.action, &was.diff) == (is.action, &is.diff));
        if let Some(change) = self.after.changes.get(&address).filter(|is| !same(is)) {
            effects.push(self.change(change));
        }
        let below = self.followers();
        let of_it = |refusal: &&Refusal| refusal.address == address || below.contains(&refusal.address);
        for refusal in self.after.refused.iter().filter(of_it) {
            if !self.before.refused.contains(refusal) {
                let message = format!("the next apply is refused: {}: {}", refusal.hazard, refusal.message);
                effects.push(Effect { kind: EffectKind::Rebuilds, message, at: At::Mart });
            }
        }
        for drift in self.after.drift.iter().filter(|drift| drift.address == address) {
            if self.before.drift.contains(drift) {
                continue;
            }
            let kind = match drift.aspect.as_str() {
                "definition" | "columns" => EffectKind::Breaks,
                _ => EffectKind::Rebuilds,
            };
            let message = format!("{}; `datamart apply --heal` puts it back", drift.message);
            effects.push(Effect { kind, message, at: At::Mart });
        }
        effects
    }

    /// What depends on it directly and is no mart.
    fn followers(&self) -> BTreeSet<String> {
        let actual = self.after.actual;
        let dependents = actual.relations.get(self.name()).map(|live| live.dependents.as_slice()).unwrap_or_default();
        let relations = dependents.iter().filter_map(|dependent| dependent.relation.as_ref());
        relations.filter(|name| actual.followers.contains_key(*name)).map(ToString::to_string).collect()
    }

    fn change(&self, change: &Change) -> Effect {
        let builds = |kind: HazardKind| change.hazards.iter().any(|hazard| hazard.kind == kind);
        let (kind, verb) = match change.action {
            Action::Replace => (EffectKind::Rebuilds, "builds it anew"),
            Action::Update if builds(HazardKind::IndexBuild) => (EffectKind::Slows, "builds its indexes again"),
            Action::Publish => (EffectKind::Rebuilds, "makes another version"),
            Action::Update | Action::Rename => (EffectKind::Rebuilds, "changes it"),
            Action::Create => (EffectKind::Rebuilds, "makes it"),
            Action::Delete => (EffectKind::Rebuilds, "drops it"),
        };
        let size = self.size().filter(|_| change.action == Action::Replace).unwrap_or_default();
        Effect { kind, message: format!("the next apply {verb}: {}{size}", change.reason), at: At::Mart }
    }

    /// How much is built anew, as far as that is known.
    fn size(&self) -> Option<String> {
        let live = self.before.actual.relations.get(self.name()).filter(|_| self.stores())?;
        let bytes = human_size(self.watch.watched.relations.get(&live.oid)?.bytes);
        Some(match live.tuples >= 0.0 {
            true => format!(" (about {} rows, {bytes})", live.tuples as i64),
            false => format!(" ({bytes})"),
        })
    }

    /// What those who read it lock.
    fn readers(&self) -> BTreeSet<i64> {
        self.watch.watched.below.get(self.name()).cloned().unwrap_or_default()
    }

    /// What its own query locks, where it has to run.
    fn sources(&self) -> BTreeSet<i64> {
        let below = self.reads.iter().filter_map(|name| self.watch.watched.below.get(name));
        below.flatten().copied().collect()
    }

    fn locked(&self) -> Vec<Effect> {
        let (readers, sources) = (self.readers(), self.sources());
        let own = self.before.actual.relations.get(self.name()).map(|relation| relation.oid);
        let mut effects = Vec::new();
        for (oid, (at, lock)) in &self.watch.trace.locks {
            let Some(relation) = self.watch.watched.relations.get(oid) else { continue };
            let strongest = *lock == Lock::AccessExclusive;
            let reads = strongest && readers.contains(oid);
            let refreshes = self.stores() && ((strongest && sources.contains(oid)) || own == Some(*oid));
            let who = match (reads, refreshes) {
                (true, true) => "readers and refreshes wait",
                (true, false) => "readers wait",
                (false, true) => "refreshes wait",
                (false, false) => continue,
            };
            let message = format!("{who} until the migration ends: {} on {}", lock.words(), relation.name);
            effects.push(Effect { kind: EffectKind::Blocks, message, at: At::Statement(*at) });
        }
        effects
    }

    fn rewritten(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for oid in self.readers().union(&self.sources()) {
            let Some(relation) = self.watch.watched.relations.get(oid).filter(|r| r.rows_bytes > 0) else { continue };
            let Some((at, bytes)) = self.watch.trace.rewritten.get(oid) else { continue };
            let (kind, message) = match bytes {
                0 => {
                    let what = if self.stores() { "its next refresh" } else { "it" };
                    let message = format!(
                        "{} is emptied ({}); {what} has no more of its rows",
                        relation.name,
                        human_size(relation.bytes)
                    );
                    (EffectKind::Rebuilds, message)
                }
                _ => {
                    let size = human_size(relation.bytes);
                    (
                        EffectKind::Slows,
                        format!("{} is rewritten ({size}); who waits for it waits as long", relation.name),
                    )
                }
            };
            effects.push(Effect { kind, message, at: At::Statement(*at) });
        }
        effects
    }

    /// Indexes of its sources that go and have no like.
    fn unindexed(&self) -> Vec<Effect> {
        let Watch { watched, trace, indexes, .. } = self.watch;
        let own = self.before.actual.relations.get(self.name()).map(|relation| relation.oid);
        let used: BTreeSet<i64> =
            self.readers().union(&self.sources()).copied().filter(|oid| own != Some(*oid)).collect();
        let query = self.mart.mart.query.to_lowercase();
        let mut effects = Vec::new();
        for (oid, index) in watched.indexes.iter().filter(|(_, index)| used.contains(&index.relation)) {
            let at = match (trace.gone.get(oid), trace.would_go.get(oid)) {
                (Some(at), _) | (None, Some(at)) => *at,
                (None, None) => continue,
            };
            let Some(relation) = watched.relations.get(&index.relation) else { continue };
            let body = index_body(&index.definition);
            let like = indexes
                .iter()
                .any(|(other, is)| other != oid && is.relation == index.relation && index_body(&is.definition) == body);
            let direct = self.reads.contains(&relation.name);
            let unused = direct && index.first.as_ref().is_some_and(|first| !query.contains(&first.to_lowercase()));
            if like || unused || trace.gone.contains_key(&index.relation) {
                continue;
            }
            let what = if self.stores() { "its refreshes" } else { "reading it" };
            let message = format!("index {} {body} of {} goes: {what} may become slower", index.name, relation.name);
            effects.push(Effect { kind: EffectKind::Slows, message, at: At::Statement(at) });
        }
        effects
    }
}
