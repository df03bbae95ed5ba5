//! Target lag: a mart is never older than it says, what it reads included.

use chrono::{DateTime, TimeDelta, Utc};

use super::Queue;
use super::entry::{Entry, Hold, Want};
use super::job::Cause;
use super::time::{earlier, later, measured, seconds, spread};

/// Durations differ; a run begins by a tenth of the target earlier than it has to, a minute at most.
fn margin(target: TimeDelta) -> TimeDelta {
    (target / 10).min(TimeDelta::minutes(1))
}

impl Queue {
    /// The target lag of a mart is due: with it everything it reads that is older than half of the target. What is younger was
    /// refreshed for another mart or by its own schedule just now.
    pub(super) fn lag_is_due(&mut self, place: usize, now: DateTime<Utc>) {
        let entry = &mut self.entries[place];
        let Some((target, due_at)) = entry.job.policy.target_lag.map(seconds).zip(entry.lag.take()) else { return };
        let want = Want { wave: now, due_at, cause: Cause::Lag, whole: false, part: true };
        entry.want(want);
        let old = earlier(now, target / 2);
        let mut ahead = self.graph.up[place].clone();
        let mut seen = std::collections::BTreeSet::from([place]);
        while let Some(up) = ahead.pop() {
            let entry = &mut self.entries[up];
            let will_be = entry.running.as_ref().map(|running| running.asof).or(entry.asof);
            if !seen.insert(up) || !follows(entry) || will_be.is_some_and(|asof| asof > old) {
                continue;
            }
            entry.want(want);
            ahead.extend(&self.graph.up[up]);
        }
    }

    /// As of when the rows of a run that begins now will be: older than now where what it reads is.
    pub(super) fn asof_of_a_run(&self, place: usize, now: DateTime<Utc>) -> DateTime<Utc> {
        let upstream = self.graph.up[place].iter().map(|up| &self.entries[*up]).filter(|entry| follows(entry));
        upstream.filter_map(|entry| entry.asof).fold(now, DateTime::min)
    }

    /// How long each mart takes, with all it reads.
    pub(super) fn durations(&self) -> Vec<TimeDelta> {
        self.graph.durations(|place| match follows(&self.entries[place]) {
            true => measured(self.entries[place].job.usual),
            false => TimeDelta::zero(),
        })
    }

    /// When the target lag makes a mart due next, from how old its rows are and how long it all takes. `first`: a first run is
    /// spread.
    pub(super) fn next_lag(
        &self,
        place: usize,
        takes: TimeDelta,
        first: bool,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let entry = &self.entries[place];
        let target = seconds(entry.job.policy.target_lag?);
        let spread = if first { spread(&entry.job.mart, target / 4) } else { TimeDelta::zero() };
        let Some(asof) = entry.asof else { return Some(later(now, spread)) };
        let due = earlier(earlier(later(asof, target), takes), margin(target) + spread);
        // A target that cannot be reached does not keep the server busy with nothing else.
        let floor = entry.started.map_or(due, |started| later(started, (target / 10).max(TimeDelta::seconds(1))));
        Some(due.max(floor))
    }
}

/// Whether a mart is refreshed for those that read it: not while it is suspended, or fails by what does not pass. Such a one is
/// as old as it is; its readers are not refreshed all the time because of it.
fn follows(entry: &Entry) -> bool {
    entry.by_itself() && entry.gate.is_none_or(|gate| gate.by != Hold::Lasting)
}
