//! One entry of a mart's `schedule`, or its `full_schedule`: when it is due.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::job::Past;
use super::time::{MISSED_AFTER, earlier, later, seconds, spread};
use crate::state::{Misfire, QName, RefreshPolicy, Schedule, Strategy};

/// The clock set back by less than this repeats no fixed time of the day.
const SMALL_STEP: TimeDelta = TimeDelta::hours(3);

/// How often marts are looked at that writers keep, where their manifests do not say.
const KEPT_EVERY: &str = "1h";

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Line {
    text: String,
    schedule: Schedule,
    zone: Tz,
    /// The whole mart is computed.
    pub whole: bool,
    /// When it is due; `None` for an interval whose run is due and has not begun.
    pub next: Option<DateTime<Utc>>,
}

/// A due time that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// When.
    pub at: DateTime<Utc>,
    /// Nobody was there.
    pub missed: bool,
}

impl Line {
    /// The lines of a policy. What is no schedule was refused when it was read.
    pub fn all(policy: &RefreshPolicy, zone: Tz) -> Vec<Self> {
        // What writers keep is looked at now and then all the same, so that the logs can be emptied.
        let kept = policy.strategy == Strategy::OnCommit && policy.schedule.is_empty() && policy.target_lag.is_none();
        let now_and_then = kept.then(|| KEPT_EVERY.to_owned());
        let ordinary = policy.schedule.iter().chain(&now_and_then).map(|text| (text, false));
        let full = policy.incremental.as_ref().and_then(|i| i.full_schedule.as_ref()).map(|text| (text, true));
        let line = |(text, whole): (&String, bool)| {
            let schedule = Schedule::parse(text).ok()?;
            Some(Self { text: text.clone(), schedule, zone, whole, next: None })
        };
        ordinary.chain(full).filter_map(line).collect()
    }

    /// Whether it says the same as another.
    pub fn same(&self, other: &Self) -> bool {
        (&self.text, self.zone, self.whole) == (&other.text, other.zone, other.whole)
    }

    /// When it is first due for a mart that the queue did not know: counted from the last run, which may have been long ago.
    pub fn learn(&mut self, mart: &QName, past: &Past, now: DateTime<Utc>) {
        let since = if self.whole { past.full } else { past.started.max(past.snapshot).max(past.known) };
        let since = since.map(|at| at.min(now));
        self.next = match (&self.schedule, since) {
            (Schedule::Cron(_), since) => self.after(since.unwrap_or(now)),
            (Schedule::Interval(length), Some(since)) if past.started.is_some() => Some(later(since, seconds(*length))),
            (Schedule::Interval(length), Some(since)) => Some(self.first(mart, seconds(*length), since)),
            (Schedule::Interval(length), None) => Some(later(now, spread(mart, seconds(*length)))),
        };
    }

    /// It is new for a mart that is known: it counts from now.
    pub fn begin(&mut self, mart: &QName, now: DateTime<Utc>) {
        self.next = match &self.schedule {
            Schedule::Interval(length) => Some(self.first(mart, seconds(*length), now)),
            Schedule::Cron(_) => self.after(now),
        };
    }

    /// Within the interval after `since`, and at its end where it is long.
    fn first(&self, mart: &QName, length: TimeDelta, since: DateTime<Utc>) -> DateTime<Utc> {
        earlier(later(since, length), spread(mart, length))
    }

    /// A run begins that this line is content with.
    pub fn ran(&mut self, started: DateTime<Utc>) {
        if matches!(self.schedule, Schedule::Interval(_)) {
            self.next = self.after(started);
        }
    }

    /// Where its due time has come: says so, and is due again.
    pub fn fire(&mut self, policy: &RefreshPolicy, now: DateTime<Utc>) -> Option<Due> {
        let at = self.next.filter(|at| *at <= now)?;
        let at = self.last_until(at, now);
        let late = now - at;
        let missed = late > MISSED_AFTER;
        let too_old = policy.start_deadline.is_some_and(|deadline| late > seconds(deadline));
        let dropped = too_old || (missed && policy.misfire == Misfire::Skip);
        self.next = match self.schedule {
            Schedule::Cron(_) => self.after(now),
            Schedule::Interval(_) if dropped => self.after(now),
            Schedule::Interval(_) => None,
        };
        (!dropped).then_some(Due { at, missed })
    }

    /// What was due does not run: an interval counts anew.
    pub fn rearm(&mut self, now: DateTime<Utc>) {
        if self.next.is_none() {
            self.next = self.after(now);
        }
    }

    /// The clock was set back by `step`: it is not waited for what it shows a second time.
    pub fn set_back(&mut self, step: TimeDelta, now: DateTime<Utc>) {
        let again = self.schedule.follows_the_clock() || step > SMALL_STEP;
        if let (true, Some(next), Some(sooner)) = (again, self.next, self.after(now)) {
            self.next = Some(next.min(sooner));
        }
    }

    fn after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.schedule.next_after(at, self.zone)
    }

    /// The last due time up to `now`, of which `first` is one. Years of minutes are not counted through: the last ones are
    /// looked for in the last hour first, then in the last day, and so on.
    fn last_until(&self, first: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        let Schedule::Cron(_) = self.schedule else { return first };
        let spans = [1, 24, 24 * 31, 24 * 366 * 8];
        let found = spans.into_iter().find_map(|hours| {
            let from = earlier(now, TimeDelta::hours(hours)).max(first);
            let due = if from == first { Some(first) } else { self.after(from) };
            due.filter(|due| *due <= now)
        });
        let mut last = found.unwrap_or(first);
        while let Some(next) = self.after(last).filter(|next| *next <= now) {
            last = next;
        }
        last
    }
}
