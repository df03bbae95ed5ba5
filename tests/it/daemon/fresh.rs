//! Fresh on schedule, after what is read, within the target lag, on request, on notice; not while suspended.

use super::rig::{CHAIN, Daemon, SESSIONS, history, numbers, until, until_no_sessions};

/// The daemon knows its marts, and listens: it has looked for requests.
const READY: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'datamart: daemon desk' AND (query LIKE '%refreshes%queued%' OR query LIKE '%.captures%')";

#[test]
fn a_schedule_and_what_follows_it() {
    let rig = numbers(CHAIN);
    let daemon = Daemon::of(&rig, &[]);
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT n = 1 FROM last");
    rig.sql("INSERT INTO numbers VALUES (2), (3)");
    until(&rig, "SELECT n = 3 FROM last");
    daemon.stopped();
    let runs = history(&rig);
    assert!(runs[0].starts_with("every success ") && runs.contains(&"last success after".to_owned()), "{runs:?}");
    // The next second may come before all have followed: each runs once for one before it, whichever else runs in between.
    let order = "SELECT bool_and(every >= next AND next >= last) FROM (SELECT count(*) FILTER (WHERE mart = 'every') OVER before AS every, \
                 count(*) FILTER (WHERE mart = 'next') OVER before AS next, count(*) FILTER (WHERE mart = 'last') OVER before AS last \
                 FROM datamart.refreshes WINDOW before AS (ORDER BY run)) AS r";
    assert_eq!(rig.value(order), "true", "{runs:?}");
    assert_eq!(
        rig.value(
            "SELECT count(*) FROM datamart.refreshes WHERE epoch = 1 AND due_at IS NOT NULL AND cause IS NOT NULL"
        ),
        rig.value("SELECT count(*) FROM datamart.refreshes")
    );
    until_no_sessions(&rig);
}

#[test]
fn what_lags_too_far_is_refreshed_and_so_is_what_it_reads() {
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        ("base.toml", "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n"),
        (
            "top.toml",
            "type = \"table\"\nquery = \"SELECT n FROM base\"\n[refresh]\nstrategy = \"scheduled\"\ntarget_lag = \"3s\"\n",
        ),
    ]);
    rig.sql("INSERT INTO numbers VALUES (1)");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT n = 1 FROM top");
    daemon.stopped();
    let runs = history(&rig);
    assert!(runs.contains(&"base success lag".to_owned()), "{runs:?}");
}

#[test]
fn requests_are_taken_at_the_start_and_when_they_come() {
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        ("one.toml", "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n"),
        ("two.toml", "type = \"table\"\nquery = \"SELECT n FROM one\"\n[refresh]\nafter = false\n"),
        ("eye.toml", "type = \"view\"\nquery = \"SELECT n FROM two\"\n"),
    ]);
    let ask = |marts: &str| {
        rig.sql(&format!(
            "INSERT INTO datamart.refreshes (project, schema, mart, status, cause, requested_by) \
             SELECT 'shop', 'public', m, 'queued', 'request', 'ana' FROM unnest(string_to_array('{marts}', ' ')) AS m; \
             NOTIFY datamart_wake, '{{\"project\": \"shop\", \"what\": \"runs\"}}'"
        ));
    };
    rig.sql("INSERT INTO numbers VALUES (1)");
    ask("two one");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT n = 1 FROM two");
    ask("eye nobody");
    until(&rig, "SELECT count(*) = 2 FROM datamart.refreshes WHERE mart IN ('eye', 'nobody') AND status <> 'queued'");
    rig.sql("INSERT INTO numbers VALUES (2)");
    ask("one one");
    until(&rig, "SELECT n = 2 FROM one");
    until(&rig, "SELECT count(*) = 0 FROM datamart.refreshes WHERE status IN ('queued', 'running')");
    daemon.stopped();
    let rows =
        "SELECT string_agg(concat_ws(' ', mart, status, requested_by), ', ' ORDER BY run) FROM datamart.refreshes";
    assert_eq!(
        rig.value(rows),
        "two success ana, one success ana, eye noop ana, nobody failed ana, one success ana, one success ana"
    );
    let error = "SELECT error ->> 'message' FROM datamart.refreshes WHERE mart = 'nobody'";
    assert_eq!(rig.value(error), "there is no such mart");
    // The one that was asked for twice ran once.
    assert_eq!(rig.value("SELECT count(DISTINCT started_at) FROM datamart.refreshes WHERE mart = 'one'"), "2");
}

