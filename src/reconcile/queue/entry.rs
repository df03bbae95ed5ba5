//! One mart in the queue: its due times, what waits, what runs.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::job::{Cause, Job};
use super::line::{Due, Line};
use super::time::{earlier, later, seconds};
use crate::refresh::{Asked, How};
use crate::state::{QName, Strategy};

/// Quiet after a change, and how long at most, where nothing is said.
const DEBOUNCE: u64 = 1;
const MAX_WAIT: u64 = 30;

/// A run that is due by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Want {
    /// The instant it belongs to: what follows from one another has the same, from the first of them on.
    pub wave: DateTime<Utc>,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// Why.
    pub cause: Cause,
    /// The whole mart is computed.
    pub whole: bool,
    /// What its manifest says would have done, too: that was due with it.
    pub part: bool,
}

/// A run that somebody asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wish {
    /// When; the instant it belongs to.
    pub at: DateTime<Utc>,
    /// The row that waits.
    pub run: i64,
    /// Rows that wait for the same.
    pub joined: Vec<i64>,
    /// How.
    pub asked: Asked,
}

impl Wish {
    /// Whether the run it asks for does what was due by itself, too.
    pub fn covers(&self, want: &Want) -> bool {
        match self.asked.how {
            How::Full => true,
            How::AsDeclared => self.asked.days.is_none() || want.whole,
            How::Incremental | How::Smart => false,
        }
    }
}

/// Changes of sources that were not refreshed yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
    pub cause: Cause,
}

/// Nothing of it begins until then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    pub until: DateTime<Utc>,
    /// How far away that was.
    pub span: TimeDelta,
    /// What holds it back.
    pub by: Hold,
}

/// What holds a mart back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It failed by what does not pass. Only what somebody asks for begins.
    Lasting,
    /// It would compute what has to wait for quieter times. Who asks for it is answered.
    Quiet,
    /// Somebody else is refreshing it: nothing begins.
    Held,
}

/// What was due of a mart as a run began.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub lines: Vec<Line>,
    pub lag: Option<DateTime<Utc>>,
    pub change: Option<Change>,
    pub retry: Option<(DateTime<Utc>, TimeDelta)>,
    pub owed: BTreeSet<QName>,
}

/// A run at work.
#[derive(Debug, Clone)]
pub(super) struct Running {
    /// What it does: at least one of the two.
    pub want: Option<Want>,
    pub wish: Option<Wish>,
    /// How old its rows will be: the time it began, or the age of what it reads.
    pub asof: DateTime<Utc>,
    /// The mart with whose run it goes along.
    pub with: Option<QName>,
    /// What was due as it began.
    pub before: Option<Box<Before>>,
}

impl Running {
    /// The instants it belongs to.
    pub fn waves(&self) -> impl Iterator<Item = DateTime<Utc>> + Clone {
        self.want
            .iter()
            .map(|want| want.wave)
            .chain(self.wish.iter().map(|wish| wish.at))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// One mart.
#[derive(Debug)]
pub(super) struct Entry {
    pub job: Job,
    pub lines: Vec<Line>,
    /// When its target lag makes it due.
    pub lag: Option<DateTime<Utc>>,
    /// When it is tried again, and after how long.
    pub retry: Option<(DateTime<Utc>, TimeDelta)>,
    pub change: Option<Change>,
    pub want: Option<Want>,
    /// A run of the whole mart that has to wait for quieter times, until when, and how far away that was. Others go on.
    pub quiet: Option<(Want, DateTime<Utc>, TimeDelta)>,
    pub wishes: VecDeque<Wish>,
    pub gate: Option<Gate>,
    pub running: Option<Running>,
    /// When the last run began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// As of when its rows are, what it reads included.
    pub asof: Option<DateTime<Utc>>,
    /// Failures in a row.
    pub failures: u32,
    /// The instants in which it failed last.
    pub failed_in: Vec<DateTime<Utc>>,
    /// What it reads and what has to be refreshed before a run that was skipped is made up.
    pub owed: BTreeSet<QName>,
    /// A run of the whole mart failed, or was skipped: what makes up for it is one, too.
    pub owes_whole: bool,
    /// No mart of the project any more; it is only waited for its run to end.
    pub gone: bool,
    /// Its place among the timers.
    pub timer: Option<DateTime<Utc>>,
}

/// What begins next of a mart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    pub wave: DateTime<Utc>,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// A wish, not what is due by itself.
    pub wish: bool,
}

impl Entry {
    pub fn new(job: Job) -> Self {
        Self {
            lines: Vec::new(),
            lag: None,
            retry: None,
            change: None,
            want: None,
            quiet: None,
            wishes: VecDeque::new(),
            gate: None,
            running: None,
            started: None,
            ended: None,
            asof: None,
            failures: 0,
            failed_in: Vec::new(),
            owed: BTreeSet::new(),
            owes_whole: false,
            gone: false,
            timer: None,
            job,
        }
    }

