//! The marts change while the queue works.

use super::*;

#[test]
fn a_changed_schedule_counts_from_now_an_equal_one_goes_on() {
    let mut job = scheduled("a", &[], &["10m"]);
    job.past.started = Some(at(0, 0, 0));
    let mut queue = queue(vec![job.clone()]);
    queue.set(vec![job.clone()], at(0, 5, 0));
    assert_eq!(queue.next(), Some(at(0, 10, 0)));
    job.policy.schedule = vec!["4m".to_owned()];
    queue.set(vec![job.clone()], at(0, 6, 0));
    assert!((at(0, 6, 0)..=at(0, 10, 0)).contains(&queue.next().expect("a due time")));
    job.policy.schedule = vec!["0 * * * *".to_owned()];
    queue.set(vec![job], at(0, 7, 0));
    assert_eq!(queue.next(), Some(at(1, 0, 0)));
}

#[test]
fn what_is_due_stays_due_and_what_runs_stays_at_work() {
    let jobs = vec![scheduled("a", &[], &["0 12 * * *"]), scheduled("b", &["a"], &["0 12 * * *"])];
    let mut queue = queue_at(jobs.clone(), at(11, 0, 0));
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    queue.set(jobs, at(12, 0, 1));
    assert!(queue.is_running(&name("a")));
    assert_eq!(queue.begins(at(12, 0, 1)), Vec::<String>::new());
    queue.good("a", at(12, 0, 0), at(12, 0, 2));
    assert_eq!(queue.begins(at(12, 0, 2)), ["b schedule"]);
}

#[test]
fn a_mart_that_goes_and_comes_back_while_it_runs_does_not_run_twice() {
    let mut queue = queue(vec![job("a", &[])]);
    queue.request(&name("a"), 1, &Asked::default(), at(1, 0, 0));
    assert_eq!(queue.begins(at(1, 0, 0)), ["a request"]);
    queue.request(&name("a"), 2, &Asked::default(), at(1, 0, 1));
    assert_eq!(queue.set(vec![], at(1, 0, 2)), [2]);
    assert_eq!(queue.request(&name("a"), 3, &Asked::default(), at(1, 0, 2)), Requested::Unknown);
    queue.set(vec![job("a", &[])], at(1, 0, 3));
    queue.request(&name("a"), 4, &Asked::default(), at(1, 0, 3));
    assert_eq!(queue.begins(at(1, 0, 3)), Vec::<String>::new());
    queue.good("a", at(1, 0, 0), at(1, 0, 4));
    assert_eq!(queue.begins(at(1, 0, 4)), ["a request"]);
}

#[test]
fn a_mart_that_is_gone_is_forgotten() {
    let mut queue = queue(vec![scheduled("a", &[], &["10m"])]);
    queue.set(vec![], at(0, 1, 0));
    assert_eq!((queue.next(), queue.next_of(&name("a")), queue.waiting()), (None, None, 0));
    assert_eq!(queue.end("a", Outcome::Good, at(0, 0, 0), at(0, 0, 1)), Vec::<String>::new());
}

#[test]
fn what_came_due_while_it_was_suspended_is_made_up_once() {
    let with = |suspend| {
        let mut job = scheduled("a", &[], &["0 * * * *"]);
        job.policy.suspend = suspend;
        job
    };
    let mut queue = queue_at(vec![with(false)], at(0, 0, 1));
    queue.simulate(at(0, 30, 0));
    queue.set(vec![with(true)], at(0, 30, 0));
    assert_eq!((queue.next(), queue.begins(at(4, 0, 0))), (None, vec![]));
    queue.set(vec![with(false)], at(4, 30, 0));
    assert_eq!(queue.begins(at(4, 30, 0)), ["a missed"]);
    queue.good("a", at(4, 30, 0), at(4, 30, 0));
    assert_eq!(queue.next(), Some(at(5, 0, 0)));
}
