//! What is done about each mart, decided upstream first.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::aspect::{Cause, Difference, Fix, Mode};
use super::difference::differences;
use super::target::Target;
use super::{Action, Drift, Hazard, Heal, Options, Refusal, consequence, declared, drift, follower, version};
use crate::catalog::{Actual, Relation};
use crate::compile::Compiled;
use crate::manifest::Desired;
use crate::state::{Kind, QName};

/// What is done about one mart, and why.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    pub target: Target<'a>,
    pub mode: Mode,
    /// What is mended; everything else that differs is drift.
    pub differences: Vec<Difference>,
    pub reasons: Vec<String>,
    pub hazards: Vec<Hazard>,
    /// Aspects that drifted and stay as they are.
    pub drifted: Vec<String>,
    /// Taken over as it is; with the settled text of the relation's query where the manifest asks for another.
    pub adopted: Option<Option<String>>,
}

impl Decision<'_> {
    /// Builds a relation, so that what it reads has to be published before or aside.
    pub(crate) fn builds(&self) -> bool {
        matches!(self.mode, Mode::Create | Mode::Rebuild)
    }

    /// Builds a relation that takes another's place.
    pub(crate) fn exchanges(&self) -> bool {
        self.mode == Mode::Rebuild
    }

    /// The relation that is there goes.
    pub(crate) fn goes(&self) -> bool {
        matches!(self.mode, Mode::Rebuild | Mode::Drop)
    }

    /// A materialized view that is not ours and holds no rows: it goes on so.
    pub(crate) fn stays_empty(&self) -> bool {
        let live = self.target.live.filter(|_| self.target.follower.is_some());
        live.is_some_and(|live| !live.populated)
    }

    /// Whether a mart gets a query that readers of its view see at once.
    pub(crate) fn redefined(&self) -> bool {
        self.mode == Mode::InPlace && self.differences.iter().any(|d| d.aspect == "definition")
    }

    /// What the summary counts it as.
    pub(crate) fn action(&self) -> Action {
        match self.mode {
            Mode::Create => Action::Create,
            Mode::Rebuild => Action::Replace,
            Mode::Drop => Action::Delete,
            _ if self.target.renamed_from().is_some() => Action::Rename,
            _ => Action::Update,
        }
    }

    /// Shown to the user.
    pub(crate) fn visible(&self) -> bool {
        self.mode != Mode::Record
    }
}

/// Everything decided.
#[derive(Debug, Default)]
pub(crate) struct Decisions<'a> {
    /// Upstream first.
    pub marts: Vec<Decision<'a>>,
    pub drift: Vec<Drift>,
    pub refused: Vec<Refusal>,
    /// Old name, new name.
    pub renames: Vec<(QName, QName)>,
    /// How long each try to publish waits for its locks.
    pub publish_lock_timeout_ms: u64,
    /// Of views about which nothing is decided: the decided marts that they read, directly or through such views.
    pub through: HashMap<QName, BTreeSet<QName>>,
}

/// What is decided so far that those downstream follow.
#[derive(Default)]
struct Upstream {
    /// Relations that depend, in the database, on one that will have another OID, and why they follow.
    pulled: BTreeMap<QName, BTreeSet<String>>,
    /// Those among them with a column of its row type.
    retyped: BTreeSet<QName>,
    /// Marts whose rows will be others, and why.
    restated: BTreeMap<QName, &'static str>,
    /// Marts whose columns will be others.
    reshaped: BTreeSet<QName>,
}

