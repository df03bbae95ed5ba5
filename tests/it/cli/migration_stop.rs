//! `check-migration`, stopped in the middle.

use nix::sys::signal::Signal;

use super::rig::Rig;

#[test]
fn ctrl_c_leaves_nothing() {
    let rig = Rig::applied();
    rig.folder.write("m.sql", "DROP TABLE orders CASCADE;\nSELECT pg_sleep(50);\nDROP TABLE events CASCADE;");
    let running = rig.start(&["check-migration", "m.sql"]);
    rig.until_at_work("check-migration", "SELECT pg_sleep(50)");
    running.signal(Signal::SIGINT);
    insta::assert_snapshot!(running.finish(), @"
    exit 1
    --- stderr
    Stopping: cancelling what runs on the server.
    error: stopped; nothing of the migration stays
    ");
    rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'datamart: check-migration' AND datname = current_database()");
    assert_eq!(rig.value("SELECT count(*) FROM orders"), "200");
    assert_eq!(rig.value("SELECT count(*) FROM top"), "4");
}
