//! What the daemon and the commands write: for people, for programs, and never a secret.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::cli::rig::{Out, Rig};
use crate::support::receiver::{Receiver, TOKEN};

const PASSWORD: &str = "s3cret-of-the-database";

/// A mart that is refreshed again and again, and a receiver in the environment.
fn rig() -> (Rig, Receiver) {
    let receiver = Receiver::new();
    let mut rig = Rig::of(&[
        (
            "project.toml",
            "[project]\nname = \"shop\"\n[database]\nurl = \"${PROD_URL}\"\n[[notifications]]\nurl = \"${ALERTS}\"\n\
             on = [\"refresh_failed\", \"recovered\", \"refreshed\"]\n",
        ),
        (
            "part.toml",
            "type = \"materialized_view\"\nquery = \"SELECT 1 / amount AS part FROM source\"\n\
             [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n",
        ),
    ]);
    rig.sql("CREATE TABLE source (amount int); INSERT INTO source VALUES (1)");
    rig.url = format!("{}&password={PASSWORD}", rig.url);
    (rig, receiver)
}

fn daemon(rig: &Rig, receiver: &Receiver, args: &[&str], sql: &[&str]) -> Out {
    let mut command = rig.command(&[&["daemon"], args].concat());
    command.env("ALERTS", &receiver.url).env("PROD_URL", &rig.url);
    let running = crate::cli::rig::Running::start(command, rig.redactions());
    receiver.until(1);
    for (count, sql) in sql.iter().enumerate() {
        rig.sql(sql);
        let event = if count % 2 == 0 { "refresh_failed" } else { "recovered" };
        loop {
            // Counted before it is looked for: what comes in between is no reason to wait for more.
            let seen = receiver.bodies().len();
            if receiver.events().iter().any(|told| told.starts_with(event)) {
                break;
            }
            receiver.until(1 + seen);
        }
    }
    running.signal(Signal::SIGTERM);
    running.finish()
}

#[track_caller]
fn no_secret(out: &Out) {
    for secret in [PASSWORD, TOKEN] {
        assert!(!out.stdout.contains(secret) && !out.stderr.contains(secret), "{secret} in {out}");
    }
}

const BREAK_AND_MEND: &[&str] = &["INSERT INTO source VALUES (0)", "DELETE FROM source WHERE amount = 0"];

#[test]
fn a_program_reads_one_object_a_line() {
    let (rig, receiver) = rig();
    let out = daemon(&rig, &receiver, &["--log", "json"], BREAK_AND_MEND).done();
    no_secret(&out);
    let lines: Vec<Value> = out
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    for line in &lines {
        let at = line["timestamp"].as_str().unwrap_or_default();
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok(), "{line}");
        assert!(["INFO", "WARN"].contains(&line["level"].as_str().unwrap_or_default()), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
    let with = |message: &str| {
        lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("no {message}: {out}"))
    };
    assert_eq!((&with("started")["project"], with("leading")["epoch"].as_i64()), (&json!("shop"), Some(1)));
    let run = with("refreshed");
    assert_eq!((&run["span"]["mart"], &run["span"]["cause"]), (&json!("public.part"), &json!("schedule")), "{run}");
    assert!(run["span"]["run"].as_i64().is_some_and(|run| run > 0), "{run}");
    assert_eq!((&run["rows"], &run["status"]), (&json!(1), &json!("success")), "{run}");
    let failed = with("not refreshed");
    assert_eq!((&failed["error"], &failed["sqlstate"]), (&json!("division by zero"), &json!("22012")), "{failed}");
    // Once each, however often it was tried.
    let told = |event: &str| receiver.events().iter().filter(|told| told.starts_with(event)).count();
    assert_eq!((told("refresh_failed"), told("recovered")), (1, 1), "{:?}", receiver.events());
}

