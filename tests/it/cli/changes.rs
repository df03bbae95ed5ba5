//! Marts that follow changes: what is said of them.

use serde_json::json;

use super::rig::{ORDERS, Rig};

const SALES: &str = "type = \"table\"\nquery = \"SELECT product, count(*) AS n, sum(amount) AS total FROM orders GROUP BY product\"\nprimary_key = [\"product\"]\n[refresh]\nstrategy = \"incremental\"\n";

fn rig() -> Rig {
    let rig = Rig::of(&[("sales.toml", SALES)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

#[test]
fn what_a_refresh_would_decide_is_foreseen() {
    let rig = rig();
    let now = || rig.run(&["explain", "sales"]).done().out();
    assert!(now().contains("\nnow: nothing changed\n"), "{}", now());
    rig.sql("INSERT INTO orders VALUES (1000, current_date, 'p1', 5)");
    assert!(now().contains("\nnow: some rows, 1 key after 1 change: "), "{}", now());
    let told = rig.run(&["explain", "sales", "--format", "json"]).done().json();
    assert_eq!((&told["now"]["decision"]["rung"], &told["now"]["decision"]["keys"]), (&json!("keys"), &json!(1)));
    let verified = rig.run(&["verify", "sales"]).done().out();
    assert!(verified.contains("Left out: the rows of 1 key that wait for a refresh."), "{verified}");
    rig.sql("TRUNCATE orders");
    assert!(now().contains("\nnow: all rows, public.orders was emptied by TRUNCATE\n"), "{}", now());
    // Nothing was done.
    assert_eq!(rig.value("SELECT count(*) FROM datamart.refreshes"), "0");
}

#[test]
fn who_is_demoted_is_told() {
    let rig = rig();
    rig.sql("UPDATE sales SET n = 0 WHERE product = 'p2'; INSERT INTO orders VALUES (1000, current_date, 'p1', 5)");
    let told = rig.run(&["refresh", "sales"]).done().err();
    assert!(told.contains("warning: public.sales: all of its rows are computed from now on"), "{told}");
    assert_eq!(rig.value("SELECT n FROM sales WHERE product = 'p2'"), "50");
}

#[test]
fn what_an_apply_did_before_it_stopped_is_told() {
    let rig = Rig::of(&[("sales.toml", &format!("{SALES}[[checks]]\nsql = \"SELECT * FROM {{this}}\"\n"))]);
    rig.sql(ORDERS);
    let told = rig.run(&["apply", "--auto-approve", "-q"]).ended(1).err();
    assert!(told.contains("done: the log of public.orders; not done: public.sales"), "{told}");
    rig.write("sales.toml", SALES);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM datamart.positions"), "1");
    rig.write("sales.toml", &SALES.replace("type = ", "name = \"sold\"\nrenamed_from = [\"sales\"]\ntype = "));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT name FROM datamart.positions"), "sold");
    let nothing = rig.run(&["refresh", "sold", "--format", "json"]).done().json();
    assert_eq!(nothing["runs"][0]["reason"], json!("nothing changed"), "{nothing:#}");
    rig.remove("sales.toml");
    rig.run(&["drop", "sold"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM datamart.positions"), "0");
}