#[test]
fn a_refresh_by_hand_counts_and_is_followed() {
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        ("one.toml", "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n"),
        ("two.toml", "type = \"table\"\nquery = \"SELECT n FROM one\"\n"),
    ]);
    let daemon = Daemon::of(&rig, &[]);
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, READY);
    rig.run(&["refresh", "one", "-q"]).done();
    until(&rig, "SELECT n = 1 FROM two");
    daemon.stopped();
    assert!(history(&rig).contains(&"two success after".to_owned()), "{:?}", history(&rig));
}

#[test]
fn a_channel_is_heard() {
    let manifest = |channel: &str| {
        format!(
            "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n[refresh]\nstrategy = \"triggered\"\n\
             debounce = \"1s\"\n{channel}"
        )
    };
    let (here, there) = (manifest(""), manifest("channel = \"Stock moved\"\n"));
    let rig =
        numbers(&[("project.toml", "[project]\nname = \"shop\"\n"), ("here.toml", &here), ("there.toml", &there)]);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, READY);
    // Each by itself, and close together however busy the machine is.
    rig.sql_as_superuser("CREATE PROCEDURE burst() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..5 LOOP NOTIFY datamart_here; NOTIFY \"Stock moved\"; COMMIT; END LOOP; END $$");
    rig.call("CALL public.burst()");
    until(
        &rig,
        "SELECT count(DISTINCT mart) = 2 FROM datamart.refreshes WHERE status = 'success' AND cause = 'notify'",
    );
    daemon.stopped();
    assert_eq!(rig.value("SELECT count(*) FROM datamart.refreshes"), "2", "a burst of notices is one refresh");
}

#[test]
fn a_write_to_a_source_is_followed() {
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        (
            "count.toml",
            "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n[refresh]\nstrategy = \"triggered\"\n",
        ),
        ("next.toml", "type = \"table\"\nquery = \"SELECT n FROM count\"\n"),
    ]);
    // Before there is a daemon, and while there is one.
    rig.sql("INSERT INTO numbers VALUES (1)");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT n = 1 FROM next");
    rig.sql("INSERT INTO numbers SELECT generate_series(2, 10)");
    until(&rig, "SELECT n = 10 FROM next");
    // A transaction that commits late is not missed.
    let late = rig.hold("INSERT INTO numbers VALUES (11)");
    rig.sql("INSERT INTO numbers VALUES (12)");
    until(&rig, "SELECT n = 11 FROM next");
    late.commit();
    until(&rig, "SELECT n = 12 FROM next");
    daemon.stopped();
    let runs = history(&rig);
    assert!(runs.iter().all(|run| run == "count success change" || run == "next success after"), "{runs:?}");
    assert!(runs.len() <= 10, "{runs:?}");
}

#[test]
fn sessions_that_worked_go_and_two_stay() {
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        ("one.toml", "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n"),
    ]);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, READY);
    rig.sql(
        "INSERT INTO datamart.refreshes (project, schema, mart, status, cause, requested_by) \
         VALUES ('shop', 'public', 'one', 'queued', 'request', 'ana')",
    );
    rig.sql("SELECT pg_notify('datamart_wake', '{\"project\": \"shop\", \"what\": \"runs\"}')");
    until(&rig, "SELECT count(*) = 1 FROM datamart.refreshes WHERE status = 'success'");
    // What worked is kept for the next run, and then given back.
    until(&rig, &SESSIONS.replace("count(*)", "count(*) = 2"));
    daemon.stopped();
}
