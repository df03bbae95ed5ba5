//! Many daemons: one leads, another takes over, no refresh runs twice at once and none is lost.

use nix::sys::signal::Signal;

use super::rig::{Daemon, numbers, until, until_no_sessions};

/// Six marts that are refreshed each second.
fn six() -> Vec<(String, String)> {
    let mart = |i: u32| {
        let sql = format!("SELECT count(*) AS n, {i} AS i FROM numbers, pg_sleep(0.05)");
        let text =
            format!("type = \"table\"\nquery = \"{sql}\"\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n");
        (format!("m{i}.toml"), text)
    };
    let project = "[project]\nname = \"shop\"\n[limits]\nparallel_refreshes = 2\n[database]\nconnections = 8\n";
    (0..6).map(mart).chain([("project.toml".to_owned(), project.to_owned())]).collect()
}

#[test]
fn another_one_takes_over_within_seconds() {
    let manifests = six();
    let manifests: Vec<(&str, &str)> = manifests.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let rig = numbers(&manifests);
    let first = Daemon::of(&rig, &[]);
    first.until_said("leading");
    let second = Daemon::of(&rig, &[]);
    second.until_said("following: the lock leader is held");
    until(&rig, "SELECT count(*) >= 20 FROM datamart.refreshes WHERE status = 'success'");
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'running'");
    first.signal(Signal::SIGKILL);
    rig.sql("CREATE TABLE killed AS SELECT clock_timestamp() AS at");
    until(&rig, "SELECT epoch = 2 FROM datamart.leaders");
    rig.sql("INSERT INTO numbers VALUES (1)");
    until(&rig, "SELECT count(*) >= 60 FROM datamart.refreshes WHERE status = 'success'");
    until(
        &rig,
        "SELECT min(n) = 1 FROM (SELECT n FROM m0 UNION ALL SELECT n FROM m1 UNION ALL SELECT n FROM m2 \
               UNION ALL SELECT n FROM m3 UNION ALL SELECT n FROM m4 UNION ALL SELECT n FROM m5) AS all_of_them",
    );
    assert_eq!(first.ended().0, -9);
    second.stopped();
    // Less than five; twice that where the machine stands still meanwhile.
    let took = "SELECT extract(epoch FROM l.since - k.at) < 10 FROM datamart.leaders AS l, killed AS k";
    assert_eq!(rig.value(took), "true");
    let twice = "SELECT count(*) FROM datamart.refreshes AS a JOIN datamart.refreshes AS b \
                 ON a.mart = b.mart AND a.run < b.run AND b.started_at < a.finished_at";
    assert_eq!(rig.value(twice), "0", "two runs of a mart overlap");
    let older = "SELECT count(*) FROM datamart.refreshes AS a JOIN datamart.refreshes AS b \
                 ON a.run < b.run AND a.epoch > b.epoch";
    assert_eq!(rig.value(older), "0", "an old leadership ran beside a new one");
    // None is lost: no mart waited longer than its second, the takeover and its turn.
    let gap = "SELECT max(gap) < interval '20 s' FROM (SELECT started_at - lag(started_at) OVER (PARTITION BY mart ORDER BY run) AS gap \
               FROM datamart.refreshes) AS g";
    assert_eq!(rig.value(gap), "true");
    assert_eq!(
        rig.value("SELECT count(*) FROM datamart.refreshes WHERE status IN ('running', 'queued', 'failed')"),
        "0"
    );
}

#[test]
fn a_run_of_an_old_leadership_is_refused() {
    let manifests = six();
    let manifests: Vec<(&str, &str)> = manifests.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let rig = numbers(&manifests);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) >= 3 FROM datamart.refreshes WHERE status = 'success'");
    // As if another one led, who could not see that this one does.
    rig.sql("UPDATE datamart.leaders SET epoch = 7");
    daemon.until_said("leadership lost: another daemon leads by now");
    until(&rig, "SELECT count(*) > 2 FROM datamart.refreshes WHERE epoch = 8 AND status = 'success'");
    daemon.stopped();
    assert_eq!(
        rig.value("SELECT string_agg(DISTINCT epoch::text, ' ' ORDER BY epoch::text) FROM datamart.refreshes"),
        "1 8"
    );
}

#[test]
fn a_leader_whose_session_is_ended_stops_and_leads_again() {
    let manifests = six();
    let manifests: Vec<(&str, &str)> = manifests.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let rig = numbers(&manifests);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success'");
    for (purpose, epochs) in [("daemon", 2), ("daemon desk", 2), ("refresh 1", 2)] {
        until(
            &rig,
            &format!(
                "SELECT count(*) > 0 FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'datamart: {purpose}') AS t"
            ),
        );
        rig.sql("INSERT INTO numbers SELECT coalesce(max(n), 0) + 1 FROM numbers");
        until(&rig, &format!("SELECT epoch = {epochs} FROM datamart.leaders"));
        until(
            &rig,
            "SELECT min(n) = (SELECT max(n) FROM numbers) FROM (SELECT n FROM m0 UNION ALL SELECT n FROM m1 UNION ALL SELECT n FROM m2 \
                   UNION ALL SELECT n FROM m3 UNION ALL SELECT n FROM m4 UNION ALL SELECT n FROM m5) AS all_of_them",
        );
    }
    let log = daemon.stopped();
    assert!(log.contains("leadership lost") && log.contains("the session that listens broke"), "{log}");
    until_no_sessions(&rig);
    assert_eq!(rig.value("SELECT count(*) FROM datamart.refreshes WHERE status IN ('running', 'queued')"), "0");
}
