//! What a daemon is told by signals.

use nix::sys::signal::Signal;

use super::rig::{CHAIN, Daemon, numbers, until, until_no_sessions};

/// A mart that takes as long as somebody says.
fn slow(seconds: &str) -> String {
    format!(
        "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers, nap\"\n\
         [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n# {seconds}\n"
    )
}

fn with_slow() -> crate::cli::rig::Rig {
    let rig = crate::cli::rig::Rig::of(&[("project.toml", "[project]\nname = \"shop\"\n"), ("slow.toml", &slow(""))]);
    rig.sql(
        "CREATE TABLE numbers (n int PRIMARY KEY); CREATE TABLE naps (seconds float8); INSERT INTO naps VALUES (0); \
         CREATE VIEW nap AS SELECT pg_sleep(seconds)::text AS slept FROM naps",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

const AT_WORK: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                       AND application_name = 'datamart: refresh 1' AND wait_event = 'PgSleep'";

#[test]
fn sigterm_lets_a_run_end() {
    let rig = with_slow();
    rig.sql("UPDATE naps SET seconds = 5; INSERT INTO numbers VALUES (1)");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, AT_WORK);
    let log = daemon.stopped();
    assert!(log.contains("told to stop: nothing begins any more running=1"), "{log}");
    assert_eq!(rig.value("SELECT n FROM slow"), "1");
    assert_eq!(rig.value("SELECT string_agg(DISTINCT status, ' ') FROM datamart.refreshes"), "success");
}

#[test]
fn a_second_signal_cancels_it() {
    let rig = with_slow();
    rig.sql("UPDATE naps SET seconds = 600; INSERT INTO numbers VALUES (1)");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, AT_WORK);
    daemon.signal(Signal::SIGTERM);
    daemon.until_said("told to stop");
    // Long before the query would end.
    let log = daemon.stopped();
    assert!(log.contains("cancelling what runs on the server"), "{log}");
    assert_eq!(rig.value("SELECT n FROM slow"), "0", "the old rows stay");
    assert_eq!(rig.value("SELECT string_agg(DISTINCT status, ' ') FROM datamart.refreshes"), "cancelled");
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next%'"), "0");
    until_no_sessions(&rig);
}

#[test]
fn sighup_reads_the_manifests_again() {
    let rig = numbers(CHAIN);
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("leading");
    rig.write("new.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n");
    daemon.signal(Signal::SIGHUP);
    until(&rig, "SELECT to_regclass('public.new') IS NOT NULL");
    // A project file that is wrong stops nothing; one that is right holds at once.
    rig.write("project.toml", "[project]\nname = \"shop\"\nnonsense = 1\n");
    daemon.signal(Signal::SIGHUP);
    daemon.until_said("the last good one stays in force");
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT n = 1 FROM last");
    rig.write("project.toml", "[project]\nname = \"shop\"\n");
    rig.remove("new.toml");
    daemon.signal(Signal::SIGHUP);
    daemon.stopped();
}

#[test]
fn another_address_in_the_project_file_is_for_the_next_start() {
    let rig = numbers(CHAIN);
    let project = |url: &str| format!("[project]\nname = \"shop\"\n[database]\nurl = \"{url}\"\n");
    let url = rig.url.clone();
    rig.write("project.toml", &project(&url));
    let mut command = rig.command(&["daemon"]);
    command.env_remove("DATABASE_URL");
    let daemon = Daemon::start(command);
    daemon.until_said("leading");
    until(&rig, "SELECT status = 'applied' FROM datamart.reconciles");
    rig.write("project.toml", &project("postgres://ana:s3cret@elsewhere/shop"));
    daemon.signal(Signal::SIGHUP);
    daemon.until_said("this daemon goes on with the one that it began with until it is started again");
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT n = 1 FROM last");
    rig.write("project.toml", &project(&url));
    daemon.signal(Signal::SIGHUP);
    let log = daemon.stopped();
    assert_eq!(log.matches("another one now").count(), 1, "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
