//! Metrics, as OpenMetrics: of every mart from the registry and the catalog, of the daemon as it says.

mod facts;
mod text;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::PgConnection;

use self::facts::{Facts, MartFacts, Total};
use self::text::{Family, Text, label};
use super::ObserveError;
use super::ages::{self, Ages, Freshness};
use super::notices::Since;
use crate::refresh::DURATION_BOUNDS;
use crate::state::{Mart, QName};

/// What a daemon knows of itself, as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gauges {
    /// PostgreSQL is reached and the registry read.
    pub up: bool,
    /// This daemon leads.
    pub leader: bool,
    /// Runs that are due and have not begun.
    pub queue_depth: usize,
    /// Runs at work.
    pub running: usize,
    /// How late the last run began, in seconds.
    pub schedule_lag: f64,
    /// No full build starts now.
    pub paused: bool,
}

/// Everything there is to tell of one project: three queries, whatever the number of marts. Ages and lags are told of marts that the
/// manifests in force declare.
///
/// # Errors
/// What the server says.
pub async fn metrics(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    declared: &[&Mart],
    gauges: &Gauges,
    now: DateTime<Utc>,
) -> Result<String, ObserveError> {
    let facts = facts::read(conn, registry, project).await?;
    let declared: HashMap<&QName, &Mart> = declared.iter().map(|mart| (&mart.name, *mart)).collect();
    let mut text = Text::default();
    own(&mut text, gauges);
    whole(&mut text, &facts);
    logged(&mut text, &facts.logs);
    counted(&mut text, &facts.totals);
    stored(&mut text, &facts.marts);
    aged(&mut text, &facts, &declared, now);
    Ok(text.end())
}

/// Since when the rows of every mart are as they are, in one query.
///
/// # Errors
/// What the server says.
pub async fn since(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<HashMap<QName, Since>, ObserveError> {
    let marts = facts::marts(conn, registry, project).await?;
    let since = |mart: MartFacts| {
        let snapshot = mart.snapshot().or(mart.at_latest());
        (mart.name, Since { snapshot, newest: mart.newest, suspended: mart.suspended })
    };
    Ok(marts.into_iter().map(since).collect())
}

/// What a daemon can tell of itself while the database is out of reach.
pub fn own_metrics(gauges: &Gauges) -> String {
    let mut text = Text::default();
    own(&mut text, gauges);
    text.end()
}

fn gauge(name: &'static str, unit: Option<&'static str>, help: &'static str) -> Family {
    Family { name, kind: "gauge", unit, help }
}

fn own(text: &mut Text, gauges: &Gauges) {
    text.family(Family { name: "datamart_build", kind: "info", unit: None, help: "The program." });
    text.sample("datamart_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let mut one = |name, unit, help, value: f64| {
        text.family(gauge(name, unit, help));
        text.sample(name, &[], value);
    };
    let flag = |is: bool| f64::from(u8::from(is));
    // Counts of runs are far below 2^53.
    one("datamart_up", None, "Whether PostgreSQL is reached and the registry read.", flag(gauges.up));
    one("datamart_leader", None, "Whether this daemon leads.", flag(gauges.leader));
    one("datamart_queue_depth", None, "Runs that are due and have not begun.", gauges.queue_depth as f64);
    one("datamart_running", None, "Runs at work.", gauges.running as f64);
    one("datamart_paused", None, "Whether full builds wait for pause_when to pass.", flag(gauges.paused));
    let lag = "How late the last run began.";
    one("datamart_schedule_lag_seconds", Some("seconds"), lag, gauges.schedule_lag);
}

fn whole(text: &mut Text, facts: &Facts) {
    let mut one = |name, unit, help, value: Option<f64>| {
        if let Some(value) = value {
            text.family(gauge(name, unit, help));
            text.sample(name, &[], value);
        }
    };
    let moment = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis() as f64 / 1e3);
    one(
        "datamart_leader_epoch",
        None,
        "The number of the leadership; each has its own.",
        facts.epoch.map(|e| e as f64),
    );
    one("datamart_requests_waiting", None, "Refreshes asked for that wait.", Some(facts.requests as f64));
    one("datamart_drifted", None, "Objects that differ from the last apply.", facts.drifted.map(f64::from));
    let tried = "When a revision was last tried.";
    one("datamart_reconcile_attempted_timestamp_seconds", Some("seconds"), tried, moment(facts.attempted_at));
    let applied = "When a revision was last applied.";
    one("datamart_reconcile_applied_timestamp_seconds", Some("seconds"), applied, moment(facts.applied_at));
    let name = "datamart_reconcile_result";
    text.family(gauge(name, None, "How the last revision went: 1 for what holds."));
    for result in ["applied", "pending", "invalid", "failed"] {
        let is = facts.reconcile.as_deref() == Some(result);
        text.sample(name, &[("result", result)], u8::from(is));
    }
}

fn logged(text: &mut Text, logs: &[(QName, i64)]) {
    let name = "datamart_log_size_bytes";
    if !logs.is_empty() {
        text.family(gauge(name, Some("bytes"), "The log of what changes in a source table."));
    }
    for (table, bytes) in logs {
        text.sample(name, &[("source", &table.to_string())], bytes);
    }
}