    /// Whether it runs by itself.
    pub fn by_itself(&self) -> bool {
        self.job.has_rows && !self.job.policy.suspend && !self.gone
    }

    /// When time alone changes something.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        let gate = self.gate.map(|gate| gate.until);
        let own = self.by_itself().then(|| self.own_next()).flatten();
        own.into_iter().chain(gate).min()
    }

    /// When it is due by itself.
    pub fn own_next(&self) -> Option<DateTime<Utc>> {
        let lines = self.lines.iter().filter_map(|line| line.next);
        let quiet = self.quiet.map(|(_, until, _)| until);
        lines.chain(self.lag).chain(self.retry.map(|(at, _)| at)).chain(quiet).chain(self.change_due()).min()
    }

    fn change_due(&self) -> Option<DateTime<Utc>> {
        let change = self.change?;
        let quiet = later(change.last, seconds(self.job.policy.debounce.unwrap_or(DEBOUNCE)));
        Some(quiet.min(later(change.first, seconds(self.job.policy.max_wait.unwrap_or(MAX_WAIT)))))
    }

    /// What is due by `now` waits from now on. True where the target lag is what is due: what it reads is due with it.
    pub fn fire(&mut self, now: DateTime<Utc>) -> bool {
        self.gate.take_if(|gate| gate.until <= now);
        if !self.by_itself() {
            return false;
        }
        for index in 0..self.lines.len() {
            if let Some(Due { at, missed }) = self.lines[index].fire(&self.job.policy, now) {
                let cause = if missed { Cause::Missed } else { Cause::Schedule };
                let whole = self.lines[index].whole;
                self.want(Want { wave: at, due_at: at, cause, whole, part: !whole });
            }
        }
        if let Some((at, _)) = self.retry.take_if(|(at, _)| *at <= now) {
            let whole = self.owes_whole;
            self.want(Want { wave: at, due_at: at, cause: Cause::Retry, whole, part: !whole });
        }
        if let Some((want, ..)) = self.quiet.take_if(|(_, until, _)| *until <= now) {
            self.want(want);
        }
        if let Some(at) = self.change_due().filter(|at| *at <= now) {
            let cause = self.change.take().map_or(Cause::Change, |change| change.cause);
            self.want(Want { wave: at, due_at: at, cause, whole: false, part: true });
        }
        self.lag.is_some_and(|at| at <= now)
    }

    /// It is due; what waits already keeps its cause and its instant.
    pub fn want(&mut self, want: Want) {
        let waiting = self.want.get_or_insert(want);
        waiting.whole |= want.whole;
        waiting.part |= want.part;
        waiting.wave = waiting.wave.min(want.wave);
        waiting.due_at = waiting.due_at.min(want.due_at);
    }

    /// What begins next, were there a place and nothing to wait for.
    pub fn ready(&self) -> Option<Ready> {
        let own = self.want.filter(|_| self.gate.is_none()).map(|want| Ready {
            wave: want.wave,
            due_at: want.due_at,
            wish: false,
        });
        let wish = self.wishes.front().filter(|_| self.gate.is_none_or(|gate| gate.by != Hold::Held));
        let wish = wish.map(|wish| Ready { wave: wish.at, due_at: wish.at, wish: true });
        [wish, own].into_iter().flatten().min_by_key(|ready| ready.wave)
    }

    /// The instant of what is at work or about to be.
    pub fn active(&self) -> Option<DateTime<Utc>> {
        let running = self.running.iter().flat_map(Running::waves);
        running.chain(self.ready().map(|ready| ready.wave)).min()
    }

