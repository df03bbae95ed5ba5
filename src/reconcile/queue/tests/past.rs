//! What a daemon that ended left to be done.

use super::*;

/// A mart whose last run changed rows, and ended then.
fn changed(job: Job, ended: DateTime<Utc>, snapshot: &str) -> Job {
    let past = Past { started: Some(ended), ended: Some(ended), snapshot: Some(ended), ..job.past };
    Job { past: Past { changed: Some((ended, snapshot.to_owned())), read: Some(snapshot.to_owned()), ..past }, ..job }
}

/// One that ran then.
fn ran(job: Job, started: DateTime<Utc>, snapshot: &str) -> Job {
    let past = Past { started: Some(started), ended: Some(started), snapshot: Some(started), ..job.past };
    Job { past: Past { read: Some(snapshot.to_owned()), ..past }, ..job }
}

#[test]
fn what_was_to_follow_when_the_daemon_ended_follows() {
    let a = changed(scheduled("a", &[], &["0 1 * * *"]), at(1, 0, 5), "7");
    let jobs =
        vec![a, ran(job("b", &["v"]), at(0, 30, 0), "5"), view("v", &["a"]), ran(job("c", &["b"]), at(0, 30, 0), "5")];
    let mut queue = queue_at(jobs, at(1, 1, 0));
    assert_eq!(queue.begins(at(1, 1, 0)), ["b after"]);
    queue.good("b", at(1, 1, 0), at(1, 1, 1));
    assert_eq!(queue.begins(at(1, 1, 1)), ["c after"]);
}

#[test]
fn what_has_followed_already_does_not_follow_again() {
    let later = ran(job("later", &["a"]), at(1, 0, 6), "8");
    let along = ran(job("along", &["a"]), at(1, 0, 4), "7");
    let own = ran(scheduled("own", &["a"], &["0 18 * * *"]), at(0, 30, 0), "5");
    let mut asleep = ran(job("asleep", &["a"]), at(0, 30, 0), "5");
    asleep.policy.suspend = true;
    let jobs = vec![changed(job("a", &[]), at(1, 0, 5), "7"), later, along, own, asleep];
    assert_eq!(queue_at(jobs, at(1, 1, 0)).begins(at(1, 1, 0)), Vec::<String>::new());
}

#[test]
fn what_failed_since_then_waits_for_its_retry() {
    let failed =
        Past { started: Some(at(1, 0, 6)), ended: Some(at(1, 0, 30)), failures: 1, can_pass: true, ..Past::default() };
    let b = Job { past: failed, ..job("b", &["a"]) };
    let mut queue = queue_at(vec![changed(job("a", &[]), at(1, 0, 5), "7"), b], at(1, 0, 31));
    assert_eq!(queue.begins(at(1, 0, 31)), Vec::<String>::new());
    assert_eq!(queue.begins(at(1, 1, 0)), ["b retry"]);
}
