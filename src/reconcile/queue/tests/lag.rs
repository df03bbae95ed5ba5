//! Target lag.

use super::*;

/// One with a target of so many minutes, that takes so many.
fn target(mart: &str, reads: &[&str], minutes: u64, takes: u64) -> Job {
    let mut job = taking(mart, reads, takes);
    job.policy =
        RefreshPolicy { strategy: Strategy::Scheduled, target_lag: Some(minutes * 60), ..RefreshPolicy::default() };
    job
}

fn taking(mart: &str, reads: &[&str], minutes: u64) -> Job {
    let mut job = job(mart, reads);
    job.usual = Duration::from_secs(minutes * 60);
    let ran = at(0, 0, 0);
    job.past = Past { started: Some(ran), ended: Some(ran), snapshot: Some(ran), full: Some(ran), ..Past::default() };
    job
}

/// When it ends, when it began, of which mart, as of when its rows will be.
type Running = (DateTime<Utc>, DateTime<Utc>, QName, DateTime<Utc>);

/// Runs everything, each as long as it usually takes, and gives how old each mart's rows were at worst, in seconds, what it reads
/// included, and how often each ran.
fn live(queue: &mut Queue, jobs: &[Job], until: DateTime<Utc>) -> BTreeMap<String, (i64, usize)> {
    let mut asof: BTreeMap<QName, DateTime<Utc>> = jobs.iter().map(|j| (j.mart.clone(), at(0, 0, 0))).collect();
    let mut worst: BTreeMap<String, (i64, usize)> = BTreeMap::new();
    let mut running: Vec<Running> = Vec::new();
    let mut now = at(0, 0, 0);
    while now < until {
        for start in queue.start(now, 100) {
            let job = jobs.iter().find(|j| j.mart == start.mart).expect("a job");
            let rows = job.reads.iter().map(|r| asof[r]).fold(now, DateTime::min);
            running.push((now + TimeDelta::from_std(job.usual).expect("short"), now, start.mart, rows));
        }
        let ends = running.iter().map(|run| run.0).min();
        let Some(next) = [ends, queue.next()].into_iter().flatten().min() else { break };
        now = next;
        for (_, started, mart, rows) in running.extract_if(.., |run| run.0 <= now) {
            let old = (now - asof[&mart]).num_seconds();
            let one = worst.entry(mart.name.clone()).or_default();
            *one = (one.0.max(old), one.1 + 1);
            asof.insert(mart.clone(), rows);
            queue.ended(&mart, &Ended { started, outcome: Outcome::Good, whole: true }, now);
        }
    }
    worst
}

#[test]
fn rows_are_never_older_than_the_target() {
    let jobs = vec![target("a", &[], 15, 3)];
    let (worst, runs) = live(&mut queue(jobs.clone()), &jobs, at(6, 0, 0))["a"];
    assert!(worst <= 15 * 60 && (30..=40).contains(&runs), "{worst} {runs}");
}

/// Of what was taken over nobody knows how old it is: no target waits for that.
#[test]
fn rows_of_an_unknown_age_are_refreshed_soon() {
    let mut adopted = target("a", &[], 480, 1);
    adopted.past = Past { known: Some(at(0, 0, 0)), full: Some(at(0, 0, 0)), ..Past::default() };
    let due = queue(vec![adopted]).next().expect("a time");
    assert!(due <= at(2, 0, 0), "{due}");
    let mut hourly = job("b", &[]);
    hourly.policy.schedule = vec!["1h".into()];
    hourly.past = Past { known: Some(at(0, 0, 0)), ..Past::default() };
    let due = queue(vec![hourly]).next().expect("a time");
    assert!(due <= at(1, 0, 0), "{due}");
    // What a clock says was missed since then is made up, as of any other mart.
    let mut nightly = job("c", &[]);
    nightly.policy.schedule = vec!["0 2 * * *".into()];
    nightly.past = Past { known: Some(at(0, 0, 0) - TimeDelta::days(1)), ..Past::default() };
    let due = queue(vec![nightly]).next().expect("a time");
    assert!(due < at(0, 0, 0), "{due}");
}

