//! What `project.toml` says about operation: when a refresh may block, when builds wait, who is told, who reads over HTTP.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// `[maintenance_window]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceWindow {
    /// When it begins, on the clock of `timezone`.
    pub start: NaiveTime,
    /// When it ends; before `start`: on the next day.
    pub end: NaiveTime,
    /// IANA.
    pub timezone: Tz,
    /// Inside it a refresh may block readers.
    pub allow_blocking: bool,
}

impl MaintenanceWindow {
    /// Whether it is open; its end is no part of it.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        let clock = now.with_timezone(&self.timezone).time();
        if self.start <= self.end {
            self.start <= clock && clock < self.end
        } else {
            self.start <= clock || clock < self.end
        }
    }

    /// When it opens next after `now`; `None` beyond the calendar.
    pub fn opens(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&self.timezone).date_naive();
        (0..=2).find_map(|days| {
            let start = today.checked_add_days(Days::new(days))?.and_time(self.start);
            // What a day with a shorter night leaves out is made up an hour later.
            let later = || self.timezone.from_local_datetime(&(start + TimeDelta::hours(1))).earliest();
            let opens = self.timezone.from_local_datetime(&start).earliest().or_else(later)?.to_utc();
            (opens > now).then_some(opens)
        })
    }
}

/// `[limits] pause_when`: no full build starts while one of these holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PauseWhen {
    /// The oldest snapshot is older than this many transactions.
    pub xmin_age: Option<i64>,
    /// A replica replays this many seconds behind.
    pub replica_lag: Option<u64>,
    /// This many other sessions are at work.
    pub active_backends: Option<i64>,
}

/// One of `[[notifications]]`. `${NAME}` is replaced already.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// Where it goes; a secret, never printed. `None` where an environment variable that it names is not set.
    pub url: Option<String>,
    /// Which events: `refresh_failed`, `check_failed`, `drift`, `stale`, `slow`, `refreshed`, `recovered`.
    pub on: Vec<String>,
}

/// Without the address, which carries a token.
impl std::fmt::Debug for Notification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notification").field("on", &self.on).finish_non_exhaustive()
    }
}

/// `[http]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// Rows and previews over HTTP are read as this role.
    pub read_role: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(start: (u32, u32), end: (u32, u32), at: (u32, u32)) -> Option<bool> {
        let time = |(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0);
        let timezone = chrono_tz::America::Bogota;
        let window = MaintenanceWindow { start: time(start)?, end: time(end)?, timezone, allow_blocking: true };
        let now = timezone.with_ymd_and_hms(2026, 3, 1, at.0, at.1, 0).single()?.to_utc();
        Some(window.is_open(now))
    }

    #[test]
    fn a_window_is_open_from_its_start_to_its_end() {
        let during = |at| open((2, 0), (5, 0), at);
        assert_eq!(
            [during((1, 59)), during((2, 0)), during((4, 59)), during((5, 0))],
            [false, true, true, false].map(Some)
        );
    }

    #[test]
    fn a_window_opens_once_a_day() {
        let opens = |zone: Tz, start: u32, now: &str| {
            let time = |hour| NaiveTime::from_hms_opt(hour, 30, 0);
            let window =
                MaintenanceWindow { start: time(start)?, end: time(start + 2)?, timezone: zone, allow_blocking: true };
            Some(window.opens(now.parse().ok()?)?.to_rfc3339())
        };
        let bogota = |now| opens(chrono_tz::America::Bogota, 2, now);
        assert_eq!(bogota("2026-03-01T07:00:00Z").as_deref(), Some("2026-03-01T07:30:00+00:00"));
        assert_eq!(bogota("2026-03-01T07:30:00Z").as_deref(), Some("2026-03-02T07:30:00+00:00"));
        // In that night there is no half past two.
        let berlin = opens(chrono_tz::Europe::Berlin, 2, "2026-03-28T23:30:00Z");
        assert_eq!(berlin.as_deref(), Some("2026-03-29T01:30:00+00:00"));
    }

    #[test]
    fn a_window_may_pass_midnight() {
        let during = |at| open((23, 0), (1, 0), at);
        assert_eq!(
            [during((22, 59)), during((23, 30)), during((0, 59)), during((1, 0))],
            [false, true, true, false].map(Some)
        );
    }
}
