//! Types of time that rows are divided by, and how bounds are written in them.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// A type of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeType {
    /// `date`.
    Date,
    /// `timestamp without time zone`.
    Timestamp,
    /// `timestamp with time zone`.
    Timestamptz,
}

impl TimeType {
    /// From a type's name, as `format_type` prints it; `None` where it is none of time.
    pub fn of(type_name: &str) -> Option<Self> {
        let (base, zone) = type_name.split_once(' ').unwrap_or((type_name, ""));
        match (base.split('(').next().unwrap_or(base), zone) {
            ("date", "") => Some(Self::Date),
            ("timestamp", "without time zone") => Some(Self::Timestamp),
            ("timestamp", "with time zone") => Some(Self::Timestamptz),
            _ => None,
        }
    }

    /// A time on the wall of `zone` as a value of this type, as PostgreSQL prints it where the time zone is UTC.
    pub fn write(self, time: NaiveDateTime, zone: Tz) -> String {
        let text = match self {
            Self::Date => time.format("%Y-%m-%d").to_string(),
            Self::Timestamp => time.format("%Y-%m-%d %H:%M:%S").to_string(),
            Self::Timestamptz => first_instant(time, zone).format("%Y-%m-%d %H:%M:%S+00").to_string(),
        };
        // Where the last year that there are partitions of ends, another one begins.
        text.trim_start_matches('+').to_owned()
    }

    /// The time on the wall of `zone` that such a value means.
    pub fn read(self, text: &str, zone: Tz) -> Option<NaiveDateTime> {
        let plain = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok();
        match self {
            Self::Date => Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN)),
            Self::Timestamp => plain(text),
            Self::Timestamptz => {
                let instant = plain(text.strip_suffix("+00")?)?;
                Some(zone.from_utc_datetime(&instant).naive_local())
            }
        }
    }
}

/// The first instant at which the clock on the wall of `zone` shows `time` or more: of a doubled hour the first one, of an
/// hour that is left out the one after it.
fn first_instant(time: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&time) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.with_timezone(&Utc),
        LocalResult::None => {
            let (mut early, mut late) = (time - TimeDelta::hours(30), time + TimeDelta::hours(30));
            while late - early > TimeDelta::seconds(1) {
                let middle = early + TimeDelta::seconds((late - early).num_seconds() / 2);
                match zone.from_utc_datetime(&middle).naive_local() >= time {
                    true => late = middle,
                    false => early = middle,
                }
            }
            late.and_utc()
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;

    use super::*;

    fn time(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap_or_default()
    }

    #[test]
    fn a_time_is_an_instant_of_its_zone() {
        for (zone, at, instant) in [
            (Tz::UTC, "2026-01-01 00:00", "2026-01-01 00:00:00+00"),
            (Tz::America__Bogota, "2026-01-01 00:00", "2026-01-01 05:00:00+00"),
            // Left out: 02:00 to 03:00.
            (Tz::Europe__Berlin, "2026-03-29 02:00", "2026-03-29 01:00:00+00"),
            (Tz::Europe__Berlin, "2026-03-29 03:00", "2026-03-29 01:00:00+00"),
            // Twice: 02:00 to 03:00.
            (Tz::Europe__Berlin, "2026-10-25 02:00", "2026-10-25 00:00:00+00"),
            (Tz::Europe__Berlin, "2026-10-25 03:00", "2026-10-25 02:00:00+00"),
            // Midnight is left out.
            (Tz::America__Santiago, "2026-09-06 00:00", "2026-09-06 04:00:00+00"),
            (Tz::Australia__Lord_Howe, "2026-10-04 02:00", "2026-10-03 15:30:00+00"),
        ] {
            assert_eq!(TimeType::Timestamptz.write(time(at), zone), instant, "{at} in {zone}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let at = time("2026-07-01 06:00");
        for kind in [TimeType::Timestamp, TimeType::Timestamptz] {
            let zone = Tz::Europe__Berlin;
            assert_eq!(kind.read(&kind.write(at, zone), zone), Some(at), "{kind:?}");
        }
        assert_eq!(TimeType::Date.read("2026-07-01", Tz::UTC), Some(time("2026-07-01 00:00")));
        assert_eq!(TimeType::Date.read("infinity", Tz::UTC), None);
    }

    #[test]
    fn the_last_partition_ends() {
        let end = NaiveDateTime::default().with_year(10_000).unwrap_or_default();
        assert_eq!(TimeType::Date.write(end, Tz::UTC), "10000-01-01");
    }

    #[test]
    fn only_times_are_types_of_time() {
        assert_eq!(TimeType::of("timestamp(3) with time zone"), Some(TimeType::Timestamptz));
        assert_eq!(TimeType::of("date"), Some(TimeType::Date));
        for other in ["date[]", "time without time zone", "integer", "text"] {
            assert_eq!(TimeType::of(other), None, "{other}");
        }
    }
}
