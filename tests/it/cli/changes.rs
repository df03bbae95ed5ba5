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

/// Three groups of a table that is dear to read, and one change of each.
#[test]
fn few_large_groups_are_told_of_a_way_out() {
    let dear = "type = \"table\"\nquery = \"SELECT id % 3 AS third, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1\"\n\
                primary_key = [\"third\"]\nsession = { seq_page_cost = \"20000\" }\n[refresh]\nstrategy = \"incremental\"\n";
    let rig = Rig::of(&[("sales.toml", dear)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("UPDATE orders SET amount = amount + 1 WHERE id <= 3");
    let told = rig.run(&["explain", "sales"]).done().out();
    assert!(told.contains("\nnow: all rows, 3 keys after 3 changes: that costs "), "{told}");
    assert!(told.contains(" of all rows; its groups are few and large: where it sums up a finer mart"), "{told}");
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

#[test]
fn a_log_that_a_crash_emptied_tells_nothing() {
    let rig = rig();
    let pending = || rig.run(&["status", "--format", "json"]).done().json()["marts"][0]["following"]["pending"].clone();
    assert_eq!(pending(), json!(0));
    // As the server leaves it.
    rig.sql("DELETE FROM datamart.sentinels");
    assert_eq!(pending(), json!(null));
    rig.run(&["refresh", "sales"]).done();
    assert_eq!(pending(), json!(0));
}

#[test]
fn whoever_may_not_read_the_registry_is_told_what_to_grant() {
    let rig = rig();
    let role = format!("{}_reader", rig.database.name);
    rig.sql_as_superuser(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    let url = rig.url.replace("user=etl", &format!("user={role}"));
    let told = rig.run_on(&url, &["status"]).ended(1).stderr;
    let grants =
        format!("GRANT USAGE ON SCHEMA datamart TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA datamart TO {role};");
    assert!(told.contains(&grants), "{told}");
    rig.sql_as_superuser(&grants);
    rig.run_on(&url, &["status"]).done();
}

/// Rows without a declared key are told apart as rows; a unique index on columns that may be null is there all the same.
#[test]
fn a_unique_index_on_columns_that_may_be_null_stands_in_nobodys_way() {
    let mart = |strategy: &str| {
        format!(
            "type = \"table\"\nquery = \"SELECT product, count(*) AS n FROM orders GROUP BY product\"\n[refresh]\nstrategy = \"{strategy}\"\n[[indexes]]\ncolumns = [\"product\"]\nunique = true\n"
        )
    };
    let rig = Rig::of(&[("inc.toml", &mart("incremental")), ("kept.toml", &mart("on_commit"))]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    for (at, row) in ["'p1'", "'p2'", "'new'"].into_iter().enumerate() {
        rig.sql(&format!("INSERT INTO orders VALUES ({}, current_date, {row}, 5)", 1000 + at));
        let run = rig.run(&["refresh", "inc", "--format", "json"]).done().json();
        assert_eq!(run["runs"][0]["method"], json!("changes"), "{run:#}");
        rig.run(&["verify", "inc", "kept"]).done();
    }
    // What its writers did not tell is found and mended.
    rig.sql_as_superuser("ALTER TABLE orders DISABLE TRIGGER ALL; UPDATE orders SET product = 'p2' WHERE product = 'p1'; ALTER TABLE orders ENABLE TRIGGER ALL");
    assert!(rig.run(&["verify", "kept"]).ended(1).out().contains("differs"));
    rig.run(&["verify", "kept", "--repair", "-q"]).done();
    rig.run(&["verify", "kept"]).done();
}

/// Arrays that are logged may be of any length, or none.
#[test]
fn what_is_in_arrays_is_followed() {
    let mart = "type = \"table\"\nquery = \"SELECT t.tag, count(*) AS n FROM notes AS o, unnest(o.tags) AS t (tag) GROUP BY 1\"\nprimary_key = [\"tag\"]\n[refresh]\nstrategy = \"incremental\"\n";
    let rig = Rig::of(&[("tags.toml", mart)]);
    rig.sql("CREATE TABLE notes (id int PRIMARY KEY, tags text[]); INSERT INTO notes SELECT n, ARRAY['a' || n % 7, 'b' || n % 3] FROM generate_series(1, 3000) AS n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("INSERT INTO notes VALUES (9001, '{a1}'), (9002, '{}'), (9003, NULL), (9004, '{a1,b2,\"c d,{\"}'); DELETE FROM notes WHERE id = 5");
    let run = rig.run(&["refresh", "tags", "--format", "json"]).done().json();
    assert_eq!(
        (&run["runs"][0]["method"], &run["runs"][0]["rows_inserted"]),
        (&json!("changes"), &json!(1)),
        "{run:#}"
    );
    rig.run(&["verify", "tags"]).done();
}
