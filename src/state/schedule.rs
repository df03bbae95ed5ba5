//! When a mart is due: cron expressions and intervals.

mod cron;
mod field;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

pub use cron::Cron;

use super::parse_duration;

/// Why a schedule is refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ScheduleError(pub String);

/// One entry of `schedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Seconds between the starts of two runs.
    Interval(u64),
    /// Times of the clock, as crontab(5) means them.
    Cron(Cron),
}

impl Schedule {
    /// Reads a 5-field cron expression, one of its shorthands (`@daily`), or an interval (`30m`).
    ///
    /// # Errors
    /// What is wrong with the text, in words for people. A schedule that never fires (31 February) is wrong, too.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        match parse_duration(text) {
            Ok(0) => Err(ScheduleError("an interval of nothing never ends".into())),
            Ok(seconds) => Ok(Self::Interval(seconds)),
            Err(_) => Cron::parse(text).map(Self::Cron),
        }
    }

    /// The first due time after `after`, on the clock of `zone`; for an interval `after` is the last run's start.
    /// `None` where there is none within forty years.
    pub fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        match self {
            Self::Interval(seconds) => {
                let delta = TimeDelta::try_seconds(i64::try_from(*seconds).ok()?)?;
                after.checked_add_signed(delta)
            }
            Self::Cron(cron) => cron.next_after(after, zone),
        }
    }

    /// Whether it goes by what the clock shows from minute to minute, and so is due again where the clock is set back: an interval,
    /// a `*` or a step in the hour or minute. A fixed time of the day is not.
    pub fn follows_the_clock(&self) -> bool {
        match self {
            Self::Interval(_) => true,
            Self::Cron(cron) => cron.follows_the_clock(),
        }
    }

    /// Seconds between the first two runs after `from`.
    pub fn period(&self, from: DateTime<Utc>, zone: Tz) -> Option<u64> {
        let first = self.next_after(from, zone)?;
        let second = self.next_after(first, zone)?;
        u64::try_from((second - first).num_seconds()).ok()
    }
}
