//! Cron expressions and intervals.

use chrono_tz::{America, Australia, Europe};

use super::*;
use crate::state::Misfire;

/// When a mart with this schedule runs between two times of the clock in a zone.
fn runs(zone: Tz, schedule: &str, from: &str, until: &str) -> Vec<String> {
    let (from, until) = (local(zone, from), local(zone, until));
    let mut job = Job { timezone: zone, ..scheduled("a", &[], &[schedule]) };
    job.past = Past { started: Some(from), ended: Some(from), snapshot: Some(from), ..Past::default() };
    queue_at(vec![job], from).times(zone, until)
}

#[test]
fn a_fixed_time_in_the_hour_that_does_not_exist_runs_right_after_it() {
    let berlin = runs(Europe::Berlin, "30 2 * * *", "2026-03-28 12:00", "2026-03-30 12:00");
    assert_eq!(berlin, ["2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]);
    let new_york = runs(America::New_York, "30 2 * * *", "2026-03-07 12:00", "2026-03-09 12:00");
    assert_eq!(new_york, ["2026-03-08 03:00 EDT", "2026-03-09 02:30 EDT"]);
    // Half an hour only.
    let lord_howe = runs(Australia::Lord_Howe, "15 2 * * *", "2026-10-03 12:00", "2026-10-05 12:00");
    assert_eq!(lord_howe, ["2026-10-04 02:30 +11", "2026-10-05 02:15 +11"]);
}

#[test]
fn a_fixed_time_in_the_doubled_hour_runs_once() {
    let berlin = runs(Europe::Berlin, "30 2 * * *", "2026-10-24 12:00", "2026-10-26 12:00");
    assert_eq!(berlin, ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"]);
    let new_york = runs(America::New_York, "30 1 * * *", "2026-10-31 12:00", "2026-11-02 12:00");
    assert_eq!(new_york, ["2026-11-01 01:30 EDT", "2026-11-02 01:30 EST"]);
    let lord_howe = runs(Australia::Lord_Howe, "45 1 * * *", "2026-04-04 12:00", "2026-04-06 12:00");
    assert_eq!(lord_howe, ["2026-04-05 01:45 +11", "2026-04-06 01:45 +1030"]);
}

#[test]
fn a_step_follows_the_clock_without_holes_through_both_changes() {
    let spring = runs(Europe::Berlin, "*/30 * * * *", "2026-03-29 01:15", "2026-03-29 03:45");
    assert_eq!(spring, ["2026-03-29 01:30 CET", "2026-03-29 03:00 CEST", "2026-03-29 03:30 CEST"]);
    let autumn = runs(America::New_York, "0 * * * *", "2026-11-01 00:30", "2026-11-01 02:30");
    assert_eq!(autumn, ["2026-11-01 01:00 EDT", "2026-11-01 01:00 EST", "2026-11-01 02:00 EST"]);
}

#[test]
fn an_interval_knows_no_summer() {
    let runs = runs(Europe::Berlin, "1h", "2026-10-25 01:30", "2026-10-25 04:00");
    assert_eq!(runs, ["2026-10-25 02:30 CEST", "2026-10-25 02:30 CET", "2026-10-25 03:30 CET"]);
}

#[test]
fn the_leap_day_comes_every_fourth_year() {
    let runs = runs(Tz::UTC, "0 0 29 2 *", "2026-06-01 00:00", "2033-01-01 00:00");
    assert_eq!(runs, ["2028-02-29 00:00 UTC", "2032-02-29 00:00 UTC"]);
}

#[test]
fn a_day_of_the_month_or_a_weekday() {
    // 5 June 2026 is a Friday.
    let runs = runs(Tz::UTC, "0 9 13 * 5", "2026-06-01 00:00", "2026-06-20 00:00");
    assert_eq!(runs, ["2026-06-05 09:00 UTC", "2026-06-12 09:00 UTC", "2026-06-13 09:00 UTC", "2026-06-19 09:00 UTC"]);
}

#[test]
fn several_schedules_run_once_where_they_meet() {
    let mut queue = queue(vec![scheduled("a", &[], &["0 */6 * * *", "30 8 * * *", "0 12 * * *"])]);
    assert_eq!(
        queue.times(Tz::UTC, at(13, 0, 0)).iter().map(|t| &t[11..16]).collect::<Vec<_>>(),
        ["00:00", "06:00", "08:30", "12:00"]
    );
}

#[test]
fn an_interval_counts_from_the_start_of_the_last_run() {
    let mut job = scheduled("a", &[], &["10m"]);
    job.past.started = Some(at(0, 0, 0) - TimeDelta::minutes(4));
    let mut queue = queue(vec![job]);
    assert_eq!(queue.next(), Some(at(0, 6, 0)));
    assert_eq!(queue.begins(at(0, 6, 1)), ["a schedule"]);
    queue.good("a", at(0, 6, 1), at(0, 9, 0));
    assert_eq!(queue.next(), Some(at(0, 16, 1)));
}

#[test]
fn a_run_longer_than_its_interval_is_followed_at_once_and_never_overlapped() {
    let mut job = scheduled("a", &[], &["1m"]);
    job.past.started = Some(at(0, 0, 0));
    let mut queue = queue(vec![job]);
    assert_eq!(queue.begins(at(0, 1, 0)), ["a schedule"]);
    assert_eq!(queue.begins(at(0, 2, 0)), Vec::<String>::new());
    assert_eq!(queue.begins(at(0, 5, 0)), Vec::<String>::new());
    assert_eq!(queue.waiting(), 1);
    queue.good("a", at(0, 1, 0), at(0, 5, 30));
    // Once, not four times, and it was no missed one: somebody was there.
    assert_eq!(queue.begins(at(0, 5, 30)), ["a schedule"]);
    queue.good("a", at(0, 5, 30), at(0, 5, 31));
    assert_eq!(queue.next(), Some(at(0, 6, 30)));
}

#[test]
fn a_long_run_is_followed_at_once_even_where_nobody_looked_meanwhile() {
    let mut queue = queue(vec![scheduled("a", &[], &["*/5 * * * *"])]);
    let mut begun = queue.begins(at(0, 0, 0));
    assert_eq!(begun, ["a schedule"]);
    queue.good("a", at(0, 0, 0), at(0, 0, 1));
    begun = queue.begins(at(0, 5, 0));
    assert_eq!((begun.len(), queue.next()), (1, Some(at(0, 10, 0))));
}

#[test]
fn first_runs_are_spread_and_always_at_the_same_time() {
    let jobs = || {
        let new = |i| Job { past: Past::default(), ..scheduled(&format!("m{i}"), &[], &["1m"]) };
        (0..100).map(new).collect::<Vec<_>>()
    };
    let (a, b) = (queue(jobs()), queue(jobs()));
    let first: Vec<_> = (0..100).map(|i| a.next_of(&name(&format!("m{i}")))).collect();
    assert_eq!(first, (0..100).map(|i| b.next_of(&name(&format!("m{i}")))).collect::<Vec<_>>());
    assert!(first.iter().flatten().all(|t| at(0, 0, 0) <= *t && *t < at(0, 1, 0)), "{first:?}");
    assert!(first.iter().flatten().map(|t| t.timestamp()).collect::<BTreeSet<_>>().len() > 30, "{first:?}");
}

#[test]
fn a_mart_that_was_just_built_is_due_within_its_interval() {
    let built = |schedule: &str| {
        let past = Past { snapshot: Some(at(0, 0, 0)), full: Some(at(0, 0, 0)), ..Past::default() };
        queue(vec![Job { past, ..scheduled("a", &[], &[schedule]) }]).next().expect("a due time")
    };
    assert!((at(0, 0, 0)..=at(0, 0, 10)).contains(&built("10s")));
    assert!((at(23, 55, 0)..=at(23, 59, 59)).contains(&built("1d")));
}

#[test]
fn a_full_run_merges_with_the_ordinary_one_of_the_same_instant() {
    let mut job = scheduled("a", &[], &["0 * * * *"]);
    job.policy.incremental = incremental("0 2 * * *");
    let mut queue = queue_at(vec![job], at(0, 30, 0));
    let mut hows = Vec::new();
    for hour in 1..=3 {
        // The first one is a missed one of midnight.
        for start in queue.start(at(hour, 0, 0), 1) {
            hows.push((hour, start.asked.how));
            queue.good("a", at(hour, 0, 0), at(hour, 0, 1));
        }
    }
    assert_eq!(hows, [(1, How::AsDeclared), (2, How::Full), (3, How::AsDeclared)]);
}

#[test]
fn a_full_schedule_by_interval_counts_from_the_last_whole_run() {
    let mut job = scheduled("a", &[], &["1h"]);
    job.policy.incremental = incremental("1d");
    job.past.full = Some(at(0, 0, 0) - TimeDelta::hours(22));
    let mut queue = queue(vec![job]);
    let mut hows = Vec::new();
    while let Some(now) = queue.next().filter(|now| *now <= at(4, 0, 0)) {
        for start in queue.start(now, 1) {
            hows.push(start.asked.how);
            let ended = Ended { started: now, outcome: Outcome::Good, whole: start.asked.how == How::Full };
            assert_eq!(queue.ended(&start.mart, &ended, now), Vec::new());
        }
    }
    use How::{AsDeclared, Full};
    assert_eq!(hows, [AsDeclared, AsDeclared, Full, AsDeclared, AsDeclared]);
}

#[test]
fn what_was_missed_runs_once() {
    let mut job = scheduled("a", &[], &["0 2 * * *"]);
    job.past.started = Some(at(2, 0, 0) - TimeDelta::days(5));
    job.past.snapshot = job.past.started;
    let mut queue = queue_at(vec![job], at(9, 0, 0));
    let starts = queue.start(at(9, 0, 0), 2);
    assert_eq!(starts.iter().map(|s| (s.cause, s.due_at)).collect::<Vec<_>>(), [(Cause::Missed, at(2, 0, 0))]);
    queue.good("a", at(9, 0, 0), at(9, 1, 0));
    assert_eq!(queue.next(), Some(at(2, 0, 0) + TimeDelta::days(1)));
}

#[test]
fn what_was_missed_is_dropped_where_the_manifest_says_so() {
    let missed = |misfire, start_deadline| {
        let mut job = scheduled("a", &[], &["0 2 * * *"]);
        job.past.started = Some(at(2, 0, 0) - TimeDelta::days(1));
        job.past.snapshot = job.past.started;
        (job.policy.misfire, job.policy.start_deadline) = (misfire, start_deadline);
        let mut queue = queue_at(vec![job], at(3, 30, 0));
        (queue.begins(at(3, 30, 0)), queue.next())
    };
    let tomorrow = Some(at(2, 0, 0) + TimeDelta::days(1));
    assert_eq!(missed(Misfire::Skip, None), (vec![], tomorrow));
    assert_eq!(missed(Misfire::Run, Some(3_600)), (vec![], tomorrow));
    assert_eq!(missed(Misfire::Run, Some(7_200)), (vec!["a missed".to_owned()], tomorrow));
}

#[test]
fn a_short_start_deadline_counts_too() {
    for (late, begins) in [(20, 1), (40, 0)] {
        let mut job = scheduled("a", &[], &["0 2 * * *"]);
        job.policy.start_deadline = Some(30);
        let mut queue = queue_at(vec![job], at(1, 0, 0));
        assert_eq!(queue.begins(at(2, 0, late)).len(), begins, "{late} s late");
    }
}

#[test]
fn a_takeover_within_seconds_misses_nothing() {
    let mut job = scheduled("a", &[], &["0 2 * * *"]);
    job.policy.misfire = Misfire::Skip;
    job.past.started = Some(at(2, 0, 0) - TimeDelta::days(1));
    job.past.snapshot = job.past.started;
    assert_eq!(queue_at(vec![job], at(2, 0, 5)).begins(at(2, 0, 5)), ["a schedule"]);
}

#[test]
fn a_missed_interval_runs_at_once() {
    let mut job = scheduled("a", &[], &["10m"]);
    job.past.started = Some(at(1, 0, 0));
    job.past.snapshot = job.past.started;
    assert_eq!(queue_at(vec![job], at(9, 0, 0)).begins(at(9, 0, 0)), ["a missed"]);
}

#[test]
fn minutes_of_years_are_not_counted_through() {
    let mut job = scheduled("a", &[], &["* * * * *"]);
    job.past.started = Some(at(0, 0, 0) - TimeDelta::days(3_000));
    job.past.snapshot = job.past.started;
    let mut queue = queue_at(vec![job], at(9, 0, 30));
    let begun = std::time::Instant::now();
    assert_eq!(queue.start(at(9, 0, 30), 1)[0].due_at, at(9, 0, 0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
