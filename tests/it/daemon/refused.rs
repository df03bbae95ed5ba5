//! Manifests that cannot be used, from the start or later: what was applied goes on being refreshed.

use nix::sys::signal::Signal;

use super::rig::{CHAIN, Daemon, history, numbers, until};
use crate::cli::rig::Rig;

#[test]
fn a_daemon_that_starts_with_wrong_manifests_refreshes_what_was_applied() {
    let rig = numbers(CHAIN);
    let right = rig.read("next.toml");
    rig.write("next.toml", "type = \"nonsense\"\n");
    rig.write("plain.toml", "type = \"materialized_view\"\nquery = \"SELECT 1 AS n\"\n");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) = 1 FROM datamart.reconciles WHERE status = 'invalid'");
    // What is only warned of refuses nothing.
    let status = rig.run(&["status"]).done().out();
    assert!(status.contains("`type` cannot be \"nonsense\"") && !status.contains("unique index"), "{status}");
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT n = 1 FROM last");
    // While the other one is wrong nothing is applied.
    rig.write("new.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n");
    rig.write("next.toml", &right);
    until(&rig, "SELECT status = 'applied' FROM datamart.reconciles");
    assert_eq!(rig.value("SELECT count(*) FROM new"), "1");
    daemon.stopped();
}

#[test]
fn a_query_that_is_refused_from_the_start_keeps_no_other_mart_from_its_refreshes() {
    let rig = numbers(CHAIN);
    rig.write("new.toml", "type = \"view\"\nquery = \"SELECT nobody FROM numbers\"\n");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) = 1 FROM datamart.reconciles WHERE status = 'invalid'");
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT n = 1 FROM last");
    daemon.stopped();
}

#[test]
fn wrong_manifests_of_a_project_that_was_never_applied_end_it() {
    let rig = Rig::of(&[("project.toml", "[project]\nname = \"shop\"\n"), ("one.toml", "type = \"nonsense\"\n")]);
    let (code, log) = Daemon::of(&rig, &[]).ended();
    assert!(code == 1 && log.contains("nonsense"), "{code} {log}");
}

#[test]
fn another_project_is_not_taken_for_this_one() {
    let rig = numbers(CHAIN);
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("leading");
    until(&rig, "SELECT count(*) = 1 FROM datamart.reconciles WHERE status = 'applied'");
    rig.write("project.toml", "[project]\nname = \"other\"\n");
    rig.write("new.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n");
    daemon.signal(Signal::SIGHUP);
    until(&rig, "SELECT status = 'invalid' AND message LIKE 'project.name is \"other\" now%' FROM datamart.reconciles");
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT n = 1 FROM last");
    assert_eq!(rig.value("SELECT to_regclass('public.new') IS NULL"), "true");
    assert_eq!(rig.value("SELECT count(DISTINCT project) FROM datamart.marts"), "1");
    // Nor is a folder that is gone taken for one without marts.
    std::fs::rename(rig.folder.path().join("datamarts"), rig.folder.path().join("away")).expect("a folder");
    until(&rig, "SELECT status = 'invalid' AND message LIKE 'cannot read%' FROM datamart.reconciles");
    rig.sql("INSERT INTO numbers VALUES (2)");
    until(&rig, "SELECT n = 2 FROM last");
    std::fs::rename(rig.folder.path().join("away"), rig.folder.path().join("datamarts")).expect("a folder");
    rig.write("project.toml", "[project]\nname = \"shop\"\n");
    until(&rig, "SELECT status = 'applied' FROM datamart.reconciles");
    until(&rig, "SELECT to_regclass('public.new') IS NOT NULL");
    daemon.stopped();
}

#[test]
fn nobody_asks_for_more_days_than_there_are() {
    let rig = numbers(CHAIN);
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("leading");
    // As the procedures of SQL do.
    rig.sql("SELECT datamart.request('public.every', 'shop', 'incremental', 40000, NULL)");
    let refused = "SELECT count(*) = 1 FROM datamart.refreshes \
                   WHERE status = 'failed' AND reason = 'days is from 1 to 36500' AND error ->> 'kind' = 'data'";
    until(&rig, refused);
    daemon.stopped();
}

/// What one caller asks for in vain is no failure of the mart.
#[test]
fn what_cannot_be_refreshed_as_asked_is_skipped() {
    let manifest = "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n";
    let rig = numbers(&[("project.toml", "[project]\nname = \"shop\"\n"), ("a.toml", manifest)]);
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("leading");
    rig.sql("SELECT datamart.request('a', NULL, NULL, NULL, true)");
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'skipped'");
    let told = "SELECT error ->> 'message' FROM datamart.refreshes";
    assert_eq!(rig.value(told), "CONCURRENTLY needs a unique index on plain columns of public.a, without a predicate");
    assert_eq!(rig.value("SELECT status FROM datamart.status"), "active");
    rig.sql("SELECT datamart.request('a', NULL, NULL, NULL, NULL)");
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success'");
    assert_eq!(history(&rig), ["a skipped request", "a success request"]);
    daemon.stopped();
}

/// Such as by a refresh that blocks readers.
#[test]
fn where_a_mart_is_locked_that_is_said() {
    let project =
        "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"100ms\"\n[policy]\ndrift_interval = \"1s\"\n";
    let rig = numbers(&[("project.toml", project), ("a.toml", "type = \"view\"\nquery = \"SELECT n FROM numbers\"\n")]);
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("leading");
    until(&rig, "SELECT status = 'applied' FROM datamart.reconciles");
    let held = rig.hold("LOCK TABLE a");
    daemon.until_said("has a mart locked");
    held.release();
    daemon.stopped();
}
