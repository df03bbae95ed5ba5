//! What somebody asks for.

use super::*;

fn how(how: How, days: Option<u32>) -> Asked {
    Asked { how, days, ..Asked::default() }
}

#[test]
fn a_suspended_mart_is_refreshed_on_request() {
    let mut job = scheduled("a", &[], &["1m"]);
    job.policy.suspend = true;
    let mut queue = queue(vec![job]);
    assert_eq!((queue.next(), queue.begins(at(5, 0, 0))), (None, vec![]));
    assert_eq!(queue.request(&name("a"), 7, &Asked::default(), at(5, 0, 0)), Requested::Queued);
    let starts = queue.start(at(5, 0, 0), 1);
    let asked = &starts[0].asked;
    assert_eq!((asked.run, asked.cause, asked.due_at), (Some(7), Some("request"), Some(at(5, 0, 0))));
    queue.good("a", at(5, 0, 0), at(5, 0, 1));
    assert_eq!(queue.next(), None);
}

#[test]
fn requests_for_the_same_join() {
    let mut queue = queue(vec![job("a", &[])]);
    let asked = Asked::default();
    assert_eq!(queue.request(&name("a"), 1, &asked, at(1, 0, 0)), Requested::Queued);
    assert_eq!(queue.request(&name("a"), 2, &asked, at(1, 0, 0)), Requested::Joined(1));
    assert_eq!(queue.request(&name("a"), 2, &asked, at(1, 0, 0)), Requested::Joined(1));
    assert_eq!(queue.request(&name("a"), 3, &how(How::Incremental, Some(2)), at(1, 0, 0)), Requested::Queued);
    let starts = queue.start(at(1, 0, 0), 2);
    assert_eq!(starts.iter().map(|s| (s.asked.run, s.joined.clone())).collect::<Vec<_>>(), [(Some(1), vec![2])]);
    // One that begins afterwards sees what came meanwhile.
    assert_eq!(queue.request(&name("a"), 4, &asked, at(1, 0, 1)), Requested::Queued);
    queue.good("a", at(1, 0, 0), at(1, 0, 2));
    assert_eq!(queue.start(at(1, 0, 2), 2)[0].asked.run, Some(3));
    queue.good("a", at(1, 0, 2), at(1, 0, 3));
    assert_eq!(queue.start(at(1, 0, 3), 2)[0].asked.run, Some(4));
}

#[test]
fn a_request_takes_along_what_is_due_where_it_does_as_much() {
    for (asked, took) in
        [(how(How::AsDeclared, None), true), (how(How::Full, None), true), (how(How::Incremental, Some(3)), false)]
    {
        let mut queue = queue_at(vec![scheduled("a", &[], &["0 12 * * *"])], at(11, 0, 0));
        assert_eq!(queue.begins_of(at(12, 0, 0), 0), Vec::<String>::new());
        queue.request(&name("a"), 1, &asked, at(12, 0, 0));
        assert_eq!(queue.begins(at(12, 0, 0)), ["a request"]);
        queue.good("a", at(12, 0, 0), at(12, 0, 1));
        assert_eq!(queue.begins(at(12, 0, 1)).is_empty(), took, "{asked:?}");
    }
}

#[test]
fn a_plain_request_becomes_a_whole_run_where_that_is_due() {
    let mut job = scheduled("a", &[], &["0 * * * *"]);
    job.policy.incremental = incremental("0 12 * * *");
    let mut queue = queue_at(vec![job], at(11, 30, 0));
    assert_eq!(queue.begins_of(at(12, 0, 0), 0), Vec::<String>::new());
    queue.request(&name("a"), 1, &Asked::default(), at(12, 0, 1));
    // What has waited longer goes first; the request may be content with it, or not: it was asked for after that was due.
    let starts = queue.start(at(12, 0, 1), 1);
    assert_eq!((starts[0].asked.how, starts[0].cause), (How::Full, Cause::Schedule));
}

#[test]
fn what_is_asked_for_together_runs_in_order_and_fails_together() {
    let mut queue = queue(vec![job("a", &[]), view("v", &["a"]), job("b", &["v"]), job("c", &["b"])]);
    for (run, mart) in [(1, "c"), (2, "b"), (3, "a")] {
        queue.request(&name(mart), run, &Asked::default(), at(1, 0, 0));
    }
    assert_eq!(queue.request(&name("v"), 4, &Asked::default(), at(1, 0, 0)), Requested::NoRows);
    assert_eq!(queue.request(&name("x"), 5, &Asked::default(), at(1, 0, 0)), Requested::Unknown);
    assert_eq!(queue.begins(at(1, 0, 0)), ["a request"]);
    let ended = Ended { started: at(1, 0, 0), outcome: Outcome::Lasting, whole: true };
    let skips = queue.ended(&name("a"), &ended, at(1, 0, 1));
    let found: Vec<_> = skips.iter().map(|skip| (skip.mart.name.as_str(), skip.runs.clone(), skip.reason())).collect();
    let because = |mart: &str| format!("public.{mart}, which it reads, was not refreshed");
    assert_eq!(found, [("b", vec![2], because("a")), ("c", vec![1], because("b"))]);
    assert_eq!((queue.begins(at(1, 0, 1)), queue.waiting()), (vec![], 0));
}

#[test]
fn what_follows_and_was_asked_for_runs_once() {
    let mut queue = queue(vec![job("a", &[]), job("b", &["a"])]);
    for (run, mart) in [(1, "a"), (2, "b")] {
        queue.request(&name(mart), run, &Asked::default(), at(1, 0, 0));
    }
    let all = queue.simulate(at(2, 0, 0));
    assert_eq!(all, []);
    assert_eq!(queue.begins(at(1, 0, 0)), ["a request"]);
    queue.good("a", at(1, 0, 0), at(1, 0, 1));
    assert_eq!(queue.begins(at(1, 0, 1)), ["b request"]);
    queue.good("b", at(1, 0, 1), at(1, 0, 2));
    assert_eq!((queue.begins(at(1, 0, 2)), queue.waiting()), (vec![], 0));
}

#[test]
fn a_waiting_request_can_be_taken_back() {
    let mut queue = queue(vec![job("a", &[])]);
    for run in [1, 2, 3] {
        queue.request(&name("a"), run, &Asked::default(), at(1, 0, 0));
    }
    assert_eq!([queue.cancel(1), queue.cancel(3), queue.cancel(9)], [true, true, false]);
    let starts = queue.start(at(1, 0, 0), 1);
    assert_eq!((starts[0].asked.run, starts[0].joined.len()), (Some(2), 0));
    assert!(!queue.cancel(2), "it runs");
}