#[test]
fn what_it_reads_is_refreshed_early_enough_through_the_whole_chain() {
    let jobs = vec![taking("a", &[], 2), taking("b", &["a"], 1), target("c", &["b"], 20, 4)];
    let mut queue = queue(jobs.clone());
    let found = live(&mut queue, &jobs, at(6, 0, 0));
    let (worst, runs) = found["c"];
    assert!(worst <= 20 * 60 && (25..=40).contains(&runs), "{found:?}");
    // Each as often as c, not oftener.
    assert_eq!((found["a"].1, found["b"].1), (runs, runs), "{found:?}");
}

#[test]
fn a_diamond_runs_each_once_for_a_target() {
    let jobs =
        vec![taking("a", &[], 1), taking("b", &["a"], 2), taking("c", &["a"], 3), target("d", &["b", "c"], 30, 1)];
    let found = live(&mut queue(jobs.clone()), &jobs, at(6, 0, 0));
    assert!(found["d"].0 <= 30 * 60, "{found:?}");
    assert_eq!(found.values().map(|(_, runs)| *runs).collect::<BTreeSet<_>>().len(), 1, "{found:?}");
}

#[test]
fn two_targets_of_one_source_both_hold() {
    let jobs = vec![taking("a", &[], 1), target("b", &["a"], 10, 1), target("c", &["a"], 25, 1)];
    let found = live(&mut queue(jobs.clone()), &jobs, at(6, 0, 0));
    assert!(found["b"].0 <= 10 * 60 && found["c"].0 <= 25 * 60, "{found:?}");
    assert!(found["a"].1 <= found["b"].1 + found["c"].1 / 2, "{found:?}");
}

#[test]
fn the_cause_is_told_and_what_was_refreshed_just_now_is_not_again() {
    let mut queue = queue(vec![taking("a", &[], 0), target("b", &["a"], 20, 0)]);
    let due = queue.next().expect("a due time");
    assert_eq!(due, at(0, 19, 0));
    queue.request(&name("a"), 1, &Asked::default(), at(0, 15, 0));
    assert_eq!(queue.begins(at(0, 15, 0)), ["a request"]);
    queue.good("a", at(0, 15, 0), at(0, 15, 0));
    assert_eq!(queue.begins(due), ["b lag"]);
    queue.good("b", due, due);
    // As old as what it read.
    assert_eq!(queue.next(), Some(at(0, 34, 0)));
}

#[test]
fn a_target_that_cannot_be_reached_runs_again_and_again_but_not_all_the_time() {
    let jobs = vec![target("a", &[], 10, 15)];
    let (_, runs) = live(&mut queue(jobs.clone()), &jobs, at(6, 0, 0))["a"];
    assert_eq!(runs, 6 * 60 / 15);
    let mut quick = target("q", &["old"], 10, 0);
    quick.reads = BTreeSet::from([name("old")]);
    let mut old = taking("old", &[], 0);
    old.policy.suspend = true;
    let jobs = vec![quick, old];
    let found = live(&mut queue(jobs.clone()), &jobs, at(6, 0, 0));
    assert!(found["q"].1 <= 6 * 60 / 8, "a suspended source is as old as it is: {found:?}");
}

#[test]
fn a_failing_source_does_not_set_its_readers_on_fire() {
    let mut queue = queue(vec![taking("a", &[], 0), target("b", &["a"], 20, 0)]);
    let mut begun = 0;
    while let Some(now) = queue.next().filter(|now| *now <= at(6, 0, 0)) {
        for start in queue.start(now, 2) {
            begun += 1;
            assert_eq!(start.mart.name, "a", "b is skipped");
            queue.end("a", Outcome::Failed, now, now);
        }
    }
    assert!((18..=40).contains(&begun), "{begun}");
}

#[test]
fn a_new_target_holds_from_now_on() {
    let mut queue = queue(vec![target("a", &[], 60, 0)]);
    queue.set(vec![target("a", &[], 10, 0)], at(0, 30, 0));
    assert_eq!(queue.begins(at(0, 30, 0)), ["a lag"]);
}
