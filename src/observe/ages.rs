//! How old a mart is, and whether that is too old. Pure.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use crate::state::{Mart, Schedule, Strategy};

/// A day, where neither a schedule nor `[freshness]` says how old is old.
const WITHOUT_SCHEDULE: u64 = 86_400;

/// A mart's ages, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ages {
    /// Since the newest value of `freshness.column`.
    pub data: Option<i64>,
    /// Since the moment the rows are true for.
    pub snapshot: Option<i64>,
    /// Since the last run ended.
    pub run: Option<i64>,
    /// Of what was taken over and not refreshed since: so long at least its rows are as they are.
    #[serde(skip)]
    pub at_least: Option<i64>,
}

/// What an age means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// Young enough.
    Fresh,
    /// Older than `warn_after`.
    Warning,
    /// Older than `error_after`.
    Stale,
}

impl Freshness {
    /// The word programs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Warning => "warning",
            Self::Stale => "stale",
        }
    }

    /// Judges a mart by the age that counts: of its data where a column tells it, of its snapshot else.
    pub fn of(mart: &Mart, ages: &Ages, now: DateTime<Utc>) -> Option<Self> {
        let (warn, error) = limits(mart, now);
        let Some(age) = age(mart, ages) else {
            let beyond = |least: &i64| u64::try_from(*least).is_ok_and(|least| least > error);
            return ages.at_least.filter(beyond).map(|_| Self::Stale);
        };
        let age = u64::try_from(age).unwrap_or(0);
        Some(if age > error {
            Self::Stale
        } else if age > warn {
            Self::Warning
        } else {
            Self::Fresh
        })
    }
}

/// The age that counts.
pub(super) fn age(mart: &Mart, ages: &Ages) -> Option<i64> {
    if column(mart).is_some() && ages.data.is_some() { ages.data } else { ages.snapshot }
}

/// The column that tells how new its data is.
pub(super) fn column(mart: &Mart) -> Option<&String> {
    mart.freshness.as_ref()?.column.as_ref()
}

/// `warn_after` and `error_after`, or once and twice the time between two runs; without a schedule it is stale after a day.
pub(super) fn limits(mart: &Mart, now: DateTime<Utc>) -> (u64, u64) {
    let said = mart.freshness.clone().unwrap_or_default();
    let usual = match period(mart, now) {
        Some(period) => period.saturating_mul(2),
        None => WITHOUT_SCHEDULE,
    };
    let error = said.error_after.unwrap_or_else(|| usual.max(said.warn_after.unwrap_or(0)));
    let warn = said.warn_after.unwrap_or(error / 2);
    (warn, error)
}

/// Seconds between two runs: the shortest of its schedules, or its target lag.
fn period(mart: &Mart, now: DateTime<Utc>) -> Option<u64> {
    let zone = zone(mart);
    let periods = schedules(mart).filter_map(|schedule| schedule.period(now, zone));
    periods.chain(mart.refresh.target_lag).min()
}

/// When it is due next, as it is declared; what is overdue is due now.
pub(super) fn next_run(mart: &Mart, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone = zone(mart);
    let due = schedules(mart).filter_map(|schedule| match schedule {
        Schedule::Interval(_) => schedule.next_after(last, zone),
        Schedule::Cron(_) => schedule.next_after(now, zone),
    });
    let lag = mart.refresh.target_lag.and_then(|lag| Schedule::Interval(lag).next_after(last, zone));
    due.chain(lag).min().map(|at| at.max(now))
}

fn schedules(mart: &Mart) -> impl Iterator<Item = Schedule> {
    mart.refresh.schedule.iter().filter_map(|text| Schedule::parse(text).ok())
}

/// The mart's time zone.
pub(super) fn zone(mart: &Mart) -> Tz {
    mart.timezone.parse().unwrap_or(Tz::UTC)
}

/// Whether whoever commits brings it up to date: the rows that it holds are true now, whenever it was refreshed.
pub(super) fn is_kept(mart: &Mart) -> bool {
    mart.refresh.strategy == Strategy::OnCommit
}

/// The moment of the newest data of a mart: what has no zone is a time of the mart's.
pub(super) fn newest(mart: &Mart, text: &str) -> Option<DateTime<Utc>> {
    moment(text, zone(mart))
}

/// A moment as PostgreSQL prints dates and timestamps; one without a zone is what clocks show in this one.
pub(super) fn moment(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let zoned = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    let with_zone = zoned.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
    let without = || naive.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    match with_zone {
        Some(moment) => Some(moment.to_utc()),
        None => without().or_else(day).and_then(|shown| on_a_clock(shown, zone)),
    }
}

