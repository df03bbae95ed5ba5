//! Every rule of scheduling, at given instants.

mod changes;
mod clock;
mod failures;
mod lag;
mod marts;
mod order;
mod past;
mod property;
mod quiet;
mod requests;
mod schedule;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::*;
use crate::state::{Fingerprint, Incremental, IncrementalMethod, RefreshPolicy, Strategy};

/// An instant of 2026-06-01, UTC.
fn at(hour: u32, minute: u32, second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, hour, minute, second).single().expect("an instant")
}

/// What a clock of that zone shows.
fn local(zone: Tz, text: &str) -> DateTime<Utc> {
    let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time");
    zone.from_local_datetime(&naive).earliest().expect("an instant").to_utc()
}

fn name(mart: &str) -> QName {
    QName::new("public", mart)
}

/// A manual mart that ran in the hour before all tests, in no time, and is refreshed after what it reads.
fn job(mart: &str, reads: &[&str]) -> Job {
    let ran = at(0, 0, 0) - TimeDelta::hours(1);
    Job {
        mart: name(mart),
        policy: RefreshPolicy { after: true, ..RefreshPolicy::default() },
        timezone: Tz::UTC,
        reads: reads.iter().map(|read| name(read)).collect(),
        has_rows: true,
        size_bytes: 0,
        usual: Duration::ZERO,
        basis: Fingerprint::of("basis"),
        past: Past { started: Some(ran), ended: Some(ran), snapshot: Some(ran), full: Some(ran), ..Past::default() },
    }
}

/// One with these schedules.
fn scheduled(mart: &str, reads: &[&str], schedule: &[&str]) -> Job {
    let schedule = schedule.iter().map(|&s| s.to_owned()).collect();
    let policy = RefreshPolicy { strategy: Strategy::Scheduled, schedule, ..RefreshPolicy::default() };
    Job { policy, ..job(mart, reads) }
}

fn view(mart: &str, reads: &[&str]) -> Job {
    Job { has_rows: false, ..job(mart, reads) }
}

fn incremental(full_schedule: &str) -> Option<Incremental> {
    Some(Incremental {
        method: IncrementalMethod::Window,
        time_column: Some("day".to_owned()),
        lookback: None,
        unique_key: Vec::new(),
        full_schedule: Some(full_schedule.to_owned()),
        frozen_before: None,
    })
}

/// A queue of these, told of them at midnight.
fn queue(jobs: Vec<Job>) -> Queue {
    queue_at(jobs, at(0, 0, 0))
}

fn queue_at(jobs: Vec<Job>, now: DateTime<Utc>) -> Queue {
    let mut queue = Queue::new(7);
    assert_eq!(queue.set(jobs, now), Vec::<i64>::new());
    queue
}

impl Queue {
    /// What begins, as `mart cause`, with two places.
    fn begins(&mut self, now: DateTime<Utc>) -> Vec<String> {
        self.begins_of(now, 2)
    }

    fn begins_of(&mut self, now: DateTime<Utc>, free: usize) -> Vec<String> {
        let starts = self.start(now, free);
        starts.iter().map(|start| format!("{} {}", start.mart.name, start.cause.as_str())).collect()
    }

    /// A run that began at `started` ends well.
    fn good(&mut self, mart: &str, started: DateTime<Utc>, now: DateTime<Utc>) {
        assert_eq!(self.end(mart, Outcome::Good, started, now), Vec::<String>::new());
    }

    /// Who is skipped, and because of whom.
    fn end(&mut self, mart: &str, outcome: Outcome, started: DateTime<Utc>, now: DateTime<Utc>) -> Vec<String> {
        let skips = self.ended(&name(mart), &Ended { started, outcome, whole: true }, now);
        skips.iter().map(|skip| format!("{} for {}", skip.mart.name, skip.upstream.name)).collect()
    }

    /// Lets everything run in no time whenever it is due, up to `until`: what began when.
    fn simulate(&mut self, until: DateTime<Utc>) -> Vec<(DateTime<Utc>, String)> {
        let mut all = Vec::new();
        while let Some(now) = self.next().filter(|next| *next <= until) {
            loop {
                let starts = self.start(now, 100);
                if starts.is_empty() {
                    break;
                }
                for start in starts {
                    all.push((now, format!("{} {}", start.mart.name, start.cause.as_str())));
                    self.good(&start.mart.name, now, now);
                }
            }
        }
        all
    }

    /// The same, of one mart, on a clock of that zone.
    fn times(&mut self, zone: Tz, until: DateTime<Utc>) -> Vec<String> {
        let all = self.simulate(until);
        all.iter().map(|(at, _)| at.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string()).collect()
    }
}

fn names(jobs: &[&str]) -> BTreeSet<String> {
    jobs.iter().map(|&job| job.to_owned()).collect()
}
