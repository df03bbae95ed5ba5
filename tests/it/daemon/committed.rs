//! Declared as committed: the real daemon, files that change under it, a plan that waits, drift, marts that are suspended.

use std::path::Path;

use nix::sys::signal::Signal;

use super::rig::Daemon;
use crate::cli::rig::Rig;
use crate::support::git::{commit, git};
use crate::support::receiver::Receiver;

const VIEW: &str = "type = \"view\"\nquery = \"SELECT kind FROM events\"\n";

/// A daemon that has applied what it found.
fn started(rig: &Rig, args: &[&str]) -> Daemon {
    let daemon = Daemon::of(rig, args);
    rig.until("SELECT to_regclass('datamart.reconciles') IS NOT NULL");
    rig.until("SELECT status = 'applied' FROM datamart.reconciles");
    daemon
}

#[test]
fn a_file_that_is_saved_is_applied_and_a_wrong_one_is_told() {
    let rig = Rig::shop();
    let daemon = started(&rig, &[]);
    rig.write("kinds.toml", VIEW);
    rig.until("SELECT to_regclass('public.kinds') IS NOT NULL");
    rig.write("kinds.toml", "type = \"view\"\nquery = \"SELECT nobody FROM events\"\n");
    rig.until("SELECT status = 'invalid' FROM datamart.reconciles");
    let problem =
        rig.value("SELECT problems #>> '{0,file}' || ':' || (problems #>> '{0,line}') FROM datamart.reconciles");
    assert!(problem.ends_with("kinds.toml:2"), "{problem}");
    assert_eq!(rig.value("SELECT count(*) FROM kinds"), "50");
    rig.write("kinds.toml", VIEW);
    rig.until("SELECT status = 'applied' FROM datamart.reconciles");
    daemon.stopped();
}

#[test]
fn a_plan_that_waits_is_released_and_applied() {
    let rig = Rig::shop();
    rig.write("project.toml", "[project]\nname = \"shop\"\n[policy]\nprune = true\n");
    let daemon = started(&rig, &[]);
    rig.sql("TRUNCATE events");
    rig.remove("event_counts.toml");
    rig.until("SELECT status = 'pending' FROM datamart.reconciles");
    assert_eq!(rig.value("SELECT to_regclass('public.event_counts') IS NULL"), "false");
    let fingerprint = rig.value("SELECT fingerprint FROM datamart.reconciles");
    rig.run(&["approve", &fingerprint]).done();
    rig.until("SELECT to_regclass('public.event_counts') IS NULL");
    rig.until("SELECT status = 'applied' FROM datamart.reconciles");
    daemon.stopped();
}

#[test]
fn drift_is_put_back_in_time() {
    let rig = Rig::shop();
    let receiver = Receiver::new();
    let policy = format!(
        "[project]\nname = \"shop\"\n[policy]\non_drift = \"heal\"\ndrift_interval = \"1s\"\n\
         [[notifications]]\nurl = \"{}\"\non = [\"drift\", \"recovered\"]\n",
        receiver.url
    );
    rig.write("project.toml", &policy);
    let daemon = started(&rig, &[]);
    rig.sql("DROP VIEW top");
    rig.until("SELECT to_regclass('public.top') IS NOT NULL");
    rig.until("SELECT count(*) = 1 FROM datamart.heals");
    // Nobody saw it gone; who asks to be told of drift is.
    receiver.until(2);
    assert_eq!(receiver.events(), ["drift public.top", "recovered public.top"]);
    assert_eq!(receiver.bodies()[0]["healed"], true);
    daemon.stopped();
}

#[test]
fn a_suspended_mart_is_not_refreshed_until_it_is_resumed() {
    let rig = Rig::shop();
    rig.write(
        "event_counts.toml",
        "type = \"table\"\nquery = \"SELECT kind, count(*) AS events FROM events GROUP BY kind\"\n\
         [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n",
    );
    let daemon = started(&rig, &[]);
    rig.until(
        "SELECT count(*) > 1 FROM datamart.refreshes WHERE mart = 'event_counts' AND status IN ('success', 'noop')",
    );
    rig.run(&["suspend", "event_counts"]).done();
    // The daemon hears of it in a moment; from then on nothing begins, though it would be due each second.
    let runs = "SELECT count(*) FROM datamart.refreshes WHERE mart = 'event_counts'";
    rig.until("SELECT clock_timestamp() > max(started_at) + interval '4 s' FROM datamart.refreshes WHERE mart = 'event_counts'");
    let after: i64 = rig.value(runs).parse().expect("a number");
    rig.run(&["resume", "event_counts"]).done();
    rig.until(&format!("SELECT count(*) > {after} FROM datamart.refreshes WHERE mart = 'event_counts'"));
    daemon.stopped();
}