/// When clocks of a zone show this: first, where they show it twice; as if they had not been set forward, where they never do.
fn on_a_clock(shown: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let at = |shown: NaiveDateTime| zone.from_local_datetime(&shown).earliest();
    let found = at(shown).or_else(|| Some(at(shown - TimeDelta::hours(3))? + TimeDelta::hours(3)));
    found.map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{self, Kind, QName, RefreshPolicy};

    fn mart(schedule: &[&str]) -> Mart {
        let json = serde_json::json!({
            "name": QName::new("public", "sales"), "type": Kind::Table, "query": "SELECT 1", "search_path": ["public"],
            "timezone": "UTC", "refresh": RefreshPolicy { schedule: schedule.iter().map(|s| (*s).into()).collect(), ..RefreshPolicy::default() },
        });
        serde_json::from_value(json).unwrap()
    }

    fn now() -> DateTime<Utc> {
        moment("2026-03-01 12:10:00+00", Tz::UTC).unwrap()
    }

    fn freshness(mart: &Mart, snapshot: i64) -> Option<Freshness> {
        Freshness::of(mart, &Ages { snapshot: Some(snapshot), ..Ages::default() }, now())
    }

    #[test]
    fn moments_are_read_as_postgresql_prints_them() {
        let at = |text: &str| moment(text, Tz::UTC).map(|m| m.to_rfc3339());
        assert_eq!(at("2026-03-01").as_deref(), Some("2026-03-01T00:00:00+00:00"));
        assert_eq!(at("2026-03-01 10:00:00.5").as_deref(), Some("2026-03-01T10:00:00.500+00:00"));
        assert_eq!(at("2026-03-01 10:00:00+05:30").as_deref(), Some("2026-03-01T04:30:00+00:00"));
        assert_eq!(at("2026-03-01 10:00:00+02").as_deref(), Some("2026-03-01T08:00:00+00:00"));
        assert_eq!(at("42"), None);
    }

    #[test]
    fn what_has_no_zone_is_a_time_of_the_mart_s() {
        let at = |text: &str| moment(text, Tz::Europe__Berlin).map(|m| m.to_rfc3339());
        assert_eq!(at("2026-07-01 10:00:00").as_deref(), Some("2026-07-01T08:00:00+00:00"));
        assert_eq!(at("2026-07-01").as_deref(), Some("2026-06-30T22:00:00+00:00"));
        assert_eq!(at("2026-07-01 10:00:00+00").as_deref(), Some("2026-07-01T10:00:00+00:00"));
        // The hour that is not there, and the one that is there twice.
        assert_eq!(at("2026-03-29 02:30:00").as_deref(), Some("2026-03-29T01:30:00+00:00"));
        assert_eq!(at("2026-10-25 02:30:00").as_deref(), Some("2026-10-25T00:30:00+00:00"));
    }

    #[test]
    fn a_schedule_says_how_old_is_old() {
        let hourly = mart(&["1h"]);
        assert_eq!(freshness(&hourly, 3_600), Some(Freshness::Fresh));
        assert_eq!(freshness(&hourly, 3_601), Some(Freshness::Warning));
        assert_eq!(freshness(&hourly, 7_201), Some(Freshness::Stale));
        assert_eq!(freshness(&mart(&[]), 86_400), Some(Freshness::Warning));
        assert_eq!(freshness(&mart(&[]), 86_401), Some(Freshness::Stale));
        assert_eq!(Freshness::of(&hourly, &Ages::default(), now()), None);
    }

    #[test]
    fn what_is_too_old_at_least_is_too_old() {
        let at_least = |least| Freshness::of(&mart(&["1h"]), &Ages { at_least: Some(least), ..Ages::default() }, now());
        assert_eq!([0, 3_601, 7_200].map(at_least), [None; 3]);
        assert_eq!(at_least(7_201), Some(Freshness::Stale));
    }

    #[test]
    fn the_manifest_has_the_last_word() {
        let mut mart = mart(&["1h"]);
        mart.freshness = Some(state::Freshness { column: Some("day".into()), warn_after: Some(60), error_after: None });
        let ages = Ages { data: Some(61), snapshot: Some(1), ..Ages::default() };
        assert_eq!(Freshness::of(&mart, &ages, now()), Some(Freshness::Warning));
        assert_eq!(age(&mart, &ages), Some(61));
    }

    #[test]
    fn the_next_run_is_the_first_of_all() {
        let due = |schedule: &[&str], ago: i64| {
            let last = now() - TimeDelta::seconds(ago);
            next_run(&mart(schedule), last, now()).map(|at| (at - now()).num_minutes())
        };
        assert_eq!(due(&["0 * * * *"], 60), Some(50));
        assert_eq!(due(&["0 * * * *", "20m"], 900), Some(5));
        assert_eq!(due(&["20m"], 90_000), Some(0));
        assert_eq!(due(&[], 5), None);
    }
}