    /// Takes what begins now out of what waits.
    pub fn take(&mut self, ready: Ready) -> (Option<Want>, Option<Wish>) {
        if !ready.wish {
            return (self.want.take(), None);
        }
        let wish = self.wishes.pop_front();
        let covered = wish.as_ref().zip(self.want.as_ref()).is_some_and(|(wish, want)| wish.covers(want));
        (self.want.take_if(|_| covered), wish)
    }

    /// A run begins, of the whole mart or not.
    pub fn begun(&mut self, own: bool, whole: bool, now: DateTime<Utc>) {
        self.started = Some(now);
        for line in self.lines.iter_mut().filter(|line| whole || !line.whole) {
            // What is due and waits for another run stays due.
            if own || line.next.is_some() {
                line.ran(now);
            }
        }
        if own {
            self.change = None;
            self.lag = None;
        }
        if own && (whole || !self.owes_whole) {
            self.retry = None;
            self.owed.clear();
        }
    }

    /// What was due by itself does not run now: the next due times stand.
    pub fn rearm(&mut self, now: DateTime<Utc>) {
        for line in &mut self.lines {
            line.rearm(now);
        }
        if let (Some(target), None) = (self.job.policy.target_lag, self.lag) {
            self.lag = Some(later(now, seconds(target) / 2));
        }
    }

    /// A run that began then computed the whole mart.
    pub fn whole_since(&mut self, started: DateTime<Utc>) {
        self.owes_whole = false;
        self.quiet.take_if(|(want, ..)| want.due_at <= started);
        for line in self.lines.iter_mut().filter(|line| line.whole && line.next.is_some()) {
            line.ran(started);
        }
    }

    /// A good run took so long; the last ones count most.
    pub fn learn_duration(&mut self, lasted: TimeDelta) {
        let lasted = lasted.to_std().unwrap_or_default();
        let usual = self.job.usual;
        self.job.usual = if usual.is_zero() { lasted } else { (usual * 3 + lasted) / 4 };
    }

    /// A source changed.
    pub fn changed(&mut self, cause: Cause, now: DateTime<Utc>) {
        if self.job.policy.strategy != Strategy::Triggered || !self.job.has_rows {
            return;
        }
        let change = self.change.get_or_insert(Change { first: now, last: now, cause });
        change.last = now;
        if self.gate.take_if(|gate| gate.by == Hold::Lasting).is_some() {
            self.failures = 0;
        }
    }

    /// A source changed so long before `now` that nobody waits for quiet any more.
    pub fn changed_before(&mut self, cause: Cause, now: DateTime<Utc>) {
        let policy = &self.job.policy;
        let wait = seconds(policy.debounce.unwrap_or(DEBOUNCE)).min(seconds(policy.max_wait.unwrap_or(MAX_WAIT)));
        self.changed(cause, earlier(now, wait));
    }

    /// The clock was set back by `step`: nothing waits for what it shows a second time.
    pub fn set_back(&mut self, step: TimeDelta, now: DateTime<Utc>) {
        for line in &mut self.lines {
            line.set_back(step, now);
        }
        let target = self.job.policy.target_lag.map_or(TimeDelta::zero(), seconds);
        self.lag = self.lag.map(|at| at.min(later(now, target)));
        self.retry = self.retry.map(|(at, delay)| (at.min(later(now, delay)), delay));
        if let Some(change) = &mut self.change {
            (change.first, change.last) = (change.first.min(now), change.last.min(now));
        }
        if let Some(gate) = &mut self.gate {
            gate.until = gate.until.min(later(now, gate.span));
        }
        if let Some((_, until, span)) = &mut self.quiet {
            *until = (*until).min(later(now, *span));
        }
        let running = self.running.iter_mut();
        let (wants, wishes): (Vec<_>, Vec<_>) = running.map(|run| (run.want.as_mut(), run.wish.as_mut())).unzip();
        let quiet = self.quiet.iter_mut().map(|(want, ..)| want);
        for want in wants.into_iter().flatten().chain(&mut self.want).chain(quiet) {
            (want.wave, want.due_at) = (want.wave.min(now), want.due_at.min(now));
        }
        for wish in wishes.into_iter().flatten().chain(&mut self.wishes) {
            wish.at = wish.at.min(now);
        }
        for at in [&mut self.started, &mut self.ended, &mut self.asof].into_iter().flatten() {
            *at = (*at).min(now);
        }
        self.failed_in.retain(|at| *at <= now);
    }
}
