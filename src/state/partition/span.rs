//! Spans of the calendar: hours, days, weeks, months, years; how the time is cut into them.

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanUnit {
    /// Hours of the clock on the wall.
    Hour,
    /// Days.
    Day,
    /// Weeks, from Monday on.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

/// So many units of the calendar: `1 month`, `6 hours`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: SpanUnit,
}

impl Span {
    /// Reads `1 month`, `12 months`, `6 hours`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit = match text[digits..].trim() {
            "h" | "hour" | "hours" => SpanUnit::Hour,
            "d" | "day" | "days" => SpanUnit::Day,
            "w" | "week" | "weeks" => SpanUnit::Week,
            "month" | "months" => SpanUnit::Month,
            "y" | "year" | "years" => SpanUnit::Year,
            _ => return Err(format!("{text:?} is not a number of hours, days, weeks, months or years")),
        };
        match text[..digits].parse::<u32>() {
            Ok(0) => Err(format!("{text:?} is no time at all")),
            Ok(count) if count <= 100_000 => Ok(Self { count, unit }),
            _ => Err(format!("{text:?} is not a number of hours, days, weeks, months or years")),
        }
    }

    /// Why the time cannot be cut into spans like this; `None`: it can.
    pub fn not_an_interval(self) -> Option<&'static str> {
        let fits = match self.unit {
            SpanUnit::Hour => 24 % self.count == 0,
            SpanUnit::Day => self.count <= 366,
            SpanUnit::Week => self.count <= 52,
            SpanUnit::Month => 12 % self.count == 0,
            SpanUnit::Year => self.count == 1,
        };
        (!fits).then_some("an interval divides a day into hours, or a year into months, or is a year at most")
    }

    /// Where the span begins that `time` is in.
    pub fn floor(self, time: NaiveDateTime) -> NaiveDateTime {
        let (date, count) = (time.date(), i64::from(self.count));
        let at = |date: Option<NaiveDate>| date.map_or(time, |date| date.and_time(NaiveTime::MIN));
        // The first Monday before the epoch, so that weeks begin where they do everywhere.
        let days = |since: i64, length: i64| {
            let day = i64::from(date.num_days_from_ce()) - since;
            let back = u64::try_from(day.rem_euclid(length)).unwrap_or_default();
            at(date.checked_sub_days(Days::new(back)))
        };
        match self.unit {
            SpanUnit::Hour => {
                let hour = time.hour() - time.hour() % self.count;
                date.and_hms_opt(hour, 0, 0).unwrap_or(time)
            }
            SpanUnit::Day => days(EPOCH, count),
            SpanUnit::Week => days(EPOCH - 3, count * 7),
            SpanUnit::Month => {
                let month = i64::from(date.year()) * 12 + i64::from(date.month0());
                let first = month - month.rem_euclid(count);
                let year = i32::try_from(first.div_euclid(12)).unwrap_or_default();
                let month = u32::try_from(first.rem_euclid(12)).unwrap_or_default() + 1;
                at(NaiveDate::from_ymd_opt(year, month, 1))
            }
            SpanUnit::Year => at(NaiveDate::from_ymd_opt(date.year(), 1, 1)),
        }
    }

    /// `times` such spans later; `None` beyond the calendar.
    pub fn after(self, time: NaiveDateTime, times: u32) -> Option<NaiveDateTime> {
        let count = self.count.checked_mul(times)?;
        match self.unit {
            SpanUnit::Hour => time.checked_add_signed(TimeDelta::try_hours(i64::from(count))?),
            SpanUnit::Day => time.checked_add_days(Days::new(u64::from(count))),
            SpanUnit::Week => time.checked_add_days(Days::new(u64::from(count) * 7)),
            SpanUnit::Month => time.checked_add_months(Months::new(count)),
            SpanUnit::Year => time.checked_add_months(Months::new(count.checked_mul(12)?)),
        }
    }

    /// One such span earlier, at a month's end on its last day; `None` before the calendar.
    pub fn before(self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        match self.unit {
            SpanUnit::Hour => time.checked_sub_signed(TimeDelta::try_hours(i64::from(self.count))?),
            SpanUnit::Day => time.checked_sub_days(Days::new(u64::from(self.count))),
            SpanUnit::Week => time.checked_sub_days(Days::new(u64::from(self.count) * 7)),
            SpanUnit::Month => time.checked_sub_months(Months::new(self.count)),
            SpanUnit::Year => time.checked_sub_months(Months::new(self.count.checked_mul(12)?)),
        }
    }

    /// The end of a partition's name, for one that begins at `time`.
    pub fn suffix(self, time: NaiveDateTime) -> String {
        let (year, month, day, hour) = (time.year(), time.month(), time.day(), time.hour());
        match self.unit {
            SpanUnit::Year => format!("_y{year:04}"),
            SpanUnit::Month => format!("_y{year:04}_m{month:02}"),
            SpanUnit::Day | SpanUnit::Week => format!("_y{year:04}_m{month:02}_d{day:02}"),
            SpanUnit::Hour => format!("_y{year:04}_m{month:02}_d{day:02}_h{hour:02}"),
        }
    }
}

