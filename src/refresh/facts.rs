//! What is known of a mart before its refresh chooses how: how new its rows are, and whether readers may be made to wait.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::choose::{Facts, how};
use super::part::type_of;
use super::{How, Item, Options, Run, RunStatus, one};
use crate::build::SessionState;
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::manifest::{MaintenanceWindow, PauseWhen};
use crate::sql::{newest, newest_of_time, window_start};
use crate::state::{IncrementalMethod, format_duration, thousands};

/// A day, in seconds.
const DAY: u64 = 86_400;

/// Looks at a mart's rows, as far as the choice depends on them. `user` is the role of the connection.
///
/// # Errors
/// What the server says.
pub async fn facts(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    user: &str,
    now: DateTime<Utc>,
) -> Result<Facts, SqlError> {
    let closed = options.window.as_ref().and_then(|window| closed(window, now));
    let mart = &item.recorded.mart;
    let incremental = mart.refresh.incremental.as_ref().filter(|_| mart.kind.is_table() && !live.empty);
    let how = how(&mart.refresh, &item.asked);
    let Some(incremental) = incremental.filter(|_| how != How::Full && item.series.is_none()) else {
        return Ok(Facts { closed, ..Facts::default() });
    };
    let dated = mart.freshness.as_ref().and_then(|freshness| freshness.column.as_ref());
    let divided = mart.partition.as_ref().map(|partition| &partition.column);
    let divided = divided.filter(|_| incremental.method == IncrementalMethod::Partition);
    let column = divided.or(incremental.time_column.as_ref()).or(dated);
    let Some((column, type_name)) = column.and_then(|column| Some((column, type_of(live, column)?))) else {
        return Ok(Facts { closed, ..Facts::default() });
    };
    let latest = newest_of_time(&live.name, column, &type_name).filter(|_| how == How::Smart);
    let seconds = item.asked.days.map(|days| u64::from(days) * DAY).or(incremental.lookback);
    let (greatest, start) = match incremental.method {
        IncrementalMethod::Append => (Some(newest(&live.name, column)), None),
        IncrementalMethod::Changes | IncrementalMethod::Upsert => (None, None),
        // What its sources logged tells which.
        IncrementalMethod::Partition if seconds.is_none() => (None, None),
        IncrementalMethod::Window | IncrementalMethod::Partition => {
            let last = last_success(conn, item, options).await?;
            let start = seconds.and_then(|back| window_start("n.newest", &type_name, back, &last?));
            (newest_of_time(&live.name, column, &type_name), start)
        }
    };
    // A date stands for its whole day.
    let ends = if type_name == "date" { " + 1" } else { "" };
    let age = latest.as_ref().map(|_| format!("extract(epoch FROM pg_catalog.now() - (n.latest{ends})::timestamptz)"));
    let or_null = |sql: Option<String>, type_name: &str| sql.unwrap_or_else(|| format!("NULL::{type_name}"));
    let sql = format!(
        "SELECT n.newest::text, ({})::float8, ({})::text FROM (SELECT {} AS newest, {} AS latest) AS n",
        or_null(age, "float8"),
        or_null(start, "text"),
        or_null(greatest, &type_name),
        or_null(latest, &type_name),
    );
    let mut session = SessionState::alone();
    let entered = session.enter(conn, &one::frame(mart, live, options, user)).await;
    let row = match entered {
        Ok(()) => sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await.map_err(SqlError::from),
        Err(error) => Err(error),
    };
    let left = session.leave(conn).await;
    let row = row?;
    left?;
    Ok(Facts { newest: row.try_get(0)?, age: row.try_get(1)?, start: row.try_get(2)?, closed })
}

