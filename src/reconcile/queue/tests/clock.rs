//! The clock is set while the queue waits.

use super::*;

#[test]
fn a_clock_set_back_stalls_no_interval() {
    let mut job = scheduled("a", &[], &["10m"]);
    job.past.started = Some(at(12, 0, 0));
    let mut queue = queue_at(vec![job, scheduled("b", &[], &["*/5 * * * *"])], at(12, 0, 30));
    assert_eq!(queue.begins(at(12, 0, 30)), ["b schedule"]);
    queue.good("b", at(12, 0, 30), at(12, 0, 31));
    assert_eq!(queue.begins(at(9, 2, 0)), Vec::<String>::new());
    assert_eq!(queue.next_of(&name("a")), Some(at(9, 12, 0)));
    assert_eq!(queue.next_of(&name("b")), Some(at(9, 5, 0)));
}

#[test]
fn a_fixed_time_does_not_come_twice_because_the_clock_was_set_back_a_little() {
    let mut queue = queue_at(vec![scheduled("a", &[], &["30 11 * * *"])], at(11, 0, 0));
    queue.simulate(at(11, 45, 0));
    let tomorrow = at(11, 30, 0) + TimeDelta::days(1);
    assert_eq!(queue.next(), Some(tomorrow));
    assert_eq!((queue.begins(at(11, 0, 0)), queue.next()), (vec![], Some(tomorrow)));
}

#[test]
fn a_clock_that_was_wrong_by_a_year_stalls_nothing() {
    let wrong = at(11, 0, 0) + TimeDelta::days(365);
    let mut queue = queue_at(vec![scheduled("a", &[], &["30 11 * * *"])], wrong);
    queue.simulate(wrong + TimeDelta::hours(1));
    assert_eq!((queue.begins(at(11, 0, 0)), queue.next()), (vec![], Some(at(11, 30, 0))));
}

#[test]
fn a_clock_set_forth_makes_up_once() {
    let mut job = scheduled("a", &[], &["1m"]);
    job.past.started = Some(at(0, 0, 0));
    let mut queue = queue(vec![job]);
    let later = at(0, 0, 0) + TimeDelta::days(30);
    assert_eq!(queue.begins(later), ["a missed"]);
    queue.good("a", later, later);
    assert_eq!(queue.begins(later), Vec::<String>::new());
    assert_eq!(queue.next(), Some(later + TimeDelta::minutes(1)));
}

#[test]
fn a_history_from_the_future_stalls_nothing() {
    let mut job = scheduled("a", &[], &["10m"]);
    job.past.started = Some(at(20, 0, 0));
    assert_eq!(queue_at(vec![job], at(9, 0, 0)).next(), Some(at(9, 10, 0)));
}

#[test]
fn what_waits_and_runs_keeps_its_order_when_the_clock_is_set_back() {
    let mut queue = queue_at(vec![scheduled("a", &[], &["0 12 * * *"]), job("b", &["a"])], at(11, 59, 0));
    assert_eq!(queue.begins(at(12, 0, 0)), ["a schedule"]);
    queue.request(&name("b"), 1, &Asked::default(), at(9, 0, 0));
    assert_eq!(queue.begins(at(9, 0, 1)), Vec::<String>::new());
    queue.good("a", at(12, 0, 0), at(9, 0, 2));
    assert_eq!(queue.begins(at(9, 0, 2)), ["b request"]);
}
