//! A run that only waits for its commit gives its place to the next one, where there are sessions for both.

use super::rig::{Daemon, until};
use crate::cli::rig::Rig;

/// One mart at a time; the commit of whatever refreshes `held` waits until it may go.
fn rig(connections: u32) -> Rig {
    let project = format!(
        "[project]\nname = \"shop\"\n[limits]\nparallel_refreshes = 1\n[database]\nconnections = {connections}\n"
    );
    let mart = "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n\
                [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n[[indexes]]\ncolumns = [\"n\"]\nunique = true\n";
    let rig = Rig::of(&[("project.toml", &project), ("held.toml", mart), ("other.toml", mart)]);
    rig.sql("CREATE TABLE numbers (n int PRIMARY KEY); CREATE TABLE go (at timestamptz)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
           WHILE NOT EXISTS (SELECT FROM public.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
           RETURN NULL;
         END $$;
         CREATE CONSTRAINT TRIGGER hold AFTER UPDATE ON datamart.refreshes DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (new.mart = 'held' AND new.status = 'success') EXECUTE FUNCTION hold()",
    );
    rig
}

const HELD: &str = "EXISTS (SELECT FROM datamart.refreshes WHERE mart = 'held' AND status = 'running') \
                    AND EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' \
                                AND application_name LIKE 'datamart: refresh _' AND query LIKE '%COMMIT;%')";

/// The one whose commit is held back is recorded all the same, and everything goes on.
fn goes_on(rig: &Rig, daemon: Daemon) {
    rig.sql("INSERT INTO go VALUES (clock_timestamp())");
    until(
        rig,
        "SELECT count(*) = 2 FROM (SELECT mart FROM datamart.refreshes, go WHERE status = 'success' \
                AND started_at > at GROUP BY mart) AS m",
    );
    daemon.stopped();
    assert_eq!(rig.value("SELECT count(*) FROM datamart.refreshes WHERE status NOT IN ('success', 'queued')"), "0");
}

#[test]
fn another_one_begins_while_a_commit_waits() {
    let rig = rig(4);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, &format!("SELECT {HELD}"));
    until(
        &rig,
        &format!(
            "SELECT {HELD} AND count(*) > 1 FROM datamart.refreshes AS o, datamart.refreshes AS h \
             WHERE o.mart = 'other' AND o.status = 'success' AND h.mart = 'held' AND h.status = 'running' AND o.run > h.run"
        ),
    );
    goes_on(&rig, daemon);
}

#[test]
fn no_more_sessions_are_opened_for_it_than_there_may_be() {
    let rig = rig(1);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, &format!("SELECT {HELD}"));
    // It is due each second.
    until(
        &rig,
        &format!(
            "SELECT {HELD} AND h.started_at < now() - interval '2.5s' AND NOT EXISTS (
                    SELECT FROM datamart.refreshes AS o WHERE o.mart = 'other' AND o.run > h.run)
             FROM datamart.refreshes AS h WHERE h.mart = 'held' AND h.status = 'running'"
        ),
    );
    goes_on(&rig, daemon);
}
