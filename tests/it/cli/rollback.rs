//! `rollback`: what is pinned, and what it holds back.

use super::rig::{ORDERS, Rig};

const SNAPSHOTS: &str =
    "type = \"table\"\nquery = \"SELECT id, amount FROM orders\"\n[versions]\nkeep = 5\non = \"refresh\"\n";

#[test]
fn back_to_the_newest_holds_back_no_later_version() {
    let rig = Rig::of(&[("sales.toml", SNAPSHOTS)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["refresh", "sales", "-q"]).done();
    rig.run(&["rollback", "sales", "-q"]).done();
    assert!(rig.read("sales.toml").contains("pin = 1"));
    // As a checkout that knows nothing of the pin.
    rig.write("sales.toml", SNAPSHOTS);
    rig.run(&["rollback", "sales", "--to", "2", "-q"]).done();
    assert_eq!(rig.read("sales.toml"), SNAPSHOTS);
    rig.run(&["refresh", "sales", "-q"]).done();
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let published = "SELECT version FROM datamart.versions WHERE published";
    assert_eq!(rig.value(published), "3", "an apply took the newest back");
}
