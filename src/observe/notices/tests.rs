use std::slice::from_ref;

use super::*;
use crate::build::CheckResult;
use crate::refresh::{Method, RunError};
use crate::state::{CheckSeverity, Freshness, Kind, QName, RefreshPolicy};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn mart(name: &str) -> Mart {
    let json = json!({
        "name": QName::new("public", name), "type": Kind::Table, "query": "SELECT 1", "search_path": ["public"],
        "timezone": "UTC", "refresh": RefreshPolicy { warn_duration: Some(5), ..RefreshPolicy::default() },
    });
    let freshness = Freshness { column: None, warn_after: None, error_after: Some(60) };
    Mart { freshness: Some(freshness), ..serde_json::from_value(json).unwrap() }
}

fn since(seconds: i64) -> Since {
    Since { snapshot: Some(at(seconds)), ..Since::default() }
}

fn run(status: RunStatus, started: i64) -> Run {
    Run {
        run: 1,
        mart: "public.sales".into(),
        method: Some(Method::Swap),
        reason: String::new(),
        status,
        started_at: at(started),
        finished_at: at(started),
        duration_ms: 10.0,
        rows_inserted: None,
        rows_updated: None,
        rows_deleted: None,
        row_count: Some(3),
        size_bytes: None,
        newest: None,
        revision: None,
        checks: Vec::new(),
        error: None,
        snapshot: None,
        decision: None,
        not_before: None,
    }
}

fn failed(kind: &str) -> Run {
    let error = RunError {
        kind: kind.into(),
        sqlstate: None,
        message: "no luck".into(),
        hint: None,
        context: None,
        detail: None,
    };
    Run { error: Some(error), ..run(RunStatus::Failed, 0) }
}

fn words(notices: impl IntoIterator<Item = Notice>) -> Vec<String> {
    notices.into_iter().map(|notice| format!("{} {}", notice.occasion.as_str(), notice.text)).collect()
}

fn sales() -> Notices {
    let mut notices = Notices::default();
    assert_eq!(notices.marts([(&mart("sales"), since(0))], at(1)), []);
    notices
}

const REFRESHED: &str = "refreshed public.sales was refreshed in 0.0 s, 3 rows";
const FAILED: &str = "refresh_failed public.sales was not refreshed: no luck";

#[test]
fn a_failure_is_told_once_and_its_end_once() {
    let mut notices = sales();
    assert_eq!(words(notices.ended(&failed("data"), at(2))), [FAILED]);
    assert_eq!(words(notices.ended(&failed("lock"), at(3))), [""; 0]);
    assert_eq!(words(notices.ended(&run(RunStatus::Skipped, 3), at(3))), [""; 0]);
    let recovered = "recovered public.sales has recovered, it was: refresh failed";
    assert_eq!(words(notices.ended(&run(RunStatus::Success, 4), at(4))), [REFRESHED, recovered]);
    let one = Run { row_count: Some(1), ..run(RunStatus::Success, 5) };
    assert_eq!(words(notices.ended(&one, at(5))), [REFRESHED.replace("3 rows", "1 row")]);
    assert_eq!(words(notices.ended(&failed("data"), at(6))), [FAILED]);
    let states: Vec<_> = notices.changes().into_iter().map(|c| (c.state, c.holds)).collect();
    let state = || "refresh_failed".to_owned();
    assert_eq!(states, [(state(), true), (state(), false), (state(), true)]);
    assert_eq!(notices.changes(), []);
}

#[test]
fn what_was_told_before_a_restart_is_not_told_again() {
    let mut notices = Notices::new([("public.sales".to_owned(), "refresh_failed".to_owned())]);
    notices.marts([(&mart("sales"), since(0))], at(1));
    assert_eq!(words(notices.ended(&failed("data"), at(2))), [""; 0]);
    // Nothing changed, nothing new; but it is well again.
    let recovered = "recovered public.sales has recovered, it was: refresh failed";
    assert_eq!(words(notices.ended(&run(RunStatus::Noop, 3), at(3))), [recovered]);
}

