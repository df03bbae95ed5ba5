//! Cron as crontab(5) means it, daylight saving included.

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use super::ScheduleError;
use super::field::{DAY, Field, HOUR, MINUTE, MONTH, WEEKDAY};

/// How many days to look ahead: 29 February on a certain weekday comes after forty years at most.
const HORIZON_DAYS: u64 = 366 * 40 + 1;

/// No zone's clock is set by more than this at once.
const LARGEST_SHIFT: TimeDelta = TimeDelta::hours(4);

/// A 5-field cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let expanded = if text.starts_with('@') { shorthand(text)? } else { text };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(ScheduleError(count(text, fields.len())));
        };
        let cron = Self {
            minute: Field::parse(minute, &MINUTE)?,
            hour: Field::parse(hour, &HOUR)?,
            day: Field::parse(day, &DAY)?,
            month: Field::parse(month, &MONTH)?,
            weekday: Field::parse(weekday, &WEEKDAY)?,
        };
        if cron.fires() {
            Ok(cron)
        } else {
            Err(ScheduleError(format!("the schedule {text:?} never fires: no month it names has such a day")))
        }
    }

    /// Whether a year has a day for it.
    fn fires(&self) -> bool {
        let longest = |month| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let days_count = self.day.star || self.weekday.star;
        !days_count || (1..=12).filter(|m| self.month.has(*m)).any(|m| (1..=longest(m)).any(|d| self.day.has(d)))
    }

    /// Day-of-month *or* day-of-week when both are restricted.
    fn on(&self, date: NaiveDate) -> bool {
        let day = self.day.has(date.day());
        let weekday = self.weekday.has(date.weekday().num_days_from_sunday());
        self.month.has(date.month()) && if self.day.star || self.weekday.star { day && weekday } else { day || weekday }
    }

    /// The first due time after `after`.
    pub(super) fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let start = after.with_timezone(&zone).naive_local().checked_sub_signed(LARGEST_SHIFT)?;
        let mut best: Option<DateTime<Utc>> = None;
        for days in 0..HORIZON_DAYS {
            let date = start.date().checked_add_days(Days::new(days))?;
            if !self.on(date) {
                // A found second occurrence may lie before midnight only.
                if best.is_some() {
                    return best;
                }
                continue;
            }
            let from = if days == 0 { start.hour() } else { 0 };
            for hour in (from..24).filter(|h| self.hour.has(*h)) {
                for minute in (0..60).filter(|m| self.minute.has(*m)) {
                    let Some(local) = date.and_hms_opt(hour, minute, 0) else {
                        continue;
                    };
                    let (first, second) = self.instants(local, zone);
                    if best.is_some() && first > best {
                        return best;
                    }
                    let due = [first, second].into_iter().flatten().find(|t| *t > after);
                    best = match (best, due) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                }
            }
        }
        best
    }

    pub(super) fn follows_the_clock(&self) -> bool {
        self.minute.wildcard || self.hour.wildcard
    }

    /// When the clock shows `local`: a fixed time in a gap is due right after it, in a doubled hour once; wildcards
    /// follow the clock.
    fn instants(&self, local: NaiveDateTime, zone: Tz) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let wildcard = self.follows_the_clock();
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(t) => (Some(t.to_utc()), None),
            MappedLocalTime::Ambiguous(a, b) => (Some(a.to_utc()), wildcard.then(|| b.to_utc())),
            MappedLocalTime::None if wildcard => (None, None),
            MappedLocalTime::None => (Some(end_of_gap(local, zone)), None),
        }
    }
}

/// The first instant at which the clock shows `local` or later.
fn end_of_gap(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let around = local.and_utc().timestamp();
    let (mut before, mut after) = (around - 48 * 3_600, around + 48 * 3_600);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let shows = DateTime::from_timestamp(middle, 0).map(|t| t.with_timezone(&zone).naive_local());
        if shows.is_some_and(|shown| shown >= local) {
            after = middle;
        } else {
            before = middle;
        }
    }
    DateTime::from_timestamp(after, 0).unwrap_or_else(|| local.and_utc())
}

fn shorthand(text: &str) -> Result<&'static str, ScheduleError> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            return Err(ScheduleError(format!("{text:?} is none of @hourly, @daily, @weekly, @monthly, @yearly")));
        }
    })
}

fn count(text: &str, fields: usize) -> String {
    match fields {
        0 => "the schedule is empty".to_owned(),
        1 => format!("{text:?} is neither an interval nor a cron expression"),
        6 => format!("{text:?} has 6 fields; cron has 5 and no seconds"),
        n => format!("{text:?} has {n} fields; cron has 5"),
    }
}