fn counted(text: &mut Text, totals: &[Total]) {
    let help = "Refreshes, by how they ended.";
    text.family(Family { name: "datamart_refreshes", kind: "counter", unit: None, help });
    for total in totals {
        let status = format!(",status=\"{}\"", total.status);
        text.of_mart("datamart_refreshes_total", &label(&total.name), &status, total.runs);
    }
    let name = "datamart_refresh_duration_seconds";
    let help = "How long refreshes took that began, however they ended.";
    text.family(Family { name, kind: "histogram", unit: Some("seconds"), help });
    let mut times: BTreeMap<&QName, (f64, Vec<i64>)> = BTreeMap::new();
    for total in totals {
        let (seconds, buckets) = times.entry(&total.name).or_default();
        *seconds += total.seconds;
        buckets.resize(buckets.len().max(total.buckets.len()), 0);
        buckets.iter_mut().zip(&total.buckets).for_each(|(sum, more)| *sum += more);
    }
    let bounds = DURATION_BOUNDS.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".into()]);
    let bounds: Vec<String> = bounds.map(|bound| format!(",le=\"{bound}\"")).collect();
    for (mart, (seconds, buckets)) in times {
        let mart = label(mart);
        for (bound, count) in bounds.iter().zip(&buckets) {
            text.of_mart("datamart_refresh_duration_seconds_bucket", &mart, bound, count);
        }
        let count = buckets.last().copied().unwrap_or_default();
        text.of_mart("datamart_refresh_duration_seconds_count", &mart, "", count);
        text.of_mart("datamart_refresh_duration_seconds_sum", &mart, "", seconds);
    }
}

fn stored(text: &mut Text, marts: &[MartFacts]) {
    let help = "Bytes, indexes included: measured by the last refresh, else by the planner's pages.";
    each(text, gauge("datamart_size_bytes", Some("bytes"), help), marts, |mart| mart.bytes.map(|n| n as f64));
    let help = "Rows: counted by the last refresh, else the planner's estimate.";
    each(text, gauge("datamart_rows_total", None, help), marts, |mart| mart.rows.map(|n| n as f64));
    let divided = marts.iter().any(|mart| mart.partitions.is_some());
    if divided {
        let help = "Partitions of marts that are divided.";
        each(text, gauge("datamart_partitions", None, help), marts, |mart| mart.partitions.map(|n| n as f64));
        let help = "Rows that no other partition takes: the planner's estimate.";
        each(text, gauge("datamart_default_rows", None, help), marts, |mart| mart.default_rows.map(|n| n as f64));
    }
    let help = "Whether it is refreshed by request alone, because somebody suspended it.";
    each(text, gauge("datamart_suspended", None, help), marts, |mart| Some(f64::from(u8::from(mart.suspended))));
}

fn aged(text: &mut Text, facts: &Facts, declared: &HashMap<&QName, &Mart>, now: DateTime<Utc>) {
    let marts = &facts.marts;
    let mut ended: HashMap<&QName, Option<DateTime<Utc>>> = HashMap::new();
    for total in facts.totals.iter().filter(|total| total.status != "skipped") {
        let last = ended.entry(&total.name).or_default();
        *last = total.finished_at.max(*last);
    }
    let seconds = |name, help| gauge(name, Some("seconds"), help);
    let of = |mart: &MartFacts| declared.get(&mart.name).copied();
    let told: HashMap<&QName, Ages> =
        marts.iter().map(|mart| (&mart.name, ages_of(mart, of(mart), &ended, now))).collect();
    let ages = |mart: &MartFacts| told.get(&mart.name).copied().unwrap_or_default();
    let number = |age: Option<i64>| age.map(|age| age as f64);
    let help = "Since the newest value of freshness.column.";
    each(text, seconds("datamart_data_age_seconds", help), marts, |mart| number(ages(mart).data));
    let help = "Since the moment the rows are true for.";
    each(text, seconds("datamart_age_seconds", help), marts, |mart| number(ages(mart).snapshot));
    let help = "Since the last run ended, however it did.";
    each(text, seconds("datamart_run_age_seconds", help), marts, |mart| number(ages(mart).run));
    let lag = |mart: &MartFacts| of(mart).and_then(|mart| mart.refresh.target_lag);
    let help = "The age of the rows of marts that declare a target_lag.";
    each(text, seconds("datamart_lag_seconds", help), marts, |mart| lag(mart).and(number(ages(mart).snapshot)));
    let help = "What target_lag asks for.";
    each(text, seconds("datamart_target_lag_seconds", help), marts, |mart| lag(mart).map(|lag| lag as f64));
    let help = "0 is fresh, 1 a warning, 2 stale.";
    each(text, gauge("datamart_freshness", None, help), marts, |mart| {
        let freshness = Freshness::of(of(mart)?, &ages(mart), now)?;
        Some(match freshness {
            Freshness::Fresh => 0.0,
            Freshness::Warning => 1.0,
            Freshness::Stale => 2.0,
        })
    });
}

fn ages_of(
    mart: &MartFacts,
    declared: Option<&Mart>,
    ended: &HashMap<&QName, Option<DateTime<Utc>>>,
    now: DateTime<Utc>,
) -> Ages {
    let since = |at: DateTime<Utc>| (now - at).num_seconds().max(0);
    let kept = mart.populated && declared.is_some_and(ages::is_kept);
    let zone = declared.map_or(Tz::UTC, ages::zone);
    Ages {
        data: mart.newest.as_deref().and_then(|newest| ages::moment(newest, zone)).map(since),
        snapshot: if kept { Some(0) } else { mart.snapshot().map(since) },
        run: ended.get(&mart.name).copied().flatten().map(since),
        at_least: mart.at_latest().map(since),
    }
}

fn each(text: &mut Text, family: Family, marts: &[MartFacts], value: impl Fn(&MartFacts) -> Option<f64>) {
    text.family(family);
    for mart in marts {
        if let Some(value) = value(mart) {
            text.of_mart(family.name, &mart.label, "", value);
        }
    }
}
