//! Servers, repositories and sessions that do not answer, and daemons that are told to stop meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::rig::{CHAIN, Daemon, numbers, until};
use crate::cli::rig::Rig;
use crate::support::git::git;

/// Server processes that stand still, as those of a machine that is gone do. They go on with the test's end.
struct Still(Vec<Pid>);

impl Still {
    fn of(rig: &Rig, purposes: &[&str]) -> Self {
        Self(purposes.iter().map(|purpose| Self::stopped(rig, purpose)).collect())
    }

    /// Stops one while it waits for its client: at work it could hold what all others of the server wait for.
    fn stopped(rig: &Rig, purpose: &str) -> Pid {
        let waits = format!(
            "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: {purpose}' \
             AND wait_event = 'ClientRead'"
        );
        loop {
            until(rig, &format!("SELECT count(*) = 1 {waits}"));
            let Ok(pid) = rig.value(&format!("SELECT pid {waits}")).parse().map(Pid::from_raw) else { continue };
            kill(pid, Signal::SIGSTOP).expect("a server process");
            if rig.value(&format!("SELECT count(*) {waits} AND pid = {pid}")) == "1" {
                return pid;
            }
            kill(pid, Signal::SIGCONT).expect("a server process");
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill(*pid, Signal::SIGCONT);
        }
    }
}

#[test]
fn a_desk_that_does_not_answer_is_given_up() {
    let rig = numbers(CHAIN);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success' AND mart = 'every'");
    let still = Still::of(&rig, &["daemon desk"]);
    // What the look comes to is worked on at the desk.
    rig.write("new.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n");
    daemon.signal(Signal::SIGHUP);
    daemon.until_said("no answer within 12 s");
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT n = 1 FROM last");
    // Another one is open, and hears.
    rig.run(&["suspend", "every"]).done();
    rig.run(&["resume", "every"]).done();
    assert_eq!(rig.value("SELECT epoch FROM datamart.leaders"), "1");
    daemon.stopped();
    drop(still);
}

#[test]
fn a_server_that_says_nothing_any_more_ends_the_leadership_whatever_is_waited_for() {
    let rig = numbers(CHAIN);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success' AND mart = 'every'");
    let still = Still::of(&rig, &["daemon", "daemon desk"]);
    let began = Instant::now();
    rig.write("new.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n");
    daemon.signal(Signal::SIGHUP);
    daemon.until_said("leadership lost: no answer within 2 s");
    daemon.until_said("following");
    daemon.stopped();
    assert!(began.elapsed().as_secs() < 40, "{:?}", began.elapsed());
    drop(still);
}

#[test]
fn who_is_told_to_stop_does_not_lead_again() {
    let slow = "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers, nap\"\n\
                [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n";
    let rig = Rig::of(&[("project.toml", "[project]\nname = \"shop\"\n"), ("slow.toml", slow)]);
    rig.sql(
        "CREATE TABLE numbers (n int PRIMARY KEY); CREATE TABLE naps (seconds float8); INSERT INTO naps VALUES (0); \
         CREATE VIEW nap AS SELECT pg_sleep(seconds)::text AS slept FROM naps",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("UPDATE naps SET seconds = 600; INSERT INTO numbers VALUES (1)");
    let daemon = Daemon::of(&rig, &[]);
    until(
        &rig,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    );
    daemon.signal(Signal::SIGTERM);
    daemon.until_said("told to stop");
    rig.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'datamart: daemon'",
    );
    let (code, log) = daemon.ended();
    assert_eq!((code, log.matches("leading").count()), (0, 1), "{log}");
}

#[test]
fn a_repository_that_does_not_answer_keeps_nobody_from_leading() {
    let rig = numbers(CHAIN);
    let path = rig.folder.path();
    git(path, &["init", "--quiet", "-b", "main", "."]);
    git(path, &["add", "datamarts"]);
    git(path, &["commit", "--quiet", "-m", "marts"]);
    // A way to the repository that leads nowhere once there is a file.
    let script = path.join("way");
    let text = "#!/bin/sh\n[ -e \"$0.closed\" ] && exec sleep 600\nfor last; do :; done\nexec sh -c \"$last\"\n";
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let url = format!("ssh://somewhere{}", path.display());
    let daemon = || {
        let mut command = rig.command(&["daemon", "--git", &url, "--path", "datamarts", "--interval", "1s"]);
        command.env("GIT_SSH_COMMAND", &script);
        Daemon::start(command)
    };
    let first = daemon();
    first.until_said("leading");
    let second = daemon();
    second.until_said("following");
    std::fs::write(path.join("way.closed"), "").expect("a file");
    until(&rig, "SELECT now() > since + interval '4 s' FROM datamart.leaders");
    first.signal(Signal::SIGKILL);
    rig.sql("INSERT INTO numbers VALUES (1)");
    let began = Instant::now();
    until(&rig, "SELECT n = 1 FROM last");
    // Git itself is given up much later.
    assert!(began.elapsed().as_secs() < 25, "{:?}", began.elapsed());
    drop(first);
    second.signal(Signal::SIGTERM);
    second.signal(Signal::SIGTERM);
    second.until_said("told to stop");
    second.stopped();
}

#[test]
fn rows_that_nobody_finishes_are_closed_once_nobody_works_on_them() {
    let rig = numbers(CHAIN);
    rig.run(&["daemon", "--once"]).done();
    // A leader before was killed, and the server goes on with its statement for longer than a new one waits.
    let held = rig.hold("SELECT 1");
    rig.sql_as_superuser(
        "INSERT INTO datamart.refreshes (project, schema, mart, status, epoch, started_at, pid) \
         SELECT 'shop', 'public', 'next', 'running', 0, clock_timestamp(), pid FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'somebody'",
    );
    rig.run(&["suspend", "--all"]).done();
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("leading");
    until(&rig, "SELECT now() > since + interval '5 s' FROM datamart.leaders");
    assert_eq!(rig.value("SELECT status FROM datamart.refreshes WHERE epoch = 0"), "running");
    held.release();
    until(&rig, "SELECT status = 'cancelled' FROM datamart.refreshes WHERE epoch = 0");
    daemon.stopped();
}
