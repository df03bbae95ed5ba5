//! What is tried again, what is not, and who waits for it.

use super::*;

fn noon(mart: &str, reads: &[&str]) -> Job {
    scheduled(mart, reads, &["0 12 * * *"])
}

/// At noon, `a` has begun.
fn at_noon(jobs: Vec<Job>) -> Queue {
    let mut queue = queue_at(jobs, at(11, 0, 0));
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    queue
}

#[test]
fn what_can_pass_is_tried_again_later_each_time() {
    let mut queue = at_noon(vec![noon("a", &[])]);
    let mut now = at(12, 0, 0);
    for whole in [1, 2, 4, 8, 16] {
        assert_eq!(queue.end("a", Outcome::Passing, now, now), Vec::<String>::new());
        let next = queue.next().expect("a retry");
        let wait = next - now;
        assert!(TimeDelta::milliseconds(whole * 500) <= wait && wait <= TimeDelta::seconds(whole), "{wait}");
        assert_eq!(queue.begins(next), ["a retry"]);
        now = next;
    }
    queue.good("a", now, now);
    assert_eq!(queue.next(), Some(at(12, 0, 0) + TimeDelta::days(1)));
}

#[test]
fn what_the_data_does_not_allow_waits_for_the_next_due_time() {
    let mut queue = at_noon(vec![noon("a", &[])]);
    queue.end("a", Outcome::Failed, at(12, 0, 0), at(12, 0, 1));
    assert_eq!(queue.next(), Some(at(12, 0, 0) + TimeDelta::days(1)));
}

#[test]
fn what_does_not_pass_waits_for_another_manifest() {
    let mut job = scheduled("a", &[], &["10s"]);
    job.past.started = Some(at(12, 0, 0));
    let mut queue = queue_at(vec![job.clone()], at(12, 0, 0));
    assert_eq!(queue.begins(at(12, 0, 10)), ["a schedule"]);
    queue.end("a", Outcome::Lasting, at(12, 0, 10), at(12, 0, 10));
    assert_eq!(queue.begins(at(12, 0, 40)), Vec::<String>::new());
    queue.set(vec![job.clone()], at(12, 0, 41));
    assert_eq!(queue.begins(at(12, 0, 42)), Vec::<String>::new());
    job.basis = Fingerprint::of("another");
    queue.set(vec![job], at(12, 0, 45));
    assert_eq!(queue.begins(at(12, 0, 45)).len(), 1);
}

#[test]
fn what_does_not_pass_is_looked_at_now_and_then_all_the_same() {
    let mut job = scheduled("a", &[], &["10s"]);
    job.past.started = Some(at(0, 0, 0));
    let mut queue = queue(vec![job]);
    let mut tries = 0;
    while let Some(now) = queue.next().filter(|now| *now <= at(6, 0, 0)) {
        for _ in queue.start(now, 1) {
            tries += 1;
            queue.end("a", Outcome::Lasting, now, now);
        }
    }
    // After 1, 2, 4, 8, 16, 32 minutes and then every hour, not 2,160 times.
    assert_eq!(tries, 11);
}

#[test]
fn somebody_may_ask_for_what_does_not_pass() {
    let mut queue = at_noon(vec![noon("a", &[])]);
    queue.end("a", Outcome::Lasting, at(12, 0, 0), at(12, 0, 0));
    queue.request(&name("a"), 5, &Asked::default(), at(12, 0, 1));
    assert_eq!(queue.begins(at(12, 0, 1)), ["a request"]);
}

#[test]
fn a_change_of_the_source_lets_it_try_again() {
    let mut job = noon("a", &[]);
    job.policy.strategy = Strategy::Triggered;
    let mut queue = at_noon(vec![job]);
    queue.end("a", Outcome::Lasting, at(12, 0, 0), at(12, 0, 0));
    queue.changed(&name("a"), Cause::Change, at(12, 0, 1));
    assert_eq!(queue.begins(at(12, 0, 2)), ["a change"]);
}

#[test]
fn what_reads_a_failed_mart_in_the_same_instant_is_skipped_and_made_up() {
    let mut queue = at_noon(vec![noon("a", &[]), noon("b", &["a"]), noon("c", &["b"])]);
    let skipped = queue.end("a", Outcome::Passing, at(12, 0, 0), at(12, 0, 1));
    assert_eq!(skipped, ["b for a", "c for b"]);
    assert_eq!(queue.begins(at(12, 0, 1)), Vec::<String>::new());
    let all = queue.simulate(at(13, 0, 0));
    assert_eq!(all.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>(), ["a retry", "b retry", "c retry"]);
}

