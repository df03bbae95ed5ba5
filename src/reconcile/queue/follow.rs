//! What a run's end means for the mart and for those that read it.

use chrono::{DateTime, TimeDelta, Utc};

use super::Queue;
use super::entry::{Gate, Hold, Running, Want, Wish};
use super::job::{Cause, Ended, Outcome, Skip};
use super::time::{backoff, hold, later};
use crate::state::QName;

impl Queue {
    /// A run ended. What is given back was due with it and does not run, because this one was not refreshed.
    pub fn ended(&mut self, mart: &QName, ended: &Ended, now: DateTime<Utc>) -> Vec<Skip> {
        self.clock(now);
        let Some(&place) = self.places.get(mart) else { return Vec::new() };
        let Some(mut running) = self.entries[place].running.take() else { return Vec::new() };
        if running.with.is_some() {
            running.asof = self.asof_of_a_run(place, ended.started);
            self.entries[place].begun(true, false, ended.started);
        }
        let together = running.with.clone().unwrap_or_else(|| mart.clone());
        let waves: Vec<DateTime<Utc>> = running.waves().collect();
        let mut skips = Vec::new();
        self.entries[place].ended = Some(now);
        match ended.outcome {
            Outcome::Good | Outcome::Unchanged => {
                self.entries[place].learn_duration((now - ended.started).max(TimeDelta::zero()));
                if ended.whole || running.want.is_some_and(|want| want.whole) {
                    self.entries[place].whole_since(ended.started);
                }
                self.fresh(place, running.asof.min(ended.started), now);
                let wave = waves.iter().min().copied().unwrap_or(now);
                let anew = ended.outcome == Outcome::Good;
                self.follow(place, (wave, anew), Some(&together), now, &mut skips);
            }
            Outcome::Postponed(until) => self.postpone(place, running, until, now, &mut skips),
            Outcome::Held(until) => self.hold(place, running, until, now, &mut skips),
            Outcome::Passing | Outcome::Failed | Outcome::Lasting => {
                if running.want.is_some_and(|want| want.whole) {
                    // What its data does not allow is tried again when it is due.
                    self.entries[place].owes_whole = ended.outcome != Outcome::Failed;
                }
                self.fail(place, ended, now);
                self.entries[place].failed_in.clone_from(&waves);
                self.skip(place, &waves, true, now, &mut skips);
            }
        }
        self.set_timer(place);
        skips
    }

    /// A mart was refreshed by somebody else, by hand or from SQL, by a run that began at `started`: it counts as a run, and what
    /// reads it follows, where its rows changed since it was heard of: the last run that changed them began at `changed`.
    pub fn refreshed_elsewhere(
        &mut self,
        mart: &QName,
        started: DateTime<Utc>,
        changed: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) {
        self.clock(now);
        let Some(&place) = self.places.get(mart) else { return };
        let started = started.min(now);
        let asof = self.asof_of_a_run(place, started);
        let entry = &mut self.entries[place];
        // One run of a mart at a time: what began before the last one here ended is that one itself, heard of again.
        let known = entry.running.is_some() || entry.ended.is_some_and(|ended| started <= ended);
        if !entry.job.has_rows || entry.gone || known {
            return;
        }
        let anew = changed.is_some_and(|changed| entry.ended.is_none_or(|ended| changed > ended));
        entry.ended = Some(now);
        let done = entry.want.take_if(|want| want.due_at <= started && !want.whole).is_some();
        entry.begun(done || entry.want.is_none(), false, started);
        self.fresh(place, asof, now);
        self.follow(place, (now, anew), None, now, &mut Vec::new());
        self.set_timer(place);
    }

    /// New rows are published.
    fn fresh(&mut self, place: usize, asof: DateTime<Utc>, now: DateTime<Utc>) {
        let entry = &mut self.entries[place];
        entry.asof = Some(asof);
        if !entry.owes_whole {
            entry.failures = 0;
            entry.retry = None;
        }
        entry.gate = None;
        entry.failed_in.clear();
        if entry.want.is_none() && entry.job.policy.target_lag.is_some() {
            let takes = self.durations()[place];
            self.entries[place].lag = self.next_lag(place, takes, false, now);
        }
    }

    /// What reads it runs: where it wants to (`anew`: there are new rows), and where it was skipped because of this one. What went
    /// along with the run `together` has seen these rows.
    fn follow(
        &mut self,
        place: usize,
        (wave, anew): (DateTime<Utc>, bool),
        together: Option<&QName>,
        now: DateTime<Utc>,
        skips: &mut Vec<Skip>,
    ) {
        let mart = self.entries[place].job.mart.clone();
        for reader in self.graph.down[place].clone() {
            let entry = &mut self.entries[reader];
            let with = entry.running.as_ref().and_then(|running| running.with.as_ref());
            if together.is_some() && with == together {
                continue;
            }
            let owed = entry.owed.remove(&mart);
            let after = anew && entry.job.policy.after;
            if !entry.by_itself() || !(owed || after) {
                continue;
            }
            let cause = if owed { Cause::Retry } else { Cause::After };
            let whole = owed && entry.owes_whole;
            entry.want(Want { wave, due_at: now, cause, whole, part: true });
            // Another one that it reads failed in the same instant, before this one was done.
            let failed = self.graph.up[reader].iter().find(|up| self.entries[**up].failed_in.contains(&wave)).copied();
            if let Some(failed) = failed {
                self.skip_one(failed, reader, &[wave], true, now, skips);
            }
            self.set_timer(reader);
        }
    }

