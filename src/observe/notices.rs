//! When somebody is told: once per change of state, whatever happens how often. Pure.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::ages;
use super::notice::{Notice, Occasion};
use crate::build::CheckStatus;
use crate::plan::Drift;
use crate::refresh::{Run, RunStatus};
use crate::state::{Mart, count, format_duration};

/// Since when a mart's rows are as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since {
    /// The moment the rows are true for; `None` where there are none yet.
    pub snapshot: Option<DateTime<Utc>>,
    /// The newest value of `freshness.column`, as it was read.
    pub newest: Option<String>,
    /// Somebody suspended it: who did knows that it grows old.
    pub suspended: bool,
}

/// A state that was told and still holds, or no longer: `refresh_failed`, `check_failed`, `stale`, `slow`, `drift:<aspect>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The mart.
    pub mart: String,
    /// The state.
    pub state: String,
    /// It holds from now on, or does no longer.
    pub holds: bool,
}

/// A mart that grows old.
#[derive(Debug, Clone)]
struct Aging {
    /// Too old beyond this many seconds.
    limit: u64,
    /// Its data's age is that of its newest row.
    by_column: bool,
    /// The zone of what has none.
    zone: Tz,
    /// Whoever commits brings it up to date: it does not grow old but by its newest row.
    kept: bool,
    since: Option<DateTime<Utc>>,
}

/// What was told, and what is to be told when.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    told: BTreeSet<(String, String)>,
    aging: BTreeMap<String, Aging>,
    /// Longer than so many seconds is slow.
    warn: BTreeMap<String, u64>,
    changes: Vec<Change>,
}

impl Notices {
    /// With the states that were told before: by mart, and its state.
    pub fn new(told: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { told: told.into_iter().collect(), ..Self::default() }
    }