#[test]
fn a_mart_is_stale_at_its_moment() {
    let mut notices = sales();
    assert_eq!(notices.next(), Some(at(61)));
    assert_eq!(words(notices.tick(at(60))), [""; 0]);
    let stale = "stale the data of public.sales is 1m 1s old, older than 1m";
    assert_eq!(words(notices.tick(at(61))), [stale]);
    assert_eq!((notices.next(), words(notices.tick(at(99)))), (None, vec![]));
    let recovered = "recovered public.sales has recovered, it was: stale";
    assert_eq!(words(notices.ended(&run(RunStatus::Success, 100), at(101))), [REFRESHED, recovered]);
    assert_eq!(notices.next(), Some(at(161)));
    // Somebody else can bring it up to date, too.
    notices.tick(at(200));
    assert_eq!(words(notices.marts([(&mart("sales"), since(190))], at(201))), [recovered]);
}

#[test]
fn what_writers_keep_does_not_become_stale() {
    let mut kept = mart("sales");
    kept.refresh.strategy = crate::state::Strategy::OnCommit;
    let mut notices = Notices::default();
    assert_eq!(notices.marts([(&kept, since(0))], at(1)), []);
    assert_eq!((notices.next(), words(notices.tick(at(9_999)))), (None, vec![]));
    assert_eq!(words(notices.ended(&run(RunStatus::Success, 100), at(101))), [REFRESHED]);
    assert_eq!(notices.next(), None);
}

#[test]
fn the_newest_row_is_of_the_mart_s_time_zone() {
    let mut tokyo = mart("sales");
    tokyo.timezone = "Asia/Tokyo".to_owned();
    tokyo.freshness = Some(Freshness { column: Some("at".into()), ..tokyo.freshness.unwrap_or_default() });
    // `at(0)` is 08:00 there.
    let newest = Since { newest: Some("2027-01-15T17:00:00".to_owned()), ..since(0) };
    let mut notices = Notices::default();
    assert_eq!(notices.marts([(&tokyo, newest)], at(1)), []);
    assert_eq!(notices.next(), Some(at(61)));
}

#[test]
fn all_that_was_wrong_has_to_be_over() {
    let mut notices = sales();
    notices.ended(&failed("data"), at(2));
    notices.tick(at(100));
    // Its newest row did not get younger.
    let mut old = mart("sales");
    old.freshness = Some(Freshness { column: Some("day".into()), warn_after: None, error_after: Some(60) });
    let newest = |text: &str| Since { snapshot: Some(at(99)), newest: Some(text.into()), suspended: false };
    assert_eq!(notices.marts([(&old, newest("2020-01-01"))], at(101)), []);
    let fresh = |newest: &str, started| Run { newest: Some(newest.into()), ..run(RunStatus::Success, started) };
    assert_eq!(words(notices.ended(&fresh("2020-01-02", 102), at(103))), [REFRESHED]);
    let recovered = "recovered public.sales has recovered, it was: stale";
    assert_eq!(words(notices.ended(&fresh("2030-01-02", 104), at(105))), [REFRESHED, recovered]);
}

#[test]
fn checks_are_told_apart() {
    let mut notices = sales();
    let told = "check_failed public.sales was not refreshed: no luck";
    assert_eq!(words(notices.ended(&failed("check"), at(2))), [told]);
    let recovered = "recovered public.sales has recovered, it was: check failed";
    assert_eq!(words(notices.ended(&run(RunStatus::Success, 3), at(3))), [REFRESHED, recovered]);
    let check = |status| CheckResult {
        mart: "public.sales".into(),
        name: "positive".into(),
        severity: CheckSeverity::Warn,
        status,
        failing_rows: Some(1),
        sample: Vec::new(),
        message: None,
        duration_ms: 1.0,
    };
    let warned = Run { checks: vec![check(CheckStatus::Failed)], ..run(RunStatus::Success, 4) };
    let warning = "check_failed public.sales was refreshed, and does not pass positive";
    assert_eq!(words(notices.ended(&warned, at(4))), [REFRESHED, warning]);
    assert_eq!(words(notices.ended(&warned, at(5))), [REFRESHED]);
    let passed = Run { checks: vec![check(CheckStatus::Passed)], ..run(RunStatus::Success, 6) };
    assert_eq!(words(notices.ended(&passed, at(6))), [REFRESHED, recovered]);
}