/// Decides about every mart of `desired`. `dropped` are the marts that go in the same plan.
pub(crate) fn decide<'a>(
    desired: &'a Desired,
    compiled: &'a Compiled,
    actual: &'a Actual,
    options: &Options,
    dropped: &BTreeSet<QName>,
    aside: &BTreeSet<QName>,
) -> Decisions<'a> {
    let targets = follower::targets(desired, compiled, actual);
    let renames: Vec<(QName, QName)> = targets
        .iter()
        .filter(|t| options.selects(&t.mart.name))
        .filter_map(|t| Some((t.renamed_from()?.clone(), t.mart.name.clone())))
        .collect();
    let managed: BTreeSet<&QName> = targets.iter().filter_map(|t| Some(&t.live?.name)).chain(dropped).collect();
    let publish_lock_timeout_ms = desired.project.database.publish_lock_timeout_ms;
    let mut decisions = Decisions { renames, publish_lock_timeout_ms, ..Decisions::default() };
    let mut upstream = Upstream::default();
    let mut decided: HashSet<QName> = HashSet::new();
    for target in targets {
        let mut follows = follow_reasons(&target, &upstream);
        let selected = target.follower.is_none() && options.selects(&target.mart.name);
        if selected && target.has_data() && target.recorded.is_some_and(|recorded| recorded.status == "error") {
            follows.push("an apply ended before it followed".to_owned());
        }
        let name = target.mart.name.clone();
        if target.mart.kind == Kind::View && upstream.restates(&target) {
            // A view keeps no rows, and passes on that they are others.
            upstream.restated.insert(name.clone(), "whose rows change");
        }
        let through = decisions.through(&target, &decided);
        if let Some(text) = options.adopt.get(&name)
            && target.live.is_some_and(|live| live.name == name && live.kind.is(target.mart.kind))
        {
            decisions.marts.push(adopt(target, text.clone()));
            continue;
        }
        let decision = match selected || !follows.is_empty() {
            true => one(target, actual, options, follows, selected, aside, &upstream, &mut decisions),
            false => None,
        };
        let Some(decision) = decision else {
            if !through.is_empty() {
                decisions.through.insert(name, through);
            }
            continue;
        };
        decided.insert(name);
        let target = &decision.target;
        if let Some(live) = target.live.filter(|_| decision.goes()) {
            if decision.mode == Mode::Rebuild {
                consequence::refuse_lost(&mut decisions.refused, live, &managed, target, &decision.differences);
            }
            let how = if decision.mode == Mode::Drop { "dropped" } else { "replaced" };
            upstream.exchange(target, live, how);
        }
        upstream.note(&decision);
        decisions.marts.push(decision);
    }
    decisions
}

/// The relation stays as it is, and the registry says so.
fn adopt(target: Target<'_>, text: Option<String>) -> Decision<'_> {
    Decision {
        mode: Mode::Record,
        differences: Vec::new(),
        reasons: Vec::new(),
        hazards: Vec::new(),
        drifted: Vec::new(),
        adopted: Some(text),
        target,
    }
}

impl Decisions<'_> {
    /// What a view reads of what is decided.
    fn through(&self, target: &Target<'_>, decided: &HashSet<QName>) -> BTreeSet<QName> {
        let mut found = BTreeSet::new();
        if target.mart.kind != Kind::View || decided.is_empty() {
            return found;
        }
        for read in target.reads.union(&target.desired.upstream) {
            if decided.contains(read) {
                found.insert(read.clone());
            } else if let Some(beyond) = self.through.get(read) {
                found.extend(beyond.iter().cloned());
            }
        }
        found
    }
}

impl Upstream {
    fn exchange(&mut self, target: &Target<'_>, live: &Relation, how: &str) {
        for dependent in &live.dependents {
            let Some(relation) = &dependent.relation else { continue };
            let why = format!("reads {}, which is {how}", target.address());
            self.pulled.entry(relation.clone()).or_default().insert(why);
            if dependent.kind == "table" {
                self.retyped.insert(relation.clone());
            }
        }
    }

    fn restates(&self, target: &Target<'_>) -> bool {
        !self.restated.is_empty() && self.reasons(target).next().is_some()
    }