#[test]
fn people_read_lines() {
    let (rig, receiver) = rig();
    let out = daemon(&rig, &receiver, &["--log", "text"], &[]).done();
    no_secret(&out);
    assert!(out.stdout.is_empty(), "{out}");
    let started = out.stderr.lines().find(|line| line.contains("INFO")).unwrap_or_default();
    assert!(started.contains(" INFO started version=") && started.starts_with("20"), "{out}");
}

#[test]
fn no_command_tells_a_secret() {
    let (rig, receiver) = rig();
    let run = |args: &[&str]| {
        let mut command = rig.command(args);
        command.env("ALERTS", &receiver.url).env("PROD_URL", &rig.url);
        crate::cli::rig::Running::start(command, rig.redactions()).finish()
    };
    for args in [
        &["validate"][..],
        &["plan", "-vv"],
        &["plan", "--format", "json"],
        &["apply", "--auto-approve", "-vv"],
        &["refresh", "--all", "-vv"],
        &["status", "--format", "json"],
        &["history", "--format", "json"],
        &["unlock"],
        &["drift", "-vv"],
        &["daemon", "--once", "--log", "json", "-vv"],
    ] {
        let out = run(args).done();
        no_secret(&out);
    }
    // Where nothing is reached, too.
    let wrong = rig.url.replace("host=", "host=/nowhere");
    let mut command = rig.command(&["plan"]);
    command.env("DATABASE_URL", &wrong);
    no_secret(&crate::cli::rig::Running::start(command, rig.redactions()).finish().ended(1));
    let mut command = rig.command(&["daemon", "--once", "--log", "json"]);
    command.env("DATABASE_URL", &wrong).env("ALERTS", &receiver.url);
    let out = crate::cli::rig::Running::start(command, rig.redactions()).finish().ended(1);
    no_secret(&out);
    // Its end is a line of the log, too.
    let last: Value = serde_json::from_str(out.stderr.lines().last().unwrap_or_default()).expect("JSON");
    assert_eq!((&last["level"], &last["kind"]), (&json!("ERROR"), &json!("connection")), "{out}");
    // What is kept has none either.
    let kept = "SELECT bool_or(t::text LIKE '%s3cret%' OR t::text LIKE '%T0KEN%') FROM (SELECT a::text FROM datamart.audit AS a
                UNION ALL SELECT r::text FROM datamart.refreshes AS r UNION ALL SELECT m::text FROM datamart.marts AS m
                UNION ALL SELECT p::text FROM datamart.applies AS p UNION ALL SELECT c::text FROM datamart.reconciles AS c) AS t";
    assert_eq!(rig.value(kept), "false");
}

#[test]
fn every_change_by_hand_is_in_the_audit() {
    let rig = Rig::applied();
    rig.run(&["refresh", "sales", "-q"]).done();
    rig.run(&["refresh", "--all", "-q"]).done();
    rig.run(&["suspend", "sales"]).done();
    rig.run(&["resume", "sales"]).done();
    rig.remove("event_counts.toml");
    rig.run(&["drop", "event_counts", "-q"]).done();
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"60s\"\n");
    let held = rig.hold("SET ROLE etl; REFRESH MATERIALIZED VIEW CONCURRENTLY sales");
    let refresh = rig.start(&["refresh", "sales"]);
    rig.until_at_work("refresh 1", "%REFRESH %");
    let pid = rig.value("SELECT pid FROM datamart.locks WHERE name = 'mart:public.sales'");
    rig.run(&["unlock", "--kill", &pid]).done();
    held.release();
    refresh.finish();
    let told = "SELECT string_agg(concat_ws(' ', action, address), ', ' ORDER BY id) FROM datamart.audit WHERE id > 4 AND who <> '' AND host <> ''";
    assert_eq!(
        rig.value(told),
        "refresh public.sales, refresh, suspend public.sales, resume public.sales, delete public.event_counts, refresh public.sales, unlock"
    );
    let marts = "SELECT detail -> 'marts' FROM datamart.audit WHERE action = 'refresh' AND address IS NULL";
    assert!(rig.value(marts).contains("Sales 2024"));
}