#[test]
fn slow_runs_are_told_until_a_quick_one() {
    let mut notices = sales();
    let slow = |started| Run { duration_ms: 5_100.0, ..run(RunStatus::Success, started) };
    let refreshed = "refreshed public.sales was refreshed in 5.1 s, 3 rows";
    let told = "slow public.sales took 5.1 s, longer than its warn_duration of 5s";
    assert_eq!(words(notices.ended(&slow(2), at(8))), [refreshed, told]);
    assert_eq!(words(notices.ended(&slow(9), at(15))), [refreshed]);
    assert_eq!(words(notices.ended(&run(RunStatus::Success, 16), at(17))), [REFRESHED]);
    assert_eq!(words(notices.ended(&slow(18), at(24))), [refreshed, told]);
}

#[test]
fn drift_is_told_by_what_drifted() {
    let mut notices = sales();
    let drift = |mart: &str, aspect: &str| Drift {
        address: mart.into(),
        kind: Kind::Table,
        aspect: aspect.into(),
        message: format!("{aspect} was changed"),
        expected: None,
        actual: None,
        diff: String::new(),
    };
    let (owner, index) = (drift("public.sales", "owner"), drift("public.sales", "indexes:x"));
    let told = words(notices.drifted(&[owner.clone(), drift("public.other", "owner")], &[]));
    let other = "drift public.other is not as it was applied: owner was changed";
    assert_eq!(told, [other, "drift public.sales is not as it was applied: owner was changed"]);
    let more = words(notices.drifted(&[owner.clone(), index.clone()], &[]));
    let back = |mart: &str| format!("recovered {mart} is as it was applied again");
    assert_eq!(
        more,
        ["drift public.sales is not as it was applied: indexes:x was changed".to_owned(), back("public.other")]
    );
    assert_eq!(words(notices.drifted(from_ref(&index), &[])), [""; 0]);
    assert_eq!(words(notices.drifted(&[], from_ref(&index))), [back("public.sales")]);
    // What was put back before anybody heard of it is told all the same: that it was, and that it is over.
    let healed = "drift public.sales was not as it was applied, which was put back: owner was changed";
    assert_eq!(words(notices.drifted(&[], from_ref(&owner))), [healed.to_owned(), back("public.sales")]);
    assert_eq!(words(notices.drifted(&[], &[])), [""; 0]);
    // As long as something else differs, it is not over.
    let told = words(notices.drifted(&[index], from_ref(&owner)));
    assert_eq!(told, [healed, "drift public.sales is not as it was applied: indexes:x was changed"]);
    assert_eq!(words(notices.drifted(&[], &[])), [back("public.sales")]);
    // A refresh says nothing about that.
    notices.drifted(&[owner], &[]);
    assert_eq!(words(notices.ended(&run(RunStatus::Success, 2), at(3))), [REFRESHED]);
}

#[test]
fn what_is_gone_or_suspended_does_not_grow_old() {
    let mut notices = sales();
    notices.ended(&failed("data"), at(2));
    let mut suspended = mart("sales");
    suspended.refresh.suspend = true;
    notices.marts([(&mart("sales"), Since { suspended: true, ..since(0) })], at(3));
    assert_eq!(notices.next(), None);
    notices.marts([(&suspended, since(0))], at(3));
    assert_eq!((notices.next(), words(notices.tick(at(999)))), (None, vec![]));
    assert_eq!(notices.marts([(&mart("other"), since(1000))], at(1000)), []);
    let forgotten: Vec<_> = notices.changes().into_iter().map(|change| change.holds).collect();
    assert_eq!(forgotten, [true, false]);
}

#[test]
fn rows_that_were_wrong_are_told() {
    let mut notices = sales();
    let decision = Some(serde_json::json!({ "rung": "whole", "verified": false }));
    let wrong = Run { reason: "its rows were not those of its query".into(), decision, ..run(RunStatus::Success, 0) };
    let told = words(notices.ended(&wrong, at(1)));
    assert!(told.iter().any(|told| told.starts_with("check_failed ")), "{told:?}");
}
