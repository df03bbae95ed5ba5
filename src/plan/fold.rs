//! The changes of a plan as people see them: a versioned mart is one mart, whatever it is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::aspect::{Difference, Mode};
use super::decision::Decision;
use super::version::Expired;
use super::weight;
use super::{Action, Change, Hazard, HazardKind, declared, drift};
use crate::catalog::Actual;
use crate::state::{Mart, Part, QName};

/// What of a versioned mart changes.
#[derive(Default)]
struct Parts<'a, 'b> {
    stable: Option<&'b Decision<'a>>,
    versions: Vec<&'b Decision<'a>>,
}

/// One change for every mart that is decided about.
pub(super) fn changes(
    decisions: &[Decision<'_>],
    wholes: &BTreeMap<QName, Whole<'_>>,
    news: &BTreeMap<QName, Vec<Difference>>,
    adopted: &BTreeSet<QName>,
    actual: &Actual,
) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut parts: BTreeMap<&QName, (usize, Parts<'_, '_>)> = BTreeMap::new();
    for decision in decisions.iter().filter(|decision| decision.visible()) {
        let alone = change(decision, adopted.contains(&decision.target.mart.name));
        let Some(part) = &decision.target.desired.part else {
            changes.push(alone);
            continue;
        };
        let (_, parts) = parts.entry(part.mart()).or_insert_with(|| {
            // A place for the mart, where the first of it is.
            changes.push(alone);
            (changes.len() - 1, Parts::default())
        });
        match part {
            Part::Stable { .. } => parts.stable = Some(decision),
            Part::Version { .. } => parts.versions.push(decision),
        }
    }
    for (of, (at, parts)) in parts {
        if let (Some(whole), Some(change)) = (wholes.get(of), changes.get_mut(at)) {
            *change = parts.folded(whole, news, adopted, actual);
        }
    }
    changes
}

/// A versioned mart and what becomes of its versions.
pub(super) struct Whole<'a> {
    pub mart: &'a Mart,
    /// As the registry has it.
    pub before: Option<&'a Mart>,
    /// The version that is published now.
    pub was: Option<u32>,
    /// The version that will be.
    pub number: u32,
    /// Those that go.
    pub expired: Vec<Expired>,
    pub file: String,
    pub origins: BTreeMap<String, String>,
}

impl Parts<'_, '_> {
    fn folded(
        &self,
        whole: &Whole<'_>,
        news: &BTreeMap<QName, Vec<Difference>>,
        adopted: &BTreeSet<QName>,
        actual: &Actual,
    ) -> Change {
        let all = self.versions.iter().copied().chain(self.stable);
        let made = self.versions.iter().find_map(|decision| {
            let Some(Part::Version { number, .. }) = decision.target.desired.part else { return None };
            Some((number, news.get(&decision.target.mart.name)?))
        });
        let first = whole.before.is_none_or(|before| before.versions.is_none());
        let published = whole.was.is_some_and(|was| was != whole.number);
        let mut hazards: Vec<Hazard> = all.clone().flat_map(|decision| decision.hazards.clone()).collect();
        let mut diff = String::new();
        let mut reasons = Vec::new();
        let action = if let (Some((number, differences)), false) = (made, first) {
            reasons.extend(declared::reasons(differences));
            reasons.push(match number == whole.number {
                true => format!("version {number} is built and published"),
                false => format!("version {number} is built, version {} stays published", whole.number),
            });
            diff.extend(differences.iter().map(difference_text));
            let serves = whole.was.and_then(|was| {
                let relation = actual.row(whole.mart)?.version(was)?.mart.name.clone();
                actual.relations.get(&relation)
            });
            let cost = serves.map_or_else(String::new, |live| {
                format!(": {}{}", weight::size(live, actual), weight::computed(&whole.mart.name, live, actual))
            });
            let message = format!(
                "version {number} is computed, while version {} serves{cost}",
                whole.was.unwrap_or(whole.number)
            );
            if whole.mart.kind.has_data() {
                hazards.insert(0, Hazard::new(HazardKind::RebuildsData, message));
            }
            Action::Publish
        } else if published && !first {
            let was = whole.was.unwrap_or_default();
            reasons.push(format!("version {} is published instead of {was}", whole.number));
            Action::Publish
        } else if first && whole.before.is_none() {
            Action::Create
        } else {
            let actions = || all.clone().map(|decision| decision.action());
            let missing = self.stable.is_none_or(|decision| decision.mode == Mode::Create);
            match () {
                _ if first || actions().any(|action| action == Action::Replace) => Action::Replace,
                _ if missing && actions().all(|action| action == Action::Create) => Action::Create,
                _ if actions().any(|action| action == Action::Rename) => Action::Rename,
                _ => Action::Update,
            }
        };
        if action == Action::Create && first {
            reasons.push("new, version 1".to_owned());
            diff = drift::unified("", &whole.mart.query, "nothing", "query");
        } else if action != Action::Publish {
            for decision in all.clone() {
                reasons.extend(decision.reasons.iter().filter(|reason| !self.is_inner(reason)).cloned());
                diff.extend(decision.differences.iter().map(difference_text));
            }
            if first {
                let why = match whole.mart.refresh.fresh {
                    true => "what it shows is exact from now on; its rows are built beside it",
                    false => "its versions are kept from now on; version 1 is built",
                };
                reasons.insert(0, why.to_owned());
                let message = format!("version 1 of {} is computed, while the old relation serves", whole.mart.name);
                hazards.extend(whole.mart.kind.has_data().then(|| Hazard::new(HazardKind::RebuildsData, message)));
            }
        } else if let Some(stable) = self.stable {
            if made.is_none() {
                reasons.extend(self.versions.iter().flat_map(|decision| decision.reasons.iter().cloned()));
            }
            let told = |reason: &&String| reason.as_str() == "query changed" || self.is_inner(reason);
            reasons.extend(stable.reasons.iter().filter(|reason| !told(reason)).cloned());
        }
        // Its rows are the query's, as before.
        let shown = self.stable.is_some_and(|stable| {
            let was_fresh = whole.before.is_some_and(|before| before.refresh.fresh);
            stable.target.desired.view.is_some() || was_fresh
        });
        for reason in reasons.iter_mut().filter(|reason| shown && made.is_none() && *reason == "query changed") {
            *reason = "its view changed".to_owned();
        }
        for version in &whole.expired {
            let keep = whole.mart.versions.map_or(0, |versions| versions.keep);
            reasons.push(format!("version {} goes (keep = {keep})", version.number));
        }
        reasons.retain({
            let mut seen = BTreeSet::new();
            move |reason| seen.insert(reason.clone())
        });
        if reasons.is_empty() {
            reasons.push("declaration changed".to_owned());
        }
        if all.clone().any(|decision| adopted.contains(&decision.target.mart.name)) {
            reasons.push(BUILT_ALREADY.to_owned());
        }
        let value = |mart: &Mart| serde_json::to_value(mart).unwrap_or(Value::Null);
        Change {
            address: whole.mart.name.to_string(),
            kind: whole.mart.kind,
            action,
            reason: reasons.join("; "),
            before: whole.before.map_or(Value::Null, value),
            after: value(whole.mart),
            diff,
            hazards,
            file: Some(whole.file.clone()),
            origins: whole.origins.clone(),
        }
    }
}