    fn fail(&mut self, place: usize, ended: &Ended, now: DateTime<Utc>) {
        let entry = &mut self.entries[place];
        entry.failures = entry.failures.saturating_add(1);
        let (mart, failures) = (&entry.job.mart, entry.failures);
        match ended.outcome {
            Outcome::Passing => {
                let delay = backoff(mart, failures, (now - ended.started).max(TimeDelta::zero()), self.seed);
                entry.retry = Some((later(now, delay), delay));
            }
            // A whole run that can pass is still to be tried.
            Outcome::Failed if entry.owes_whole => {}
            _ => entry.retry = None,
        }
        if ended.outcome == Outcome::Lasting {
            let span = hold(failures);
            entry.gate = Some(Gate { until: later(now, span), span, by: Hold::Lasting });
        }
        entry.rearm(now);
    }

    /// What it would compute has to wait for quieter times, until then. Who asked for it was answered. A whole run of a mart that
    /// is otherwise refreshed in part waits beside the others.
    fn postpone(
        &mut self,
        place: usize,
        running: Running,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
        skips: &mut Vec<Skip>,
    ) {
        let entry = &mut self.entries[place];
        let span = (until - now).max(TimeDelta::milliseconds(100));
        let want = running.want.filter(|_| entry.by_itself());
        let only_part = want.is_some_and(|want| !want.whole);
        if let Some(before) = running.before.filter(|_| entry.by_itself() && !only_part) {
            entry.as_before(*before);
        }
        if let Some(want) = want.filter(|want| want.whole) {
            entry.quiet = Some((Want { part: false, ..want }, later(now, span), span));
            if want.part {
                entry.want(Want { whole: false, ..want });
            }
        } else if let Some(want) = want {
            entry.want(want);
            entry.gate = Some(Gate { until: later(now, span), span, by: Hold::Quiet });
            self.skip(place, &[want.wave], false, now, skips);
        }
        if let Some(wish) = running.wish {
            self.entries[place].failed_in = vec![wish.at];
            self.skip(place, &[wish.at], true, now, skips);
        }
    }

    /// Somebody else is refreshing it: it waits as before, until then.
    fn hold(
        &mut self,
        place: usize,
        running: Running,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
        skips: &mut Vec<Skip>,
    ) {
        let waves: Vec<DateTime<Utc>> = running.want.iter().map(|want| want.wave).collect();
        let entry = &mut self.entries[place];
        if entry.by_itself() {
            running.want.into_iter().for_each(|want| entry.want(want));
        }
        running.wish.into_iter().for_each(|wish| entry.wishes.push_front(wish));
        let span = (until - now).max(TimeDelta::milliseconds(100));
        entry.gate = Some(Gate { until: later(now, span), span, by: Hold::Held });
        self.skip(place, &waves, false, now, skips);
    }

    /// Whether a run of the whole mart waits for quieter times, beside the others.
    pub fn waits_for_quiet(&self, mart: &QName) -> bool {
        self.places.get(mart).is_some_and(|place| self.entries[*place].quiet.is_some())
    }

    /// What reads `place` and was due with it is not run, nor what reads that. Wishes wait for one that is only postponed.
    fn skip(&mut self, place: usize, waves: &[DateTime<Utc>], wishes: bool, now: DateTime<Utc>, skips: &mut Vec<Skip>) {
        for reader in self.graph.down[place].clone() {
            self.skip_one(place, reader, waves, wishes, now, skips);
        }
    }

    fn skip_one(
        &mut self,
        place: usize,
        reader: usize,
        waves: &[DateTime<Utc>],
        wishes: bool,
        now: DateTime<Utc>,
        skips: &mut Vec<Skip>,
    ) {
        let upstream = self.entries[place].job.mart.clone();
        let entry = &mut self.entries[reader];
        if entry.running.is_some() {
            return;
        }
        let want = entry.want.take_if(|want| waves.contains(&want.wave));
        let (gone, stay): (Vec<Wish>, Vec<Wish>) =
            entry.wishes.drain(..).partition(|wish| wishes && waves.contains(&wish.at));
        entry.wishes.extend(stay);
        let due = want.map(|want| (want.cause, want.due_at)).or_else(|| Some((Cause::Request, gone.first()?.at)));
        let Some((cause, due_at)) = due else { return };
        if let Some(want) = want {
            entry.owed.insert(upstream.clone());
            entry.owes_whole |= want.whole;
            entry.rearm(now);
        }
        if wishes {
            entry.failed_in.extend_from_slice(waves);
        }
        let runs = gone.into_iter().flat_map(|wish| [vec![wish.run], wish.joined]).flatten().collect();
        skips.push(Skip { mart: entry.job.mart.clone(), upstream, cause, due_at, runs });
        self.set_timer(reader);
        self.skip(reader, waves, wishes, now, skips);
    }
}
