//! Who runs before whom, and what follows.

use super::*;

const NOON: &str = "0 12 * * *";

fn noon(mart: &str, reads: &[&str]) -> Job {
    scheduled(mart, reads, &[NOON])
}

fn before_noon(jobs: Vec<Job>) -> Queue {
    let mut queue = queue_at(jobs, at(11, 0, 0));
    // What the history says was long ago: nothing of it.
    assert_eq!(queue.begins_of(at(11, 0, 0), 0), Vec::<String>::new());
    queue
}

#[test]
fn who_stands_aside_does_not_begin_and_who_reads_it_waits_for_it() {
    let mut queue = before_noon(vec![noon("a", &[]), noon("b", &["a"]), noon("c", &[]), job("d", &["c"])]);
    queue.stand_aside([name("a"), name("d")].into());
    assert_eq!(queue.begins_of(at(12, 0, 0), 9), ["c schedule"]);
    // Nor does it go along with others.
    assert_eq!(queue.along(&name("c"), |_| true, at(12, 0, 0)), Vec::<QName>::new());
    queue.good("c", at(12, 0, 0), at(12, 0, 1));
    assert_eq!(queue.begins_of(at(12, 0, 2), 9), Vec::<String>::new());
    queue.stand_aside(BTreeSet::new());
    assert_eq!(queue.begins_of(at(12, 0, 3), 9), ["a schedule", "d after"]);
    queue.good("a", at(12, 0, 3), at(12, 0, 4));
    assert_eq!(queue.begins_of(at(12, 0, 4), 9), ["b schedule"]);
}

#[test]
fn upstream_first_in_one_instant_through_others_too() {
    let jobs = vec![noon("c", &["b"]), job("b", &["a"]), noon("a", &[])];
    let mut queue = before_noon(jobs);
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    queue.good("a", at(12, 0, 0), at(12, 1, 0));
    // b follows from a; c was due with a and reads b.
    assert_eq!(queue.begins(at(12, 1, 0)), ["b after"]);
    queue.good("b", at(12, 1, 0), at(12, 2, 0));
    assert_eq!(queue.begins(at(12, 2, 0)), ["c schedule"]);
    queue.good("c", at(12, 2, 0), at(12, 3, 0));
    assert_eq!((queue.begins(at(12, 3, 0)), queue.waiting()), (vec![], 0));
}

#[test]
fn larger_priority_first_then_larger_marts() {
    let sized = |mart, size_bytes, priority| {
        let mut job = noon(mart, &[]);
        (job.size_bytes, job.policy.priority) = (size_bytes, priority);
        job
    };
    let jobs = vec![sized("small", 1, 0), sized("large", 9, 0), sized("urgent", 0, 5), sized("other", 9, 0)];
    let mut queue = before_noon(jobs);
    assert_eq!(queue.begins_of(at(12, 0, 0), 3), ["urgent schedule", "large schedule", "other schedule"]);
    assert_eq!((queue.waiting(), queue.lateness(at(12, 0, 9))), (1, TimeDelta::seconds(9)));
    queue.good("large", at(12, 0, 0), at(12, 0, 9));
    assert_eq!(queue.begins_of(at(12, 0, 9), 1), ["small schedule"]);
}

#[test]
fn who_is_more_important_again_and_again_keeps_nobody_waiting_for_ever() {
    let mut urgent = scheduled("urgent", &[], &["10s"]);
    (urgent.policy.priority, urgent.past.started) = (5, Some(at(11, 59, 50)));
    let mut queue = queue_at(vec![urgent, noon("small", &[])], at(11, 59, 55));
    let mut now = at(12, 0, 0);
    let mut began = Vec::new();
    while now < at(12, 2, 0) {
        began.extend(queue.begins_of(now, 1));
        let mart = if began.last().is_some_and(|last| last.starts_with("small")) { "small" } else { "urgent" };
        queue.good(mart, now, now + TimeDelta::seconds(15));
        now += TimeDelta::seconds(15);
    }
    assert_eq!(began.iter().filter(|what| *what == "small schedule").count(), 1, "{began:?}");
    assert_eq!(began[..4], ["urgent schedule"; 4]);
}

