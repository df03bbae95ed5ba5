//! When each mart is refreshed: a queue without a clock of its own. Everything it is told comes with the time, so that a test
//! can say what happens in the hour that does not exist.
//!
//! The loop around it: [`Queue::set`] whenever the marts or their policies changed; [`Queue::start`] after everything that
//! happened and whenever [`Queue::next`] is reached (sleep a minute at most: the clock may be set meanwhile); each run that
//! begins is told to have [`Queue::ended`]. A run that began and is never told to have ended holds up what reads it.
//!
//! What is due at one instant runs upstream first: a mart waits while something it reads, directly or not, is at work or waits
//! for the same instant or an earlier one, never for a later one, so that a mart that is always at work holds up nobody for ever.
//! What follows from a run (`after`, retries of what was skipped) belongs to its instant, so that each runs once, in diamonds too.

mod along;
mod before;
mod entry;
mod follow;
mod graph;
mod job;
mod lag;
mod line;
mod settle;
#[cfg(test)]
mod tests;
mod time;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::refresh::{Asked, How};
use crate::state::QName;
use entry::{Entry, Hold, Ready, Running, Wish};
use graph::Graph;
use time::earlier;

pub use job::{Cause, Ended, Job, Outcome, Past, Requested, Skip, Start};

/// No priority of others makes a mart wait longer than this for its turn.
const WAITS: TimeDelta = TimeDelta::minutes(1);

/// Which marts are due, wait and run.
#[derive(Debug)]
pub struct Queue {
    seed: u64,
    /// By place.
    entries: Vec<Entry>,
    places: BTreeMap<QName, usize>,
    graph: Graph,
    /// When time changes something, and for which place.
    timers: BTreeSet<(DateTime<Utc>, usize)>,
    /// When it was last told something.
    seen: Option<DateTime<Utc>>,
    /// What does not begin now.
    aside: BTreeSet<QName>,
}