#[test]
fn what_is_due_by_itself_later_runs_though_what_it_reads_failed() {
    let mut queue = at_noon(vec![noon("a", &[]), scheduled("b", &["a"], &["5 12 * * *"])]);
    assert_eq!(queue.begins(at(12, 5, 0)), Vec::<String>::new());
    assert_eq!(queue.end("a", Outcome::Failed, at(12, 0, 0), at(12, 6, 0)), Vec::<String>::new());
    assert_eq!(queue.begins(at(12, 6, 0)), ["b schedule"]);
}

#[test]
fn in_a_diamond_one_failed_side_is_enough_whoever_ends_first() {
    let jobs = || vec![noon("a", &[]), job("b", &["a"]), job("c", &["a"]), job("d", &["b", "c"])];
    for failed_first in [true, false] {
        let mut queue = at_noon(jobs());
        queue.good("a", at(12, 0, 0), at(12, 0, 1));
        assert_eq!(queue.begins(at(12, 0, 1)), ["b after", "c after"]);
        let mut skipped = Vec::new();
        let turns = if failed_first { ["c", "b"] } else { ["b", "c"] };
        for mart in turns {
            let outcome = if mart == "c" { Outcome::Failed } else { Outcome::Good };
            skipped.extend(queue.end(mart, outcome, at(12, 0, 1), at(12, 0, 2)));
        }
        assert_eq!(skipped, ["d for c"], "{failed_first}");
        assert_eq!(queue.begins(at(12, 0, 2)), Vec::<String>::new());
    }
}

#[test]
fn a_retry_that_was_waited_for_survives_the_daemon() {
    let mut job = noon("a", &[]);
    job.past = Past { started: Some(at(12, 0, 0)), ended: Some(at(12, 0, 1)), failures: 3, can_pass: true, ..job.past };
    let mut queue = queue_at(vec![job], at(12, 1, 0));
    assert_eq!(queue.begins(at(12, 1, 0)), ["a retry"]);
}

#[test]
fn what_is_postponed_waits_and_holds_up_nobody() {
    let mut queue = at_noon(vec![noon("a", &[]), noon("b", &["a"]), scheduled("c", &["a"], &["1 12 * * *"])]);
    let until = Outcome::Held(at(12, 10, 0));
    assert_eq!(queue.end("a", until, at(12, 0, 0), at(12, 0, 0)), ["b for a"]);
    assert_eq!(queue.begins(at(12, 1, 0)), ["c schedule"]);
    queue.good("c", at(12, 1, 0), at(12, 1, 1));
    let starts = queue.start(at(12, 10, 0), 2);
    assert_eq!(starts.iter().map(|s| (s.cause, s.due_at)).collect::<Vec<_>>(), [(Cause::Schedule, at(12, 0, 0))]);
    queue.good("a", at(12, 10, 0), at(12, 11, 0));
    assert_eq!(queue.begins(at(12, 11, 0)), ["b retry"]);
}

#[test]
fn what_was_asked_for_together_waits_for_one_that_is_postponed() {
    let mut queue = queue(vec![job("a", &[]), job("b", &["a"]), job("c", &["a"])]);
    for (mart, run) in [("a", 1), ("b", 2)] {
        queue.request(&name(mart), run, &Asked::default(), at(1, 0, 0));
    }
    assert_eq!(queue.begins(at(1, 0, 0)), ["a request"]);
    assert_eq!(queue.end("a", Outcome::Held(at(1, 5, 0)), at(1, 0, 0), at(1, 0, 0)), Vec::<String>::new());
    queue.request(&name("c"), 3, &Asked::default(), at(1, 1, 0));
    assert_eq!(queue.begins(at(1, 1, 0)), ["c request"]);
    assert_eq!(queue.begins(at(1, 5, 0)), ["a request"]);
}

#[test]
fn the_words_of_errors_decide() {
    let outcomes = ["lock", "timeout", "syntax", "missing", "data", "check", "privilege"].map(Outcome::of_kind);
    use Outcome::{Failed, Lasting, Passing};
    assert_eq!(outcomes, [Passing, Passing, Lasting, Lasting, Failed, Failed, Failed]);
}