#[test]
fn a_branch_is_followed() {
    let rig = Rig::shop();
    let origin = rig.folder.path().join("origin");
    git(rig.folder.path(), &["init", "--quiet", "-b", "main", "origin"]);
    copy(&rig.folder.path().join("datamarts"), &origin.join("marts"));
    commit(&origin);
    let url = format!("file://{}", origin.display());
    let daemon = started(&rig, &["--git", &url, "--branch", "main", "--path", "marts", "--interval", "1s"]);
    std::fs::write(origin.join("marts/kinds.toml"), VIEW).expect("a file");
    let head = commit(&origin);
    rig.until(&format!("SELECT applied = 'main@sha1:{head}' AND status = 'applied' FROM datamart.reconciles"));
    assert_eq!(rig.value("SELECT to_regclass('public.kinds') IS NOT NULL"), "true");
    // Files go by their paths in the repository, not by where its work tree is.
    std::fs::write(origin.join("marts/kinds.toml"), VIEW.replace("type", "typ")).expect("a file");
    std::fs::write(origin.join("marts/more.toml"), "type = \"view\"\nquery_file = \"none.sql\"\n").expect("a file");
    let head = commit(&origin);
    rig.until("SELECT status = 'invalid' FROM datamart.reconciles");
    let files =
        "SELECT string_agg(DISTINCT p ->> 'file', ' ') FROM datamart.reconciles, jsonb_array_elements(problems) AS p";
    assert_eq!(rig.value(files), "marts/kinds.toml marts/more.toml");
    std::fs::write(origin.join("marts/kinds.toml"), VIEW).expect("a file");
    std::fs::remove_file(origin.join("marts/more.toml")).expect("a file");
    commit(&origin);
    daemon.until_said("the database is as the manifests say again");
    let away = rig.folder.path().join("away");
    std::fs::rename(&origin, &away).expect("a folder");
    rig.sql("DROP VIEW kinds");
    daemon.until_said("the repository cannot be read; what was fetched last stays in force");
    daemon.signal(Signal::SIGHUP);
    rig.until("SELECT to_regclass('public.kinds') IS NOT NULL");
    std::fs::rename(&away, &origin).expect("a folder");
    rig.until("SELECT status = 'applied' FROM datamart.reconciles");
    std::fs::write(origin.join("marts/more.toml"), "type = \"view\"\nquery_file = \"none.sql\"\n").expect("a file");
    commit(&origin);
    let log = daemon.stopped();
    let made = log.lines().filter(|line| line.contains("revision applied") && line.contains("public.kinds"));
    assert_eq!(made.count(), 2, "made, and made again: {log}");
    assert!(log.contains("in the manifests: marts/kinds.toml:1:1") && log.contains(&head), "{log}");
    assert!(!log.contains(".datamart/git"), "{log}");
    let daemon = rig.run(&["daemon", "--once", "--git", &url, "--path", "marts"]).ended(1).err();
    assert!(daemon.contains("marts/more.toml:2") && daemon.contains("cannot read marts/none.sql"), "{daemon}");
    assert!(!daemon.contains(".datamart/git"), "{daemon}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, to).expect("a copy");
        }
    }
}

/// Its runs follow each other at once: without somebody who stands aside its lock is never free when it is looked at.
#[test]
fn a_mart_that_is_always_being_refreshed_is_changed_all_the_same() {
    let busy = |n: u8| {
        format!(
            "type = \"table\"\nquery = \"SELECT {n} AS n, pg_sleep(1.5) IS NULL AS slept\"\n\
             [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n"
        )
    };
    let rig = Rig::of(&[("project.toml", "[project]\nname = \"shop\"\n")]);
    rig.write("busy.toml", &busy(1));
    rig.write("other.toml", &busy(1));
    let daemon = started(&rig, &[]);
    rig.until("SELECT count(DISTINCT mart) = 2 FROM datamart.refreshes WHERE status = 'success'");
    rig.write("busy.toml", &busy(2));
    rig.write("other.toml", &busy(2));
    rig.until("SELECT (SELECT n FROM busy) + (SELECT n FROM other) = 4");
    let log = daemon.stopped();
    assert!(!log.contains("could not be applied"), "{log}");
}
