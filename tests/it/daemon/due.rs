//! When marts are due next, in the registry: as the daemon that leads knows it, and of nobody once it is gone.

use chrono::{DateTime, Utc};
use nix::sys::signal::Signal;

use super::rig::{Daemon, numbers, until};
use crate::cli::rig::Rig;

const NEXT: &str =
    "SELECT to_char(next_run AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM datamart.status WHERE mart = ";

/// What the view and the command line say: both the same, and when.
fn told(rig: &Rig, mart: &str) -> Option<DateTime<Utc>> {
    let view = rig.value(&format!("SELECT coalesce(({NEXT} '{mart}'), 'none')"));
    let status = rig.run(&["status", "--format", "json"]).done().json();
    let found = status["marts"].as_array().and_then(|marts| marts.iter().find(|one| one["name"] == mart));
    let next = found.map(|one| one["next_run"].as_str().unwrap_or("none").to_owned()).expect("the mart");
    assert!(next.starts_with(&view), "{mart}: {view} in the view, {next} by the command");
    DateTime::parse_from_rfc3339(&next).ok().map(|at| at.to_utc())
}

fn scheduled(schedule: &str) -> String {
    format!(
        "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n\
         [refresh]\nstrategy = \"scheduled\"\nschedule = {schedule}\ntimezone = \"America/Bogota\"\n"
    )
}

#[test]
fn the_view_says_when_the_daemon_that_leads_runs_a_mart() {
    let (nightly, hourly, busy) = (scheduled("\"0 1 * * *\""), scheduled("\"1h\""), scheduled("\"1s\""));
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        ("nightly.toml", &nightly),
        ("hourly.toml", &hourly),
        ("busy.toml", &busy),
        ("byhand.toml", "type = \"table\"\nquery = \"SELECT n FROM numbers\"\n"),
    ]);
    let due = |mart: &str| format!("SELECT count(*) = 1 FROM datamart.due_now WHERE mart = '{mart}'");
    // No daemon was ever there: as it is declared, as far as SQL knows what that means.
    assert!(told(&rig, "hourly").is_some());

    let daemon = Daemon::of(&rig, &[]);
    until(&rig, &due("nightly"));
    // Whoever refreshes it: its next run is an hour after.
    rig.run(&["refresh", "hourly", "-q"]).done();
    until(&rig, "SELECT next_run = last_started_at + interval '1 hour' FROM datamart.status WHERE mart = 'hourly'");
    // At one in the morning in Bogota it is six in London's winter.
    let next = told(&rig, "nightly").expect("a time");
    assert_eq!((next.format("%H:%M:%S").to_string().as_str(), next > Utc::now()), ("06:00:00", true));
    assert!(told(&rig, "hourly").is_some());
    assert_eq!(told(&rig, "byhand"), None);

    // What others do costs the row of a mart nothing, and theirs follows them.
    let written =
        "SELECT string_agg(xmin::text, ' ' ORDER BY name) FROM datamart.due WHERE name IN ('hourly', 'nightly')";
    let (before, busy) = (rig.value(written), rig.value("SELECT max(run) FROM datamart.refreshes"));
    until(
        &rig,
        &format!(
            "SELECT count(*) >= 3 FROM datamart.refreshes WHERE mart = 'busy' AND run > {busy} AND status IN ('success', 'noop')"
        ),
    );
    assert_eq!(rig.value(written), before);
    until(
        &rig,
        "SELECT next_run > last_started_at AND next_run < last_started_at + interval '2 s' FROM datamart.status WHERE mart = 'busy'",
    );

    // What is suspended is not due, and what another schedule holds for is due then.
    rig.run(&["suspend", "hourly", "-q"]).done();
    assert_eq!(told(&rig, "hourly"), None);
    until(&rig, "SELECT count(*) = 0 FROM datamart.due WHERE name = 'hourly'");
    rig.run(&["resume", "hourly", "-q"]).done();
    until(&rig, &due("hourly"));
    rig.write("nightly.toml", &scheduled("\"0 3 * * *\""));
    until(&rig, &format!("SELECT ({NEXT} 'nightly') LIKE '%T08:00:00'"));
    // A mart that goes is due no more.
    rig.sql("INSERT INTO numbers VALUES (1)");
    rig.remove("busy.toml");
    rig.run(&["apply", "--auto-approve", "--prune", "-q", "--lock-timeout", "1m"]).done();
    until(&rig, "SELECT count(*) = 0 FROM datamart.due WHERE name = 'busy'");

    // Nobody runs it now, whatever was said; the next leader says it again.
    daemon.signal(Signal::SIGKILL);
    daemon.ended();
    until(&rig, "SELECT count(*) = 0 FROM datamart.due_now");
    assert_eq!((told(&rig, "nightly"), told(&rig, "hourly")), (None, None));
    let another = Daemon::of(&rig, &[]);
    until(&rig, &due("nightly"));
    assert_eq!(told(&rig, "nightly").map(|at| at.format("%H:%M").to_string()).as_deref(), Some("08:00"));
    another.stopped();
    assert_eq!(told(&rig, "nightly"), None);
}

/// Who may read the view and nothing else of the registry reads it there, too.
#[test]
fn who_may_read_the_view_reads_it() {
    let rig =
        numbers(&[("project.toml", "[project]\nname = \"shop\"\n"), ("nightly.toml", &scheduled("\"0 1 * * *\""))]);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) = 1 FROM datamart.due_now");
    let name = format!("{}_reader", rig.database.name);
    rig.sql_as_superuser(&format!("CREATE ROLE {name} LOGIN"));
    rig.sql(&format!("GRANT USAGE ON SCHEMA datamart TO {name}; GRANT SELECT ON datamart.status TO {name}"));
    rig.sql_as_superuser(&format!(
        "SET ROLE {name}; CREATE TEMPORARY TABLE seen AS SELECT next_run FROM datamart.status WHERE mart = 'nightly'; RESET ROLE; \
         DO $$ BEGIN ASSERT (SELECT next_run IS NOT NULL FROM seen); END $$"
    ));
    daemon.stopped();
}
