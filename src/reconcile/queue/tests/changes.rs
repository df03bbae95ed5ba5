//! Changes of sources and notifications.

use super::*;

fn triggered(mart: &str, reads: &[&str]) -> Job {
    let mut job = job(mart, reads);
    job.policy.strategy = Strategy::Triggered;
    job
}

#[test]
fn a_change_is_followed_after_a_second_of_quiet() {
    let mut queue = queue(vec![triggered("a", &[])]);
    assert_eq!(queue.next(), None);
    queue.changed(&name("a"), Cause::Change, at(1, 0, 0));
    assert_eq!(queue.next(), Some(at(1, 0, 1)));
    assert_eq!(queue.begins(at(1, 0, 1)), ["a change"]);
    queue.good("a", at(1, 0, 1), at(1, 0, 2));
    assert_eq!(queue.next(), None);
}

#[test]
fn every_change_begins_the_quiet_anew_up_to_the_longest_wait() {
    let mut job = triggered("a", &[]);
    (job.policy.debounce, job.policy.max_wait) = (Some(5), Some(12));
    let mut queue = queue(vec![job]);
    for second in [0, 4, 8] {
        queue.changed(&name("a"), Cause::Notify, at(1, 0, second));
    }
    assert_eq!(queue.next(), Some(at(1, 0, 12)));
    assert_eq!(queue.begins(at(1, 0, 12)), ["a notify"]);
}

#[test]
fn a_change_during_the_run_means_another_run() {
    let mut queue = queue(vec![triggered("a", &[])]);
    queue.changed(&name("a"), Cause::Change, at(1, 0, 0));
    assert_eq!(queue.begins(at(1, 0, 1)), ["a change"]);
    queue.changed(&name("a"), Cause::Change, at(1, 0, 2));
    assert_eq!(queue.begins(at(1, 0, 4)), Vec::<String>::new());
    queue.good("a", at(1, 0, 1), at(1, 0, 5));
    assert_eq!(queue.begins(at(1, 0, 5)), ["a change"]);
}

#[test]
fn two_marts_of_one_source_run_in_their_order_and_once() {
    let mut queue = queue(vec![triggered("b", &["a"]), triggered("a", &[])]);
    queue.changed(&name("b"), Cause::Change, at(1, 0, 0));
    queue.changed(&name("a"), Cause::Change, at(1, 0, 0));
    let all = queue.simulate(at(2, 0, 0));
    assert_eq!(all.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>(), ["a change", "b change"]);
}

#[test]
fn who_is_not_triggered_is_not_triggered() {
    let mut queue = queue(vec![job("a", &[])]);
    queue.changed(&name("a"), Cause::Change, at(1, 0, 0));
    queue.changed(&name("nobody"), Cause::Change, at(1, 0, 0));
    assert_eq!(queue.next(), None);
}

#[test]
fn a_change_of_a_suspended_mart_is_remembered() {
    let suspended = |suspend| {
        let mut job = triggered("a", &[]);
        job.policy.suspend = suspend;
        job
    };
    let mut queue = queue(vec![suspended(true)]);
    queue.changed(&name("a"), Cause::Change, at(1, 0, 0));
    assert_eq!((queue.next(), queue.begins(at(5, 0, 0))), (None, vec![]));
    queue.set(vec![suspended(false)], at(6, 0, 0));
    assert_eq!(queue.begins(at(6, 0, 0)), ["a change"]);
}

#[test]
fn a_nightly_backstop_beside() {
    let mut job = triggered("a", &[]);
    job.policy.schedule = vec!["0 3 * * *".to_owned()];
    let mut queue = queue(vec![job]);
    queue.changed(&name("a"), Cause::Change, at(1, 0, 0));
    let all = queue.simulate(at(4, 0, 0));
    assert_eq!(all, [(at(1, 0, 1), "a change".to_owned()), (at(3, 0, 0), "a schedule".to_owned())]);
}