#[test]
fn what_reads_a_mart_follows_each_once_in_a_diamond_of_two_depths() {
    let jobs = vec![noon("a", &[]), job("b", &["a"]), job("c", &["b"]), job("d", &["a", "c"]), job("e", &["d", "b"])];
    let all = before_noon(jobs).simulate(at(13, 0, 0));
    let all: Vec<&str> = all.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!(all, ["a schedule", "b after", "c after", "d after", "e after"]);
}

#[test]
fn a_chain_passes_through_views_and_only_rows_run() {
    let jobs = vec![noon("a", &[]), view("v", &["a"]), view("w", &["v"]), job("b", &["w"])];
    let mut queue = before_noon(jobs);
    assert_eq!(queue.simulate(at(13, 0, 0)).len(), 2);
    assert_eq!((queue.next_of(&name("v")), queue.next_of(&name("b"))), (None, None));
}

#[test]
fn who_does_not_want_to_does_not_follow() {
    let asleep = |mart: &str| {
        let mut job = job(mart, &["a"]);
        job.policy.suspend = true;
        job
    };
    let own = scheduled("own", &["a"], &["0 18 * * *"]);
    let mut queue = before_noon(vec![noon("a", &[]), own, asleep("s"), job("reads_s", &["s"])]);
    assert_eq!(queue.simulate(at(13, 0, 0)).len(), 1);
}

#[test]
fn nothing_follows_where_nothing_changed() {
    let mut queue = before_noon(vec![noon("a", &[]), job("b", &["a"]), noon("c", &["a"])]);
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    assert_eq!(queue.end("a", Outcome::Unchanged, at(12, 0, 0), at(12, 0, 1)), Vec::<String>::new());
    assert_eq!(queue.begins(at(12, 0, 1)), ["c schedule"]);
}

#[test]
fn a_mart_that_is_always_at_work_does_not_hold_up_its_readers_for_ever() {
    let mut always = scheduled("always", &[], &["1m"]);
    always.past.started = Some(at(11, 59, 0));
    let mut queue = queue_at(vec![always, noon("reader", &["always"])], at(11, 59, 30));
    assert_eq!(queue.begins_of(at(12, 0, 0), 1), ["always schedule"]);
    queue.good("always", at(12, 0, 0), at(12, 2, 0));
    assert_eq!(queue.begins_of(at(12, 2, 0), 2), ["reader schedule", "always schedule"]);
}

#[test]
fn what_is_due_later_is_not_waited_for() {
    let mut upstream = scheduled("upstream", &[], &["0 13 * * *"]);
    upstream.policy.after = false;
    let mut queue = queue_at(vec![upstream, noon("reader", &["upstream"]), noon("other", &[])], at(11, 0, 0));
    assert_eq!(queue.begins_of(at(12, 0, 0), 1), ["other schedule"]);
    // One place only: the reader still waits when what it reads comes due, an hour later.
    queue.good("other", at(12, 0, 0), at(13, 0, 0));
    assert_eq!(queue.begins_of(at(13, 0, 0), 1), ["reader schedule"]);
}

#[test]
fn a_circle_holds_up_nobody() {
    let mut queue = before_noon(vec![noon("a", &["b"]), noon("b", &["a"]), noon("c", &["c"])]);
    let all = queue.simulate(at(13, 0, 0));
    assert_eq!(
        all.iter().map(|(_, what)| what.clone()).collect::<BTreeSet<_>>(),
        names(&["a schedule", "b schedule", "c schedule"])
    );
}

#[test]
fn a_refresh_by_hand_counts_and_is_followed() {
    let mut own = scheduled("a", &[], &["10m"]);
    own.past.started = Some(at(11, 55, 0));
    own.past.ended = own.past.started;
    let mut queue = queue_at(vec![own, job("b", &["a"])], at(12, 0, 0));
    queue.refreshed_elsewhere(&name("a"), at(12, 1, 0), Some(at(12, 1, 0)), at(12, 2, 0));
    assert_eq!(queue.next_of(&name("a")), Some(at(12, 11, 0)));
    assert_eq!(queue.begins(at(12, 2, 0)), ["b after"]);
}