    fn reasons<'b>(&'b self, target: &'b Target<'_>) -> impl Iterator<Item = (&'b QName, &'static str)> {
        let read = target.reads.union(&target.desired.upstream);
        read.filter_map(|up| Some((up, *self.restated.get(up)?)))
    }

    fn note(&mut self, decision: &Decision<'_>) {
        let target = &decision.target;
        let name = || target.mart.name.clone();
        let fixes = |wanted: &[&str]| decision.differences.iter().any(|d| wanted.contains(&d.aspect.as_str()));
        let live = target.live.filter(|_| decision.mode != Mode::Create);
        if live.is_none_or(|live| !target.same_columns(&live.columns)) || target.renamed_from().is_some() {
            self.reshaped.insert(name());
        }
        let restated = match decision.mode {
            Mode::Rebuild if target.has_data() && self.restates(target) => true,
            Mode::Rebuild | Mode::InPlace => fixes(&["definition", "columns", "settings"]),
            _ => false,
        };
        if restated {
            let replaced = decision.mode == Mode::Rebuild;
            self.restated.insert(name(), if replaced { "which is replaced" } else { "whose query changed" });
        }
    }
}

/// Why a mart has to follow what happens upstream.
fn follow_reasons(target: &Target<'_>, upstream: &Upstream) -> Vec<String> {
    let Some(live) = target.live else {
        return Vec::new();
    };
    let mut reasons = upstream.pulled.get(&live.name).cloned().unwrap_or_default();
    // What is not ours keeps its rows until whoever refreshes it does.
    if target.has_data() && target.follower.is_none() {
        let restated = upstream.reasons(target);
        reasons.extend(restated.map(|(name, why)| format!("reads {name}, {why}")));
    }
    reasons.into_iter().collect()
}

#[allow(clippy::too_many_arguments)]
fn one<'a>(
    target: Target<'a>,
    actual: &Actual,
    options: &Options,
    follows: Vec<String>,
    selected: bool,
    aside: &BTreeSet<QName>,
    upstream: &Upstream,
    decisions: &mut Decisions<'a>,
) -> Option<Decision<'a>> {
    let Some(live) = target.live else {
        let reason = match target.recorded {
            Some(_) => match actual.called.get(&target.mart.name) {
                Some(now) => format!("missing in the database: somebody renamed it to {now}"),
                None => "missing in the database".to_owned(),
            },
            None => "new".to_owned(),
        };
        return Some(Decision {
            mode: Mode::Create,
            differences: Vec::new(),
            reasons: vec![reason],
            hazards: Vec::new(),
            drifted: Vec::new(),
            adopted: None,
            target,
        });
    };
    let (accepted, drifted) = if selected {
        accept(&target, live, actual, options, !follows.is_empty(), decisions)
    } else {
        Default::default()
    };
    let metadata = if selected { declared::changed_keys(&target) } else { Vec::new() };
    let redefined = accepted.iter().any(|d| d.fix == Fix::Definition);
    let rebuilt = accepted.iter().any(|d| d.fix == Fix::Rebuild);
    let view = target.mart.kind == Kind::View && live.kind.is(Kind::View);
    let retyped = upstream.retyped.contains(&live.name);
    let in_place = view && !retyped && target.extends(&live.columns) && !aside.contains(&target.mart.name);
    let lost = target.follower.is_some_and(|follower| follower.lost.is_some()) && !follows.is_empty();
    let mode = if lost {
        Mode::Drop
    } else if rebuilt || ((redefined || !follows.is_empty()) && !in_place) {
        Mode::Rebuild
    } else if redefined || !follows.is_empty() {
        Mode::InPlace
    } else if !accepted.is_empty()
        || !metadata.is_empty()
        || target.renamed_from().is_some()
        || (selected && version::overdue(target.desired, actual))
    {
        Mode::Alter
    } else if selected
        && (declared::record_is_old(&target, actual)
            || options.respelled.get(&target.mart.name) == Some(&true)
            || !target.reads.is_disjoint(&upstream.reshaped))
    {
        Mode::Record
    } else {
        return None;
    };
    let mut reasons = declared::reasons(&accepted);
    if let Some(old) = target.renamed_from() {
        reasons.insert(0, format!("renamed from {old}"));
    }
    reasons.extend(metadata.iter().map(|key| format!("{key} changed")));
    reasons.extend(target.rows_that_go());
    reasons.extend(target.rows_that_come_back());
    reasons.extend((mode != Mode::Rebuild).then(|| target.partitions_that_stay()).into_iter().flatten());
    reasons.extend(follows);
    reasons.dedup();
    let mut hazards = consequence::hazards(&target, live, mode, &accepted, actual, decisions.publish_lock_timeout_ms);
    if let Some(following) = target.follower {
        reasons = follower::reasons(&target, reasons, mode, actual);
        hazards.extend(lost.then(|| follower::lost(live, following)));
        hazards.extend(follower::recomputed(&target, live, mode, actual));
    }
    Some(Decision { mode, differences: accepted, reasons, hazards, drifted, adopted: None, target })
}

