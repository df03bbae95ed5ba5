//! The marts change: what is known of those that stay is kept.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::Queue;
use super::entry::{Entry, Hold, Want};
use super::graph::Graph;
use super::job::{Cause, Job};
use super::line::Line;
use super::time::{backoff, later};
use crate::state::QName;

impl Queue {
    /// These are the marts now. What is due, running and known of marts that stay is kept; a changed schedule counts from now;
    /// rows of the history that wait for a mart that is gone are given back.
    pub fn set(&mut self, jobs: Vec<Job>, now: DateTime<Utc>) -> Vec<i64> {
        self.clock(now);
        let old = std::mem::take(&mut self.entries);
        let mut known: BTreeMap<QName, Entry> = old.into_iter().map(|e| (e.job.mart.clone(), e)).collect();
        let mut unknown = Vec::new();
        for job in jobs {
            let name = job.mart.clone();
            match known.remove(&name) {
                Some(mut entry) => {
                    entry.settle(job, now);
                    self.entries.push(entry);
                }
                None => {
                    let mut entry = Entry::new(job);
                    entry.learn(self.seed, now);
                    unknown.push(name);
                    self.entries.push(entry);
                }
            }
        }
        let mut orphans = Vec::new();
        for mut entry in known.into_values() {
            entry.leave(&mut orphans);
            if entry.running.is_some() {
                entry.gone = true;
                self.entries.push(entry);
            }
        }
        for entry in self.entries.iter_mut().filter(|entry| !entry.job.has_rows) {
            entry.leave(&mut orphans);
        }
        let places = self.entries.iter().enumerate().map(|(place, entry)| (entry.job.mart.clone(), place));
        self.places = places.collect();
        self.graph = Graph::of(self.entries.iter().map(|entry| &entry.job), &self.places);
        let new: Vec<usize> = unknown.iter().filter_map(|name| self.places.get(name).copied()).collect();
        self.read_ages(&new);
        self.follow_the_past(&new, now);
        self.timers.clear();
        let takes = self.durations();
        for (place, takes) in takes.into_iter().enumerate() {
            let entry = &self.entries[place];
            if entry.lag.is_none() && entry.want.is_none() && entry.running.is_none() {
                self.entries[place].lag = self.next_lag(place, takes, entry.started.is_none(), now);
            }
            self.entries[place].timer = None;
            self.set_timer(place);
        }
        orphans
    }

    /// What was to follow when the daemon before ended: what a mart reads changed after the last run of the mart began, and not in
    /// the same transaction.
    fn follow_the_past(&mut self, new: &[usize], now: DateTime<Utc>) {
        for &place in new {
            let entry = &self.entries[place];
            let past = &entry.job.past;
            let since = past.started.max(past.snapshot);
            let changed = |up: &usize| match &self.entries[*up].job.past.changed {
                Some((at, snapshot)) => Some(*at) > since && past.read.as_ref() != Some(snapshot),
                None => false,
            };
            if entry.job.policy.after && entry.by_itself() && self.graph.up[place].iter().any(changed) {
                self.entries[place].want(Want {
                    wave: now,
                    due_at: now,
                    cause: Cause::After,
                    whole: false,
                    part: true,
                });
            }
        }
    }

    /// How old the rows of marts are that the queue did not know: as old as those of what they read, where these were there first.
    fn read_ages(&mut self, new: &[usize]) {
        let new: std::collections::BTreeSet<usize> = new.iter().copied().collect();
        for at in 0..self.graph.order.len() {
            let place = self.graph.order[at];
            if !new.contains(&place) {
                continue;
            }
            let upstream = self.graph.up[place].iter().filter_map(|up| self.entries[*up].asof);
            let asof = self.entries[place].asof;
            let asof = asof.map(|asof| upstream.filter(|up| *up <= asof).fold(asof, DateTime::min));
            self.entries[place].asof = asof;
        }
    }
}

impl Entry {
    /// What the history says of a mart that is new here.
    fn learn(&mut self, seed: u64, now: DateTime<Utc>) {
        let past = self.job.past.clone();
        self.lines = Line::all(&self.job.policy, self.job.timezone);
        for line in &mut self.lines {
            line.learn(&self.job.mart, &past, now);
        }
        self.started = past.started.map(|at| at.min(now));
        self.ended = past.ended.map(|at| at.min(now));
        self.asof = past.snapshot.map(|at| at.min(now));
        self.failures = past.failures;
        if past.failures > 0 && past.can_pass && self.by_itself() {
            let (started, ended) = (past.started.unwrap_or(now).min(now), past.ended.unwrap_or(now).min(now));
            let delay = backoff(&self.job.mart, past.failures, (ended - started).max(TimeDelta::zero()), seed);
            self.retry = Some((later(ended, delay), delay));
        }
    }

    /// It stays; what is said of it may be new.
    fn settle(&mut self, job: Job, now: DateTime<Utc>) {
        let before = std::mem::replace(&mut self.job, job);
        self.gone = false;
        let resumed = before.policy.suspend && !self.job.policy.suspend;
        let lines = Line::all(&self.job.policy, self.job.timezone);
        let mut old = std::mem::replace(&mut self.lines, lines);
        for line in &mut self.lines {
            match old.iter().position(|old| old.same(line)) {
                // What came due while it was suspended was missed: made up once, or dropped.
                Some(index) => line.next = old.swap_remove(index).next,
                None => line.begin(&self.job.mart, now),
            }
        }
        if before.policy.target_lag != self.job.policy.target_lag || resumed {
            self.lag = None;
        }
        if before.policy.strategy != self.job.policy.strategy {
            self.change = None;
        }
        if !self.by_itself() {
            self.rest(now);
        }
        if before.basis != self.job.basis {
            let held = self.gate.take_if(|gate| gate.by == Hold::Lasting).is_some();
            self.failures = 0;
            if held && self.by_itself() {
                self.want(Want { wave: now, due_at: now, cause: Cause::Retry, whole: self.owes_whole, part: true });
            }
        }
    }

    /// It does not run by itself any more. What sources changed is remembered until it does.
    fn rest(&mut self, now: DateTime<Utc>) {
        self.want = None;
        self.quiet = None;
        self.retry = None;
        self.lag = None;
        self.owed.clear();
        self.owes_whole = false;
        for line in &mut self.lines {
            line.rearm(now);
        }
    }

    /// It is no mart any more, or one without rows.
    fn leave(&mut self, orphans: &mut Vec<i64>) {
        for wish in self.wishes.drain(..) {
            orphans.push(wish.run);
            orphans.extend(wish.joined);
        }
        self.lines.clear();
        self.want = None;
        self.quiet = None;
        self.retry = None;
        self.lag = None;
        self.change = None;
    }
}