#[test]
fn a_refresh_by_hand_that_changed_nothing_is_not_followed() {
    let mut queue = queue_at(vec![job("a", &[]), job("b", &["a"])], at(12, 0, 0));
    queue.refreshed_elsewhere(&name("a"), at(12, 1, 0), None, at(12, 2, 0));
    assert_eq!(queue.begins(at(12, 2, 0)), Vec::<String>::new());
    // One that changed rows came before it, and was not heard of.
    queue.refreshed_elsewhere(&name("a"), at(12, 4, 0), Some(at(12, 3, 0)), at(12, 5, 0));
    assert_eq!(queue.begins(at(12, 5, 0)), ["b after"]);
    queue.good("b", at(12, 5, 0), at(12, 5, 1));
    queue.refreshed_elsewhere(&name("a"), at(12, 6, 0), Some(at(12, 3, 0)), at(12, 7, 0));
    assert_eq!(queue.begins(at(12, 7, 0)), Vec::<String>::new());
}

#[test]
fn a_run_of_its_own_that_is_heard_of_again_is_not_followed_twice() {
    let mut queue = before_noon(vec![noon("a", &[]), job("b", &["a"])]);
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    queue.good("a", at(12, 0, 0), at(12, 0, 3));
    assert_eq!(queue.begins(at(12, 0, 3)), ["b after"]);
    queue.good("b", at(12, 0, 3), at(12, 0, 4));
    queue.refreshed_elsewhere(&name("a"), at(12, 0, 1), Some(at(12, 0, 1)), at(12, 0, 5));
    assert_eq!(queue.begins(at(12, 0, 5)), Vec::<String>::new());
}

#[test]
fn what_was_due_is_done_by_a_refresh_that_began_after_it() {
    let mut queue = before_noon(vec![noon("a", &[])]);
    assert_eq!(queue.begins_of(at(12, 0, 0), 0), Vec::<String>::new());
    queue.refreshed_elsewhere(&name("a"), at(12, 0, 1), Some(at(12, 0, 1)), at(12, 0, 2));
    assert_eq!(queue.begins(at(12, 0, 2)), Vec::<String>::new());
}

#[test]
fn what_goes_along_begins_with_it_and_follows_once() {
    let jobs = vec![noon("a", &[]), job("b", &["a"]), job("c", &["a"]), job("d", &["b", "c"]), job("e", &["d"])];
    let mut queue = before_noon(jobs);
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    assert_eq!(queue.along(&name("a"), |mart| mart.name != "e", at(12, 0, 0)), [name("b"), name("c"), name("d")]);
    assert_eq!(queue.along(&name("a"), |_| true, at(12, 0, 0)), []);
    assert_eq!(queue.begins(at(12, 0, 1)), Vec::<String>::new());
    for mart in ["a", "b", "c", "d"] {
        queue.good(mart, at(12, 0, 0), at(12, 0, 2));
    }
    assert_eq!(queue.begins(at(12, 0, 2)), ["e after"]);
    queue.good("e", at(12, 0, 2), at(12, 0, 3));
    assert_eq!((queue.begins(at(12, 0, 3)), queue.waiting()), (vec![], 0));
}

#[test]
fn what_did_not_go_along_goes_by_itself_where_it_is_due() {
    let jobs = vec![noon("a", &[]), job("b", &["a"]), job("c", &["b"]), noon("x", &[]), job("y", &["a", "x"])];
    let mut queue = before_noon(jobs);
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule", "x schedule"]);
    // Another one that y reads is at work.
    assert_eq!(queue.along(&name("a"), |_| true, at(12, 0, 0)), [name("b"), name("c")]);
    queue.good("a", at(12, 0, 0), at(12, 0, 1));
    queue.apart(&name("b"), true, at(12, 0, 1));
    queue.apart(&name("c"), false, at(12, 0, 1));
    assert_eq!(queue.begins(at(12, 0, 1)), ["b after"]);
    queue.good("b", at(12, 0, 1), at(12, 0, 2));
    queue.good("x", at(12, 0, 0), at(12, 0, 2));
    assert_eq!(queue.begins(at(12, 0, 2)), ["c after", "y after"]);
}