    /// These are the marts, and their rows are as old as that. What was told of others is forgotten.
    pub fn marts<'a>(&mut self, marts: impl IntoIterator<Item = (&'a Mart, Since)>, now: DateTime<Utc>) -> Vec<Notice> {
        self.aging.clear();
        self.warn.clear();
        let mut known = BTreeSet::new();
        for (mart, since) in marts {
            let name = mart.name.to_string();
            known.insert(name.clone());
            self.warn.extend(mart.refresh.warn_duration.map(|limit| (name.clone(), limit)));
            if mart.kind.has_data() && !mart.refresh.suspend && !since.suspended {
                let by_column = mart.freshness.as_ref().is_some_and(|freshness| freshness.column.is_some());
                let limit = ages::limits(mart, now).1;
                let (zone, kept) = (ages::zone(mart), ages::is_kept(mart));
                let mut aging = Aging { limit, by_column, zone, kept, since: None };
                aging.since = aging.moment(&since);
                self.aging.insert(name, aging);
            }
        }
        for (mart, state) in self.told.clone() {
            if !known.contains(&mart) {
                self.over(&mart, &state);
            }
        }
        // Somebody else may have brought it up to date, or its manifest allows for more.
        let young: Vec<String> = self.aging.keys().filter(|mart| !self.is_stale(mart, now)).cloned().collect();
        young.iter().filter_map(|mart| self.recovered(mart, &["stale"], Map::new())).collect()
    }

    /// A run ended.
    pub fn ended(&mut self, run: &Run, now: DateTime<Utc>) -> Vec<Notice> {
        let mut notices = match run.status {
            RunStatus::Success | RunStatus::Noop => self.succeeded(run, now),
            RunStatus::Failed => self.failed(run).into_iter().collect(),
            RunStatus::Skipped | RunStatus::Cancelled => return Vec::new(),
        };
        notices.extend(self.took(run));
        notices
    }

    /// Somebody else refreshed a mart; how old it is now is said by [`Notices::marts`].
    pub fn refreshed_elsewhere(&mut self, mart: &str) -> Vec<Notice> {
        self.recovered(mart, &["refresh_failed", "check_failed"], Map::new()).into_iter().collect()
    }

    fn succeeded(&mut self, run: &Run, now: DateTime<Utc>) -> Vec<Notice> {
        let mut notices = Vec::new();
        if run.status == RunStatus::Success {
            let rows = run.row_count.and_then(|rows| usize::try_from(rows).ok());
            let rows = rows.map(|rows| format!(", {}", count(rows, "row"))).unwrap_or_default();
            let text = format!("{} was refreshed in {:.1} s{rows}", run.mart, run.duration_ms / 1e3);
            notices.push(notice(Occasion::Refreshed, &run.mart, text, facts(run)));
        }
        if let Some(aging) = self.aging.get_mut(&run.mart) {
            let since = Since { snapshot: Some(run.started_at), newest: run.newest.clone(), suspended: false };
            aging.since = aging.moment(&since).or(aging.since);
        }
        // Told once: from then on it is computed whole.
        if let Some(reason) = run.demoted() {
            let text = format!("{} was computed anew: {reason}", run.mart);
            notices.push(notice(Occasion::CheckFailed, &run.mart, text, facts(run)));
        }
        // It was published all the same: the check only warns.
        let warned: Vec<&str> =
            run.checks.iter().filter(|c| c.status != CheckStatus::Passed).map(|c| c.name.as_str()).collect();
        let mut over = vec!["refresh_failed"];
        if warned.is_empty() {
            over.push("check_failed");
        } else if self.holds(&run.mart, "check_failed") {
            let text = format!("{} was refreshed, and does not pass {}", run.mart, warned.join(", "));
            notices.push(notice(Occasion::CheckFailed, &run.mart, text, facts(run)));
        }
        if !self.is_stale(&run.mart, now) {
            over.push("stale");
        }
        notices.extend(self.recovered(&run.mart, &over, facts(run)));
        notices
    }

    fn failed(&mut self, run: &Run) -> Option<Notice> {
        let error = run.error.as_ref();
        let of_check = error.is_some_and(|error| error.kind == "check");
        let occasion = if of_check { Occasion::CheckFailed } else { Occasion::RefreshFailed };
        let message = error.map_or(run.reason.as_str(), |error| error.message.as_str());
        let text = format!("{} was not refreshed: {message}", run.mart);
        let new = self.holds(&run.mart, occasion.as_str());
        new.then(|| notice(occasion, &run.mart, text, facts(run)))
    }

    /// A run took longer than it should, or a good one did not.
    fn took(&mut self, run: &Run) -> Option<Notice> {
        let seconds = run.duration_ms / 1e3;
        let limit = self.warn.get(&run.mart).copied().filter(|limit| seconds > *limit as f64);
        let Some(limit) = limit else {
            if run.status == RunStatus::Success {
                self.over(&run.mart, "slow");
            }
            return None;
        };
        let limit_text = format_duration(limit);
        let text = format!("{} took {seconds:.1} s, longer than its warn_duration of {limit_text}", run.mart);
        let mut more = facts(run);
        more.insert("warn_duration_seconds".to_owned(), json!(limit));
        self.holds(&run.mart, "slow").then(|| notice(Occasion::Slow, &run.mart, text, more))
    }

    /// All that differs from what was applied, and what did until it was put back: that began and is over.
    pub fn drifted(&mut self, found: &[Drift], healed: &[Drift]) -> Vec<Notice> {
        let mut notices = self.differ(&by_mart(healed), true);
        let marts = by_mart(found);
        notices.extend(self.differ(&marts, false));
        let told: Vec<(String, String)> =
            self.told.iter().filter(|(_, state)| state.starts_with("drift:")).cloned().collect();
        let mut back = BTreeSet::new();
        for (mart, state) in told {
            let still = marts.get(mart.as_str());
            if still.is_none_or(|drifts| !drifts.iter().any(|drift| format!("drift:{}", drift.aspect) == state)) {
                self.over(&mart, &state);
                if still.is_none() {
                    back.insert(mart);
                }
            }
        }
        notices.extend(back.iter().map(|mart| {
            notice(
                Occasion::Recovered,
                mart,
                format!("{mart} is as it was applied again"),
                object(json!({ "from": ["drift"] })),
            )
        }));
        notices
    }

    /// What nobody was told of so far.
    fn differ(&mut self, marts: &BTreeMap<&str, Vec<&Drift>>, healed: bool) -> Vec<Notice> {
        let words = if healed { "was not as it was applied, which was put back" } else { "is not as it was applied" };
        let mut notices = Vec::new();
        for (mart, drifts) in marts {
            let new: Vec<&Drift> =
                drifts.iter().filter(|drift| self.holds(mart, &format!("drift:{}", drift.aspect))).copied().collect();
            if !new.is_empty() {
                let messages: Vec<&str> = new.iter().map(|drift| drift.message.as_str()).collect();
                let text = format!("{mart} {words}: {}", messages.join("; "));
                let list: Vec<Value> =
                    new.iter().map(|drift| json!({ "aspect": drift.aspect, "message": drift.message })).collect();
                notices.push(notice(Occasion::Drift, mart, text, object(json!({ "drift": list, "healed": healed }))));
            }
        }
        notices
    }

    /// When the next mart becomes stale.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        let due = self.aging.iter().filter(|(mart, _)| !self.told.contains(&((*mart).clone(), "stale".to_owned())));
        due.filter_map(|(_, aging)| aging.stale_at()).min()
    }

    /// What became stale.
    pub fn tick(&mut self, now: DateTime<Utc>) -> Vec<Notice> {
        let stale: Vec<String> = self.aging.keys().filter(|mart| self.is_stale(mart, now)).cloned().collect();
        let mut notices = Vec::new();
        for mart in stale {
            let Some(Aging { limit, since: Some(since), .. }) = self.aging.get(&mart).cloned() else { continue };
            if self.holds(&mart, "stale") {
                let age = u64::try_from((now - since).num_seconds()).unwrap_or_default();
                let text = format!(
                    "the data of {mart} is {} old, older than {}",
                    format_duration(age),
                    format_duration(limit)
                );
                let more = object(json!({ "age_seconds": age, "error_after_seconds": limit }));
                notices.push(notice(Occasion::Stale, &mart, text, more));
            }
        }
        notices
    }

    /// What changed since this was asked last, to be remembered.
    pub fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn is_stale(&self, mart: &str, now: DateTime<Utc>) -> bool {
        self.aging.get(mart).and_then(Aging::stale_at).is_some_and(|at| at <= now)
    }

    /// A state holds; `true` where nobody was told so far.
    fn holds(&mut self, mart: &str, state: &str) -> bool {
        let new = self.told.insert((mart.to_owned(), state.to_owned()));
        if new {
            self.changes.push(Change { mart: mart.to_owned(), state: state.to_owned(), holds: true });
        }
        new
    }

    /// A state holds no longer; `true` where somebody was told that it does.
    fn over(&mut self, mart: &str, state: &str) -> bool {
        let was = self.told.remove(&(mart.to_owned(), state.to_owned()));
        if was {
            self.changes.push(Change { mart: mart.to_owned(), state: state.to_owned(), holds: false });
        }
        was
    }

    /// These states are over; told once the last thing that was wrong with the mart's rows is.
    fn recovered(&mut self, mart: &str, states: &[&str], mut more: Map<String, Value>) -> Option<Notice> {
        let from: Vec<&str> = states.iter().copied().filter(|state| self.over(mart, state)).collect();
        let wrong = |state: &&str| self.told.contains(&(mart.to_owned(), (*state).to_owned()));
        if from.is_empty() || ["refresh_failed", "check_failed", "stale"].iter().any(wrong) {
            return None;
        }
        more.insert("from".to_owned(), json!(from));
        let words: Vec<String> = from.iter().map(|state| state.replace('_', " ")).collect();
        let text = format!("{mart} has recovered, it was: {}", words.join(", "));
        Some(notice(Occasion::Recovered, mart, text, more))
    }
}

impl Aging {
    /// From when on it grows old; `None` for never.
    fn moment(&self, since: &Since) -> Option<DateTime<Utc>> {
        let newest = since.newest.as_deref().filter(|_| self.by_column);
        newest.and_then(|newest| ages::moment(newest, self.zone)).or(since.snapshot.filter(|_| !self.kept))
    }

    fn stale_at(&self) -> Option<DateTime<Utc>> {
        // Stale is older than the limit, not as old.
        let limit = TimeDelta::try_seconds(i64::try_from(self.limit).ok()?.checked_add(1)?)?;
        self.since?.checked_add_signed(limit)
    }
}

fn by_mart(drifts: &[Drift]) -> BTreeMap<&str, Vec<&Drift>> {
    let mut marts: BTreeMap<&str, Vec<&Drift>> = BTreeMap::new();
    for drift in drifts {
        marts.entry(&drift.address).or_default().push(drift);
    }
    marts
}

fn notice(occasion: Occasion, mart: &str, text: String, facts: Map<String, Value>) -> Notice {
    Notice { occasion, mart: mart.to_owned(), text, facts }
}

fn facts(run: &Run) -> Map<String, Value> {
    serde_json::to_value(run).map(|run| object(json!({ "run": run }))).unwrap_or_default()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
