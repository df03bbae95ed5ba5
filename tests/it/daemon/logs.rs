//! The space of logs, where no mart is watched.

use super::rig::{Daemon, numbers, until};

const LOG: &str = "datamart.changes_shop_public_numbers";

#[test]
fn what_everybody_has_read_goes_and_who_reads_nothing_is_given_up() {
    let mart = |more: &str| {
        format!(
            "type = \"table\"\nquery = \"SELECT n, count(*) AS times FROM numbers GROUP BY n\"\n\
             [refresh]\nstrategy = \"incremental\"\n{more}[refresh.incremental]\nmethod = \"changes\"\n"
        )
    };
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n[capture]\nmax_log = \"4kB\"\n"),
        ("every.toml", &mart("schedule = \"1s\"\n")),
        ("stuck.toml", &mart("suspend = true\n")),
    ]);
    rig.sql(&format!("INSERT INTO {LOG}_1 (datamart_xid) VALUES (pg_current_xact_id())"));
    let daemon = Daemon::of(&rig, &[]);
    daemon.until_said("logs grew beyond max_log");
    assert!(daemon.log().contains("public.stuck"), "{}", daemon.log());
    assert_eq!(rig.value(&format!("SELECT count(*) FROM {LOG}_1")), "0");
    assert_eq!(rig.value("SELECT count(*) FROM datamart.positions WHERE name = 'stuck'"), "0");
    // The next time is soon after a refresh.
    rig.sql(&format!("INSERT INTO {LOG}_2 (datamart_xid) VALUES ('3')"));
    until(&rig, &format!("SELECT count(*) = 0 FROM {LOG}_2"));
    daemon.stopped();
}