impl Parts<'_, '_> {
    /// A reason that is about how versions are stored, and none of the user's.
    fn is_inner(&self, reason: &str) -> bool {
        let of_version = |decision: &&Decision<'_>| {
            let name = &decision.target.mart.name;
            reason.starts_with(&format!("reads {name},"))
        };
        self.versions.iter().any(of_version)
            || ["new", "versions changed", "description changed"].contains(&reason)
            || reason.starts_with("type changed from ")
    }
}

fn difference_text(difference: &Difference) -> String {
    let (old, new) = (difference.actual.as_deref(), difference.expected.as_deref());
    drift::unified(
        old.unwrap_or_default(),
        new.unwrap_or_default(),
        &format!("{} (now)", difference.aspect),
        &format!("{} (declared)", difference.aspect),
    )
}

/// What an apply that was interrupted had built is published as it is.
const BUILT_ALREADY: &str = "built aside already by an apply that was interrupted";

fn change(decision: &Decision<'_>, adopted: bool) -> Change {
    let target = &decision.target;
    let mut diff: String = decision.differences.iter().map(difference_text).collect();
    if decision.mode == Mode::Create {
        diff.push_str(&drift::unified("", &target.mart.query, "nothing", "query"));
    }
    if decision.mode == Mode::Drop {
        let definition = target.live.and_then(|live| live.definition.as_deref()).unwrap_or_default();
        diff = drift::unified(definition, "", "definition (now)", "nothing");
    }
    let value = |mart| serde_json::to_value(mart).unwrap_or(Value::Null);
    let mut reasons = decision.reasons.clone();
    if target.desired.part.is_none() && target.recorded.is_some_and(|recorded| recorded.part.is_some()) {
        reasons.retain(|reason| reason != "versions changed" && !reason.starts_with("type changed from "));
        reasons.insert(0, "its versions are not kept any more".to_owned());
    }
    if reasons.is_empty() {
        reasons.push("declaration changed".to_owned());
    }
    if adopted {
        reasons.push(BUILT_ALREADY.to_owned());
    }
    Change {
        address: target.address(),
        kind: target.mart.kind,
        action: decision.action(),
        reason: reasons.join("; "),
        before: target.recorded.map_or(Value::Null, |r| value(&r.mart)),
        // What is not ours is declared by nobody.
        after: if target.follower.is_some() { Value::Null } else { value(target.mart) },
        diff,
        hazards: decision.hazards.clone(),
        file: target.follower.is_none().then(|| target.desired.file.display().to_string()),
        origins: target.desired.origins.clone(),
    }
}
