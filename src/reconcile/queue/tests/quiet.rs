//! What has to wait for quieter times, and runs of the whole mart among others.

use super::*;

/// Each hour a part of it, at noon the whole; it ran just now.
fn whole_at_noon(schedule: &str) -> Job {
    let mut job = scheduled("a", &[], &[schedule]);
    job.policy.incremental = incremental("0 12 * * *");
    (job.past.started, job.past.snapshot) = (Some(at(11, 29, 0)), Some(at(11, 29, 0)));
    job
}

/// What begins, and how.
fn hows(queue: &mut Queue, now: DateTime<Utc>) -> Vec<(How, Cause)> {
    queue.start(now, 2).into_iter().map(|start| (start.asked.how, start.cause)).collect()
}

fn end(queue: &mut Queue, outcome: Outcome, whole: bool, now: DateTime<Utc>) {
    queue.ended(&name("a"), &Ended { started: now, outcome, whole }, now);
}

#[test]
fn a_failed_run_of_the_whole_mart_is_made_up_by_one() {
    let mut queue = queue_at(vec![whole_at_noon("5 * * * *")], at(11, 30, 0));
    assert_eq!(hows(&mut queue, at(12, 0, 0)), [(How::Full, Cause::Schedule)]);
    end(&mut queue, Outcome::Passing, false, at(12, 0, 0));
    assert_eq!(hows(&mut queue, at(12, 0, 1)), [(How::Full, Cause::Retry)]);
    end(&mut queue, Outcome::Passing, false, at(12, 4, 59));
    // What is due meanwhile is not the whole mart, and does not do instead of it.
    queue.entries[0].retry = Some((at(12, 6, 0), TimeDelta::minutes(1)));
    assert_eq!(hows(&mut queue, at(12, 5, 0)), [(How::AsDeclared, Cause::Schedule)]);
    end(&mut queue, Outcome::Good, false, at(12, 5, 1));
    assert_eq!(hows(&mut queue, at(12, 6, 0)), [(How::Full, Cause::Retry)]);
    end(&mut queue, Outcome::Good, true, at(12, 6, 1));
    assert_eq!(queue.next(), Some(at(13, 5, 0)));
}

#[test]
fn a_run_of_the_whole_mart_that_was_skipped_is_made_up_by_one() {
    let b = Job { mart: name("b"), reads: [name("a")].into(), ..whole_at_noon("5 * * * *") };
    let mut queue = queue_at(vec![scheduled("a", &[], &["0 12 * * *"]), b], at(11, 30, 0));
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    assert_eq!(queue.end("a", Outcome::Passing, at(12, 0, 0), at(12, 0, 0)), ["b for a"]);
    assert_eq!(queue.begins(at(12, 0, 1)), ["a retry"]);
    queue.good("a", at(12, 0, 1), at(12, 0, 2));
    assert_eq!(hows(&mut queue, at(12, 0, 2)), [(How::Full, Cause::Retry)]);
}

#[test]
fn what_the_data_does_not_allow_is_not_tried_whole_before_it_is_due() {
    let mut queue = queue_at(vec![whole_at_noon("5 * * * *")], at(11, 30, 0));
    assert_eq!(hows(&mut queue, at(12, 0, 0)), [(How::Full, Cause::Schedule)]);
    end(&mut queue, Outcome::Failed, false, at(12, 0, 0));
    assert_eq!(hows(&mut queue, at(12, 5, 0)), [(How::AsDeclared, Cause::Schedule)]);
    end(&mut queue, Outcome::Passing, false, at(12, 5, 0));
    assert_eq!(hows(&mut queue, at(12, 6, 0)), [(How::AsDeclared, Cause::Retry)]);
}

#[test]
fn a_run_of_the_whole_mart_that_waits_for_quiet_holds_up_no_other_one() {
    let mut queue = queue_at(vec![whole_at_noon("0 * * * *"), job("b", &["a"])], at(11, 30, 0));
    assert_eq!(hows(&mut queue, at(12, 0, 0)), [(How::Full, Cause::Schedule)]);
    end(&mut queue, Outcome::Postponed(at(14, 30, 0)), false, at(12, 0, 0));
    assert!(queue.waits_for_quiet(&name("a")));
    assert_eq!(hows(&mut queue, at(12, 0, 0)), [(How::AsDeclared, Cause::Schedule)]);
    end(&mut queue, Outcome::Good, false, at(12, 0, 1));
    assert_eq!(queue.begins(at(12, 0, 1)), ["b after"]);
    queue.good("b", at(12, 0, 1), at(12, 0, 2));
    for hour in [13, 14] {
        assert_eq!(hows(&mut queue, at(hour, 0, 0)), [(How::AsDeclared, Cause::Schedule)]);
        end(&mut queue, Outcome::Unchanged, false, at(hour, 0, 1));
    }
    assert_eq!(hows(&mut queue, at(14, 30, 0)), [(How::Full, Cause::Schedule)]);
    // It tries, and is no more work for that.
    end(&mut queue, Outcome::Postponed(at(14, 31, 0)), false, at(14, 30, 0));
    assert_eq!(hows(&mut queue, at(14, 30, 30)), []);
    assert_eq!(hows(&mut queue, at(14, 31, 0)), [(How::Full, Cause::Schedule)]);
    end(&mut queue, Outcome::Good, true, at(14, 31, 0));
    assert!(!queue.waits_for_quiet(&name("a")));
    assert_eq!(queue.begins(at(14, 31, 0)), ["b after"]);
}

#[test]
fn whoever_asks_for_what_waits_for_quiet_is_answered() {
    let mut queue = queue_at(vec![scheduled("a", &[], &["0 12 * * *"]), job("b", &["a"])], at(11, 30, 0));
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    end(&mut queue, Outcome::Postponed(at(18, 0, 0)), false, at(12, 0, 0));
    for (mart, run) in [("a", 1), ("b", 2)] {
        queue.request(&name(mart), run, &Asked::default(), at(12, 1, 0));
    }
    assert_eq!(queue.begins(at(12, 1, 0)), ["a request"]);
    // It is not the time for that, either: the answer is that, and what was asked for with it is not run. What is due waits on.
    let until = Outcome::Postponed(at(18, 0, 0));
    assert_eq!(queue.end("a", until, at(12, 1, 0), at(12, 1, 0)), ["b for a"]);
    assert_eq!(queue.begins(at(12, 1, 1)), Vec::<String>::new());
    queue.request(&name("a"), 3, &Asked::default(), at(12, 2, 0));
    assert_eq!(queue.begins(at(12, 2, 0)), ["a request"]);
    queue.end("a", until, at(12, 2, 0), at(12, 2, 0));
    assert_eq!(queue.begins(at(18, 0, 0)), ["a schedule"]);
}

#[test]
fn intervals_and_targets_go_on_beside_a_whole_run_that_is_tried_again_and_again() {
    let mut lagging = whole_at_noon("10m");
    (lagging.policy.schedule, lagging.policy.target_lag) = (Vec::new(), Some(1_200));
    for job in [whole_at_noon("10m"), lagging] {
        let mut queue = queue_at(vec![job], at(11, 55, 0));
        let mut parts = 0;
        for minute in 0..60 {
            let now = at(12, minute, 0);
            for (how, _) in hows(&mut queue, now) {
                let waits = how == How::Full;
                parts += usize::from(!waits);
                let later = Outcome::Postponed(now + TimeDelta::minutes(4));
                end(&mut queue, if waits { later } else { Outcome::Good }, false, now);
            }
        }
        assert!((3..=8).contains(&parts), "{parts}");
    }
}
