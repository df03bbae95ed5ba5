//! What a daemon that ended left to be done.

use nix::sys::signal::Signal;

use super::rig::{Daemon, history, numbers, until};
use crate::cli::rig::Rig;

const PROJECT: (&str, &str) = ("project.toml", "[project]\nname = \"shop\"\n");

fn count(from: &str, refresh: &str) -> String {
    format!("type = \"table\"\nquery = \"SELECT count(*) AS n FROM {from}\"\n{refresh}")
}

const YEARLY: &str = "[refresh]\nstrategy = \"scheduled\"\nschedule = \"0 0 1 1 *\"\n";

/// Rows of a mart changed while the daemon was stopped, or just before that: what reads it follows when there is one again.
#[test]
fn what_was_to_follow_follows() {
    let rig = numbers(&[
        PROJECT,
        ("a.toml", &count("numbers", YEARLY)),
        ("b.toml", &count("a", "").replace("count(*)", "sum(n)")),
        ("c.toml", &count("b", "").replace("count(*)", "sum(n)")),
    ]);
    rig.sql("INSERT INTO numbers VALUES (1)");
    rig.run(&["refresh", "a", "-q"]).done();
    rig.run(&["daemon", "--once"]).done();
    assert_eq!(history(&rig), ["a success", "b success after", "c success after"]);
    rig.run(&["daemon", "--once"]).done();
    assert_eq!(history(&rig).len(), 3, "it followed already");
}

/// A run that ends because its daemon has to is no run that somebody did not want.
#[test]
fn what_a_stop_cancels_is_made_up() {
    let rig = Rig::of(&[PROJECT, ("a.toml", &count("numbers, nap", YEARLY))]);
    rig.sql(
        "CREATE TABLE numbers AS SELECT 1 AS n; CREATE TABLE naps AS SELECT 0::float8 AS seconds;
         CREATE VIEW nap AS SELECT pg_sleep(seconds)::text AS slept FROM naps",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("UPDATE naps SET seconds = 60; SELECT datamart.request('a', NULL, NULL, NULL, NULL)");
    let daemon = Daemon::of(&rig, &[]);
    let asleep =
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until(&rig, asleep);
    // The second time, what runs is cancelled.
    daemon.signal(Signal::SIGTERM);
    daemon.until_said("told to stop");
    daemon.signal(Signal::SIGTERM);
    let (code, log) = daemon.ended();
    assert_eq!(code, 0, "{log}");
    // The log says what the history says, and what the server said of it.
    let words = "error=\"the process that ran it was told to stop\" detail=\"canceling statement due to user request\"";
    assert!(log.contains(words) && log.contains("kind=\"connection\""), "{log}");
    let told = "SELECT string_agg(concat_ws(' ', status, error ->> 'kind', error ->> 'message'), ', ') FROM datamart.refreshes";
    assert_eq!(rig.value(told), "cancelled connection the process that ran it was told to stop");
    rig.sql("UPDATE naps SET seconds = 0");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success'");
    daemon.stopped();
    assert_eq!(history(&rig), ["a cancelled request", "a success retry"]);
}

/// What computed some of the rows is no run of the whole mart, by whatever method.
#[test]
fn by_changes_is_not_whole() {
    let own =
        "primary_key = [\"n\"]\n[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nfull_schedule = \"1h\"\n";
    let manifest = format!("type = \"table\"\nquery = \"SELECT n, count(*) AS times FROM numbers GROUP BY n\"\n{own}");
    let rig = numbers(&[PROJECT, ("a.toml", &manifest)]);
    rig.sql(
        "UPDATE datamart.marts SET created_at = now() - interval '2 hours';
         INSERT INTO datamart.refreshes (project, schema, mart, status, method, reason, started_at, finished_at)
         VALUES ('shop', 'public', 'a', 'success', 'changes', 'what changed', now(), now())",
    );
    rig.run(&["daemon", "--once"]).done();
    assert_eq!(rig.value("SELECT method <> 'changes' FROM datamart.refreshes ORDER BY run DESC LIMIT 1"), "true");
    assert_eq!(history(&rig).len(), 2);
}

/// One that cannot have the sessions it needs says so.
#[test]
fn one_pass_without_a_session_ends() {
    let rig = numbers(&[PROJECT, ("a.toml", &count("numbers", YEARLY))]);
    let held = rig.hold("LOCK TABLE datamart.leaders");
    let daemon = Daemon::of(&rig, &["--once"]);
    until(
        &rig,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'datamart: daemon%' AND wait_event_type = 'Lock'",
    );
    // The one that leads is all it gets.
    rig.sql_as_superuser(&format!("ALTER DATABASE {} CONNECTION LIMIT 1", rig.database.name));
    held.release();
    let (code, log) = daemon.ended();
    assert!(code == 1 && log.contains("leading") && log.contains("cannot listen for requests error="), "{code}: {log}");
}

/// Whatever the loop waits for, runs go on.
#[test]
fn a_run_goes_on_while_the_loop_waits_for_the_registry() {
    let rig = Rig::of(&[PROJECT, ("a.toml", &count("numbers, nap", YEARLY))]);
    rig.sql(
        "CREATE TABLE numbers AS SELECT 1 AS n; CREATE TABLE naps AS SELECT 0::float8 AS seconds;
         CREATE VIEW nap AS SELECT pg_sleep(seconds)::text AS slept FROM naps",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("UPDATE naps SET seconds = 3");
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("leading");
    rig.sql("SELECT datamart.request('a', NULL, NULL, NULL, NULL)");
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'running'");
    // What the desk reads takes long.
    rig.sql(
        "INSERT INTO datamart.overrides (project, schema, name, what, who) VALUES ('shop', 'public', 'b', 'suspend', 'ana');
         ALTER TABLE datamart.overrides ENABLE ROW LEVEL SECURITY; ALTER TABLE datamart.overrides FORCE ROW LEVEL SECURITY;
         CREATE POLICY slow ON datamart.overrides USING (pg_sleep(8)::text = '')",
    );
    rig.sql("SELECT pg_notify('datamart_wake', '{\"project\": \"shop\", \"what\": \"overrides\"}')");
    let waits = "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: daemon desk' AND wait_event = 'PgSleep')";
    until(&rig, &format!("SELECT {waits}"));
    until(&rig, &format!("SELECT {waits} AND count(*) > 0 FROM datamart.refreshes WHERE status = 'success'"));
    rig.sql("ALTER TABLE datamart.overrides DISABLE ROW LEVEL SECURITY");
    daemon.stopped();
}
