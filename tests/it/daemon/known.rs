//! What a daemon keeps in memory of its marts is all that their refreshes go by.

use super::rig::{Daemon, until};
use crate::cli::rig::Rig;

#[test]
fn a_daemon_tells_the_age_of_the_data() {
    let aged = "type = \"table\"\nquery = \"SELECT n, timestamptz '2026-01-01 00:00+00' + n * interval '1 hour' AS at FROM numbers\"\n\
                primary_key = [\"n\"]\n[freshness]\ncolumn = \"at\"\nerror_after = \"10m\"\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n";
    let rig = Rig::of(&[("aged.toml", aged)]);
    rig.sql("CREATE TABLE numbers (n int PRIMARY KEY); INSERT INTO numbers VALUES (1), (5)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) >= 2 FROM datamart.refreshes WHERE status = 'success'");
    rig.sql("INSERT INTO numbers VALUES (9)");
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success' AND row_count = 3");
    daemon.stopped();
    let newest =
        "SELECT string_agg(DISTINCT row_count || ' ' || newest::timestamptz::text, ', ') FROM datamart.refreshes";
    assert_eq!(rig.value(newest), "2 2026-01-01 05:00:00+00, 3 2026-01-01 09:00:00+00");
}

#[test]
fn a_daemon_fills_a_partition_that_was_dropped() {
    let parts = "type = \"partitioned_table\"\n\
                 query = \"SELECT d::date AS day, 1 AS n FROM generate_series(date '2026-07-01', date '2026-11-20', interval '1 day') AS d\"\n\
                 [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\npremake = 1\n\
                 [refresh]\nstrategy = \"incremental\"\nschedule = \"1s\"\n[refresh.incremental]\nmethod = \"partition\"\ntime_column = \"day\"\nlookback = \"10 days\"\n";
    let rig = Rig::of(&[("parts.toml", parts)]);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success'");
    rig.sql("DROP TABLE parts_y2026_m07, parts_y2026_m08");
    until(&rig, "SELECT count(*) = 143 FROM parts");
    daemon.stopped();
}