async fn last_success(conn: &mut PgConnection, item: &Item, options: &Options) -> Result<Option<String>, SqlError> {
    let sql = in_schema(include_str!("sql/last_success.sql"), &options.registry);
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// Why readers must not be made to wait now, and when the window opens.
fn closed(window: &MaintenanceWindow, now: DateTime<Utc>) -> Option<(String, Option<DateTime<Utc>>)> {
    if !window.allow_blocking {
        let reason = "a plain refresh makes readers wait, which [maintenance_window] never allows";
        return Some((reason.to_owned(), None));
    }
    let (start, end) = (window.start.format("%H:%M"), window.end.format("%H:%M"));
    (!window.is_open(now)).then(|| {
        let zone = window.timezone;
        let reason =
            format!("a plain refresh makes readers wait: not before the maintenance window, {start} to {end} {zone}");
        (reason, window.opens(now))
    })
}

/// What the reason of a run begins with that waits for quieter times.
const PAUSED: &str = "paused: ";
/// Why nothing is refreshed where a mart was, in the history of a run that was due.
pub(super) const GONE: &str = "it was dropped or renamed meanwhile";

/// Why no build of all rows should start now; `None`: it may.
///
/// # Errors
/// What the server says.
pub async fn paused(conn: &mut PgConnection, when: &PauseWhen) -> Result<Option<String>, SqlError> {
    if *when == PauseWhen::default() {
        return Ok(None);
    }
    let row = sqlx::query(include_str!("sql/busy.sql")).fetch_one(conn).await?;
    let (age, lag, active): (i64, f64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let mut reasons = Vec::new();
    if let Some(most) = when.xmin_age.filter(|most| age > *most) {
        let (age, most) = (thousands(age), thousands(most));
        reasons.push(format!("the oldest snapshot is {age} transactions old (xmin_age = {most})"));
    }
    if let Some(most) = when.replica_lag.filter(|most| lag > *most as f64) {
        let (lag, most) = (format_duration(lag as u64), format_duration(most));
        reasons.push(format!("a replica is {lag} behind (replica_lag = {most})"));
    }
    if let Some(most) = when.active_backends.filter(|most| active >= *most) {
        reasons.push(format!("{active} other sessions are at work (active_backends = {most})"));
    }
    Ok((!reasons.is_empty()).then(|| format!("{PAUSED}{}", reasons.join(", "))))
}

impl Run {
    /// Whether it waits for quieter times: not for the hour at which a window opens, nor for what it reads.
    pub fn is_paused(&self) -> bool {
        let paused = |reason: &str| reason.starts_with(PAUSED);
        self.status == RunStatus::Skipped && self.not_before.is_none() && self.reason.split("; ").any(paused)
    }

    /// Whether it was not what was asked for: who asked gets an error. One that was refused says nothing of the mart, which goes on as it
    /// is; one that waits for quieter times, or for what it reads, has none.
    pub fn is_bad(&self) -> bool {
        let refused = self.status == RunStatus::Skipped && self.error.is_some();
        refused || matches!(self.status, RunStatus::Failed | RunStatus::Cancelled)
    }

    /// Whether no later time helps one that was skipped: there was no such mart any more, or it cannot be refreshed as asked.
    pub fn is_declined(&self) -> bool {
        self.status == RunStatus::Skipped && (self.reason == GONE || self.error.is_some())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveTime, TimeZone};

    use super::*;

    #[test]
    fn a_closed_window_says_when_it_opens() {
        let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        let window =
            |allow_blocking| MaintenanceWindow { start: at(2), end: at(5), timezone: chrono_tz::UTC, allow_blocking };
        let now = |hour| Utc.with_ymd_and_hms(2026, 3, 1, hour, 0, 0).single().unwrap_or_default();
        let told = "a plain refresh makes readers wait: not before the maintenance window, 02:00 to 05:00 UTC";
        let opens = Utc.with_ymd_and_hms(2026, 3, 2, 2, 0, 0).single();
        assert_eq!(closed(&window(true), now(12)), Some((told.to_owned(), opens)));
        assert_eq!(closed(&window(true), now(3)), None);
        assert!(closed(&window(false), now(3)).is_some());
    }
}