impl Queue {
    /// An empty queue. `seed` decides by how much waits between retries differ; any number, another one for each process.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            entries: Vec::new(),
            places: BTreeMap::new(),
            graph: Graph::default(),
            timers: BTreeSet::new(),
            seen: None,
            aside: BTreeSet::new(),
        }
    }

    /// From now on none of these begins, and no others are held up: somebody waits for them to rest. What reads one that is due waits
    /// for it, as it does where it runs.
    pub fn stand_aside(&mut self, marts: BTreeSet<QName>) {
        self.aside = marts;
    }

    /// When something is due next; `None`: not before something happens. Runs that wait for a place or for another run are no
    /// matter of time.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// For how many marts time changes something until then.
    pub fn due_by(&self, at: DateTime<Utc>) -> usize {
        self.timers.iter().take_while(|(due, _)| *due <= at).count()
    }

    /// What begins now, in this order, `free` at most. Each counts as running until it is told to have [`Queue::ended`].
    pub fn start(&mut self, now: DateTime<Utc>, free: usize) -> Vec<Start> {
        self.clock(now);
        while let Some(&(_, place)) = self.timers.first().filter(|(at, _)| *at <= now) {
            if self.entries[place].fire(now) {
                self.lag_is_due(place, now);
            }
            self.set_timer(place);
        }
        if free == 0 {
            return Vec::new();
        }
        let begin = self.free_to_begin(free, now);
        begin.into_iter().map(|(place, ready)| self.begin(place, ready, now)).collect()
    }

    /// What waits for nothing but a place, first things first, `most` of them.
    fn free_to_begin(&self, most: usize, now: DateTime<Utc>) -> Vec<(usize, Ready)> {
        let aside = |entry: &Entry| !self.aside.is_empty() && self.aside.contains(&entry.job.mart);
        let idle = |entry: &Entry| entry.running.is_none() && !entry.gone && !aside(entry);
        let waiting = self.entries.iter().enumerate().filter(|(_, entry)| idle(entry));
        let mut waiting: Vec<_> = waiting.filter_map(|(place, entry)| Some((place, entry.ready()?))).collect();
        if waiting.is_empty() {
            return waiting;
        }
        // Of marts that read none of the others nothing has to be looked up, at each turn, about a thousand others.
        let reads = waiting.iter().any(|(place, _)| !self.graph.up[*place].is_empty());
        let earliest = match reads {
            true => self.graph.earliest_upstream(|place| self.entries[place].active()),
            false => vec![None; self.entries.len()],
        };
        let postponed: Vec<(usize, &Wish)> = self.postponed().collect();
        waiting.retain(|(place, ready)| {
            let with =
                postponed.iter().filter(|(_, wish)| ready.wish && wish.at == ready.wave).map(|(place, _)| *place);
            let with: BTreeSet<usize> = with.collect();
            earliest[*place].is_none_or(|wave| wave > ready.wave)
                && (with.is_empty() || !self.graph.reads_any(*place, &with))
        });
        let patient = earlier(now, WAITS);
        let key = |(place, ready): &(usize, Ready)| {
            let job = &self.entries[*place].job;
            // Who has waited for long waits no longer for those that are more important and due again and again.
            let overdue = Some(ready.wave).filter(|wave| *wave <= patient);
            (overdue.is_none(), overdue, Reverse(job.policy.priority), ready.wave, Reverse(job.size_bytes), &job.mart)
        };
        let order = |one: &(usize, Ready), other: &(usize, Ready)| key(one).cmp(&key(other));
        // Of a thousand that are due at once few begin, and the others are looked at again.
        if most < waiting.len() {
            waiting.select_nth_unstable_by(most, order);
            waiting.truncate(most);
        }
        waiting.sort_by(order);
        waiting
    }

    /// Wishes that cannot begin before some time. They hold up no more than what was asked for with them.
    fn postponed(&self) -> impl Iterator<Item = (usize, &Wish)> {
        let entries = self.entries.iter().enumerate();
        let postponed = entries.filter(|(_, entry)| entry.gate.is_some_and(|gate| gate.by == Hold::Held));
        postponed.flat_map(|(place, entry)| entry.wishes.iter().map(move |wish| (place, wish)))
    }

    fn begin(&mut self, place: usize, ready: Ready, now: DateTime<Utc>) -> Start {
        let asof = self.asof_of_a_run(place, now);
        let entry = &mut self.entries[place];
        let (want, wish) = entry.take(ready);
        let mut asked = wish.as_ref().map_or_else(Asked::default, |wish| wish.asked.clone());
        if want.is_some_and(|want| want.whole) {
            asked.how = How::Full;
        }
        let before = Some(Box::new(entry.before()));
        entry.begun(want.is_some(), asked.how == How::Full, now);
        entry.failed_in.clear();
        let due = want.map(|want| (want.cause, want.due_at));
        let (cause, due_at) =
            wish.as_ref().map(|wish| (Cause::Request, wish.at)).or(due).unwrap_or((Cause::Request, now));
        asked.run = wish.as_ref().map(|wish| wish.run);
        asked.cause = Some(cause.as_str());
        asked.due_at = Some(due_at);
        let joined = wish.as_ref().map(|wish| wish.joined.clone()).unwrap_or_default();
        let mart = entry.job.mart.clone();
        entry.running = Some(Running { want, wish, asof, with: None, before });
        self.set_timer(place);
        Start { mart, cause, due_at, asked, joined }
    }

    /// Somebody asks for a refresh; also of a suspended mart. `run` is the row that waits in the history. Requests with the same
    /// `now` are of one instant: what reads another of them runs after it.
    pub fn request(&mut self, mart: &QName, run: i64, asked: &Asked, now: DateTime<Utc>) -> Requested {
        self.clock(now);
        let Some(entry) = self.entry(mart) else { return Requested::Unknown };
        if !entry.job.has_rows {
            return Requested::NoRows;
        }
        let like = |wish: &&mut Wish| {
            let (a, b) = (&wish.asked, asked);
            (a.how, a.days, a.concurrent) == (b.how, b.days, b.concurrent)
        };
        if let Some(wish) = entry.wishes.iter_mut().find(like) {
            if wish.run != run && !wish.joined.contains(&run) {
                wish.joined.push(run);
            }
            return Requested::Joined(wish.run);
        }
        entry.wishes.push_back(Wish { at: now, run, joined: Vec::new(), asked: asked.clone() });
        Requested::Queued
    }

    /// A waiting request is taken back. False where it does not wait (any more).
    pub fn cancel(&mut self, run: i64) -> bool {
        for entry in &mut self.entries {
            for index in 0..entry.wishes.len() {
                let wish = &mut entry.wishes[index];
                if let Some(at) = wish.joined.iter().position(|joined| *joined == run) {
                    wish.joined.remove(at);
                    return true;
                }
                if wish.run == run {
                    match wish.joined.is_empty() {
                        true => drop(entry.wishes.remove(index)),
                        false => wish.run = wish.joined.remove(0),
                    }
                    return true;
                }
            }
        }
        false
    }

    /// A source of a `triggered` mart changed, or its channel was notified (`cause`). It runs after `debounce` of quiet.
    pub fn changed(&mut self, mart: &QName, cause: Cause, now: DateTime<Utc>) {
        self.clock(now);
        if let Some(&place) = self.places.get(mart) {
            self.entries[place].changed(cause, now);
            self.set_timer(place);
        }
    }

    /// As [`Queue::changed`], of what was written before `now`: it is due.
    pub fn changed_before(&mut self, mart: &QName, now: DateTime<Utc>) {
        self.clock(now);
        if let Some(&place) = self.places.get(mart) {
            self.entries[place].changed_before(Cause::Change, now);
            self.set_timer(place);
        }
    }

    /// When a mart runs next, where that is a matter of time. One that is due and waits for its turn says when it was due.
    pub fn next_of(&self, mart: &QName) -> Option<DateTime<Utc>> {
        let entry = &self.entries[*self.places.get(mart)?];
        let gate = entry.gate.map(|gate| gate.until);
        let due = entry.want.map(|want| want.due_at).or_else(|| entry.wishes.front().map(|wish| wish.at));
        let own = || entry.by_itself().then(|| entry.own_next()).flatten();
        due.or_else(own).map(|at| gate.map_or(at, |gate| gate.max(at)))
    }

    /// Whether a run of this mart began and was not told to have ended.
    pub fn is_running(&self, mart: &QName) -> bool {
        self.places.get(mart).is_some_and(|place| self.entries[*place].running.is_some())
    }

    /// How many runs are due and have not begun.
    pub fn waiting(&self) -> usize {
        self.entries.iter().filter(|entry| entry.ready().is_some()).count()
    }

    /// How long the one that waits longest has been due.
    pub fn lateness(&self, now: DateTime<Utc>) -> TimeDelta {
        let ready = self.entries.iter().filter(|entry| entry.running.is_none()).filter_map(Entry::ready);
        ready.map(|ready| now - ready.due_at).max().unwrap_or_default().max(TimeDelta::zero())
    }

    fn entry(&mut self, mart: &QName) -> Option<&mut Entry> {
        let place = *self.places.get(mart)?;
        Some(&mut self.entries[place]).filter(|entry| !entry.gone)
    }

    fn set_timer(&mut self, place: usize) {
        let next = self.entries[place].next();
        if let Some(old) = std::mem::replace(&mut self.entries[place].timer, next) {
            self.timers.remove(&(old, place));
        }
        if let Some(next) = next {
            self.timers.insert((next, place));
        }
    }

    /// The time it is. Where the clock was set back, nothing waits for what it shows a second time.
    fn clock(&mut self, now: DateTime<Utc>) {
        let step = self.seen.map_or(TimeDelta::zero(), |seen| seen - now);
        self.seen = Some(now);
        if step > TimeDelta::seconds(1) {
            for place in 0..self.entries.len() {
                self.entries[place].set_back(step, now);
                self.set_timer(place);
            }
        }
    }
}