/// What is mended of everything that differs, and the aspects that drifted and stay.
fn accept<'a>(
    target: &Target<'a>,
    live: &Relation,
    actual: &Actual,
    options: &Options,
    follows: bool,
    decisions: &mut Decisions<'a>,
) -> (Vec<Difference>, Vec<String>) {
    let mut accepted = Vec::new();
    let mut drifted = Vec::new();
    let mut stays = |difference: Difference, decisions: &mut Decisions<'a>| {
        if !options.ignores(&difference.aspect) {
            decisions.drift.push(drift::item(target, &difference));
        }
        drifted.push(difference.aspect);
    };
    let respelled = options.respelled.get(&target.mart.name).copied();
    let all = differences(target, live, actual, &decisions.renames, respelled);
    for difference in all {
        let query = matches!(difference.fix, Fix::Definition | Fix::Rebuild);
        // What follows others is made from its manifest.
        let mended = difference.cause != Cause::Drift
            || (follows && query)
            || (!options.ignores(&difference.aspect) && options.heals(&difference));
        if mended { accepted.push(difference) } else { stays(difference, decisions) }
    }
    let rebuilt = accepted.iter().any(|d| matches!(d.fix, Fix::Definition | Fix::Rebuild)) || follows;
    if !rebuilt && !target.same_columns(&live.columns) {
        // Columns drifted and stay so: what needs columns that are not there waits with them.
        let (possible, waiting) = accepted.into_iter().partition(|d| fits(target, live, &d.fix));
        accepted = possible;
        for difference in waiting {
            stays(difference, decisions);
        }
    }
    (accepted, drifted)
}

/// Whether a fix finds its columns in the relation as it is.
fn fits(target: &Target<'_>, live: &Relation, fix: &Fix) -> bool {
    let has = |name: &String| live.columns.iter().any(|c| c.name == *name);
    match fix {
        Fix::CreateIndex(name) | Fix::ReplaceIndex(name) => target.indexes.get(name).is_some_and(|index| {
            let plain = index.decl.predicate.is_none() && index.decl.keys.iter().all(|k| !k.expression && has(&k.term));
            plain && index.decl.include.iter().all(has)
        }),
        Fix::PrimaryKey { .. } => target.mart.primary_key.iter().all(has),
        Fix::SetNotNull(column) | Fix::ColumnComment(column, _) => has(column),
        Fix::Grant(grant) => grant.grant.iter().filter_map(|(_, column, _)| column.as_ref()).all(has),
        _ => true,
    }
}

impl Options {
    /// Whether a mart is among those asked for.
    pub(crate) fn selects(&self, name: &QName) -> bool {
        self.select.as_ref().is_none_or(|selected| selected.contains(name))
    }

    fn heals(&self, difference: &Difference) -> bool {
        match self.heal {
            Heal::Nothing => false,
            Heal::All => true,
            Heal::ButAdded => {
                !matches!(difference.fix, Fix::DropIndex(_) | Fix::DropConstraint(_) | Fix::DetachPartition { .. })
            }
        }
    }
}