/// 1970-01-01, a Thursday, in days of the common era.
const EPOCH: i64 = 719_163;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            SpanUnit::Hour => "hour",
            SpanUnit::Day => "day",
            SpanUnit::Week => "week",
            SpanUnit::Month => "month",
            SpanUnit::Year => "year",
        };
        write!(f, "{} {unit}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap_or_default()
    }

    #[test]
    fn the_time_is_cut_where_people_expect_it() {
        for (span, at, begins, next) in [
            ("1 hour", "2026-01-31 23:59", "2026-01-31 23:00", "2026-02-01 00:00"),
            ("6 hours", "2026-01-31 23:59", "2026-01-31 18:00", "2026-02-01 00:00"),
            ("1 day", "2024-02-29 12:00", "2024-02-29 00:00", "2024-03-01 00:00"),
            ("1 week", "2026-01-01 12:00", "2025-12-29 00:00", "2026-01-05 00:00"),
            ("1 week", "1969-12-31 12:00", "1969-12-29 00:00", "1970-01-05 00:00"),
            ("2 days", "1969-12-31 12:00", "1969-12-30 00:00", "1970-01-01 00:00"),
            ("1 month", "2026-01-31 23:59", "2026-01-01 00:00", "2026-02-01 00:00"),
            ("3 months", "2026-12-31 23:59", "2026-10-01 00:00", "2027-01-01 00:00"),
            ("1 year", "2026-12-31 23:59", "2026-01-01 00:00", "2027-01-01 00:00"),
        ] {
            let span = Span::parse(span).unwrap_or(Span { count: 9, unit: SpanUnit::Year });
            assert_eq!(span.floor(time(at)), time(begins), "{span} at {at}");
            assert_eq!(span.after(time(begins), 1), Some(time(next)), "{span} after {begins}");
        }
    }

    #[test]
    fn a_month_before_a_months_end_is_a_months_end() {
        let month = Span { count: 1, unit: SpanUnit::Month };
        assert_eq!(month.before(time("2026-03-31 10:00")), Some(time("2026-02-28 10:00")));
        let year = Span { count: 1, unit: SpanUnit::Year };
        assert_eq!(year.before(time("2024-02-29 00:00")), Some(time("2023-02-28 00:00")));
    }

    #[test]
    fn names_say_when_a_partition_begins() {
        let at = time("2026-01-05 13:00");
        let name = |text: &str| Span::parse(text).map(|span| span.suffix(at));
        assert_eq!(name("1 year").as_deref(), Ok("_y2026"));
        assert_eq!(name("3 months").as_deref(), Ok("_y2026_m01"));
        assert_eq!(name("1 week").as_deref(), Ok("_y2026_m01_d05"));
        assert_eq!(name("1 hour").as_deref(), Ok("_y2026_m01_d05_h13"));
    }

    #[test]
    fn reads_and_writes_what_people_write() {
        for (text, written) in [("1 month", "1 month"), ("12months", "12 months"), ("6h", "6 hours"), ("1y", "1 year")]
        {
            assert_eq!(Span::parse(text).map(|span| span.to_string()).as_deref(), Ok(written));
        }
        for bad in ["", "month", "0 days", "-1 day", "5 minutes", "1 fortnight", "99999999999 days"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_interval_divides_the_calendar() {
        for good in ["1 hour", "12 hours", "1 day", "10 days", "1 week", "1 month", "6 months", "12 months", "1 year"] {
            assert_eq!(Span::parse(good).map(Span::not_an_interval), Ok(None), "{good}");
        }
        for bad in ["5 hours", "48 hours", "367 days", "53 weeks", "5 months", "24 months", "2 years"] {
            assert!(Span::parse(bad).is_ok_and(|span| span.not_an_interval().is_some()), "{bad}");
        }
    }
}
