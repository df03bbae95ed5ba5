//! Large partitioned marts are filled by several sessions before they are published.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cli::rig::Rig;
use crate::faults::{HALT, HALT_AT_ROWS, PROJECT, stopped_at};

/// Some pages of orders, in order of time.
const ORDERS: &str = "CREATE TABLE orders (id int, day date, amount int NOT NULL, words text NOT NULL);
    INSERT INTO orders SELECT n, date '2026-01-01' + n / 30, n, repeat('x', 100) FROM generate_series(0, 5399) AS n;
    CREATE INDEX ON orders (day); ANALYZE orders";

const APPLY: &[&str] = &["apply", "--auto-approve", "-q"];

/// A mart that is large to the planner: a page costs as much as thousands do.
fn sales(amount: &str, more: &str) -> String {
    format!(
        "type = \"partitioned_table\"\nquery = \"SELECT id, day, {amount} AS amount FROM orders\"\n\
         session = {{ seq_page_cost = \"5000\", random_page_cost = \"5000\" }}\n\
         [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\npremake = 0\n{more}\n[[indexes]]\ncolumns = [\"id\"]\n"
    )
}

/// How many statements of a plan fill side by side.
fn beside(rig: &Rig) -> usize {
    let plan = rig.run(&["plan", "--format", "json"]).json();
    let steps = plan["steps"].as_array().cloned().unwrap_or_default();
    steps
        .iter()
        .filter(|step| step["beside"] == true && step["sql"].as_str().is_some_and(|sql| sql.starts_with("INSERT")))
        .count()
}

/// Its rows are those of its query, it is as declared, and nothing is left of a build.
fn is_whole(rig: &Rig, amount: &str) {
    let query = format!("SELECT id, day, {amount} AS amount FROM orders");
    let differ = format!(
        "SELECT count(*) FROM ((TABLE sales EXCEPT ALL ({query})) UNION ALL (({query}) EXCEPT ALL TABLE sales)) AS d"
    );
    assert_eq!(rig.value(&differ), "0");
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname ~ '__next'"), "0");
    assert_eq!(rig.value("SELECT coalesce(obj_description('sales'::regclass), '')"), "");
    rig.run(&["plan", "--detailed-exitcode", "-q"]).done();
}

#[test]
fn the_first_rows_come_side_by_side() {
    let rig = Rig::of(&[
        ("sales.toml", &sales("amount", "")),
        ("above.toml", "type = \"view\"\nquery = \"SELECT count(*) AS n FROM sales\"\n"),
    ]);
    rig.sql(ORDERS);
    // Six months, and what is in none of them.
    assert_eq!(beside(&rig), 7);
    rig.run(APPLY).done();
    is_whole(&rig, "amount");
    // So they are vacuumed and analysed, the mart itself, too.
    let leaves = "FROM pg_class WHERE relkind = 'r' AND relname ~ '^sales_y'";
    assert_eq!(rig.value(&format!("SELECT sum(reltuples) {leaves}")), "5400");
    assert_eq!(rig.value("SELECT count(DISTINCT tablename) FROM pg_stats WHERE tablename ~ '^sales'"), "7");
    let vacuumed =
        format!("SELECT bool_and(pg_stat_get_vacuum_count(oid) > 0 AND pg_stat_get_analyze_count(oid) > 0) {leaves}");
    rig.until(&vacuumed);
    assert_eq!(rig.value("SELECT n FROM above"), "5400");
    // And those of other queries. Where the machine is busy, one session may be done before the other one has begun.
    let shared = || rig.value("SELECT count(DISTINCT xmin::text) FROM sales") == "2";
    let mut both = shared();
    for more in 1..20 {
        let expression = format!("amount + {more}");
        rig.write("sales.toml", &sales(&expression, ""));
        assert_eq!(beside(&rig), 7);
        rig.run(APPLY).done();
        is_whole(&rig, &expression);
        assert_eq!(rig.value("SELECT n FROM above"), "5400");
        both |= shared();
        if both {
            return;
        }
    }
    panic!("one session always did it all");
}

/// Where the bounds do not reach what is read, and writing is most of it, each session reads all.
#[test]
fn each_session_writes_its_part() {
    let sales = "type = \"partitioned_table\"\nquery = \"SELECT id, day, amount FROM orders\"\n\
        [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\n";
    let rig = Rig::of(&[("sales.toml", sales)]);
    rig.sql("CREATE TABLE orders AS SELECT n AS id, date '2026-01-01' + n / 2000 AS day, n AS amount FROM generate_series(0, 299999) AS n; ANALYZE orders");
    assert_eq!(beside(&rig), 2);
    rig.run(APPLY).done();
    is_whole(&rig, "amount");
    assert_eq!(rig.value("SELECT count(DISTINCT xmin::text) FROM sales"), "2");
    let alone = "[limits]\nparallel_refreshes = 1\n";
    rig.write("project.toml", alone);
    rig.write("sales.toml", &sales.replace("1 month", "2 months"));
    assert_eq!(beside(&rig), 0);
}

/// Rows of one key may not depend on others, or two sessions could take them differently.
#[test]
fn what_cannot_be_told_apart_is_filled_in_one_pass() {
    let rig = Rig::of(&[(
        "sales.toml",
        &sales("amount", "").replace("FROM orders", "FROM orders ORDER BY amount LIMIT 5000"),
    )]);
    rig.sql(ORDERS);
    assert_eq!(beside(&rig), 0);
    // What reads what is new has to wait for it.
    let over = sales("amount", "").replace("FROM orders", "FROM base");
    let base = "type = \"table\"\nquery = \"SELECT * FROM orders\"\n";
    rig.write("sales.toml", &over);
    rig.write("base.toml", base);
    assert_eq!(beside(&rig), 0);
    rig.run(APPLY).done();
    is_whole(&rig, "amount");
}

#[test]
fn rows_without_a_partition_are_told_and_leave_nothing() {
    let small = "type = \"table\"\nquery = \"SELECT max(id) AS id FROM orders\"\n";
    let rig = Rig::of(&[("a.toml", small), ("sales.toml", &sales("amount", ""))]);
    rig.sql(&format!("{ORDERS}; UPDATE orders SET day = NULL WHERE id = 7"));
    assert_eq!(beside(&rig), 7);
    let out = rig.run(APPLY).ended(1);
    assert!(out.err().contains("a row has no partition of public.sales: (day) = (null)"), "{out}");
    assert!(out.err().contains("default = true"), "{out}");
    assert!(!out.err().contains("built aside, and published"), "{out}");
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname ~ '^sales|__next'"), "0");
    rig.write("sales.toml", &sales("amount", "default = true"));
    rig.run(APPLY).done();
    is_whole(&rig, "amount");
    assert_eq!(rig.value("SELECT count(*) FROM sales_default"), "1");
    // A check that does not pass leaves nothing either.
    let checked =
        format!("{}[[checks]]\nname = \"few\"\nrows = {{ max = 10 }}\n", sales("amount + 2", "default = true"));
    rig.write("sales.toml", &checked);
    assert_eq!(beside(&rig), 7);
    rig.run(APPLY).ended(1);
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname ~ '__next'"), "0");
    assert_eq!(rig.value("SELECT max(amount) FROM sales"), "5399");
}

#[test]
fn a_first_fill_that_is_killed_at_any_step_is_done_by_the_next_apply() {
    let rig = Rig::of(&[("project.toml", PROJECT), ("sales.toml", &sales("amount", ""))]);
    rig.sql(ORDERS);
    rig.sql_as_superuser(HALT);
    rig.run(APPLY).done();
    rig.sql_as_superuser(HALT_AT_ROWS);
    let fresh = || {
        rig.sql("DROP TABLE IF EXISTS sales");
        assert_eq!(beside(&rig), 7);
        rig.sql_as_superuser("ALTER SEQUENCE faults.step RESTART");
    };
    fresh();
    rig.run(APPLY).done();
    let steps: u32 = rig.value("SELECT last_value FROM faults.step").parse().expect("a number");
    assert!(steps >= 20, "only {steps} steps");
    for at in (1..=steps).step_by(steps as usize / 6) {
        fresh();
        let out = stopped_at(&rig, at, APPLY, |command| command.signal(Signal::SIGKILL));
        assert_eq!(out.code, None, "step {at}: {out}");
        rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^datamart: (apply|fill)'");
        let plan = rig.run(&["plan", "--format", "json"]).json();
        assert_ne!(plan["format_version"], Value::Null);
        rig.run(APPLY).done();
        is_whole(&rig, "amount");
    }
}

/// What stands behind a view is kept from being emptied between the snapshot of a fill and its reading: to that it would be empty.
#[test]
fn what_is_emptied_behind_a_view_is_not_missed() {
    let sales = "type = \"partitioned_table\"\nquery = \"SELECT id, day, amount FROM seen\"\n\
        [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\n";
    let rig = Rig::of(&[("project.toml", PROJECT), ("sales.toml", sales)]);
    rig.sql(&format!("{ORDERS}; CREATE VIEW seen AS SELECT * FROM orders"));
    rig.run(APPLY).done();
    let held = rig.hold(
        "CREATE TABLE copied AS TABLE orders; TRUNCATE orders; INSERT INTO orders SELECT * FROM copied; DROP TABLE copied",
    );
    let refresh = rig.start(&["refresh", "sales", "--full"]);
    rig.until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'datamart: refresh%' AND wait_event_type = 'Lock'");
    held.commit();
    refresh.finish().done();
    assert_eq!(rig.value("SELECT count(*) FROM sales"), "5400");
}

/// A mart whose rows some session does not get on with.
fn slow(rig: &Rig, does: &str) {
    rig.sql(ORDERS);
    rig.sql(&format!(
        "CREATE FUNCTION slow(amount int) RETURNS int LANGUAGE plpgsql IMMUTABLE COST 1 AS $$
         DECLARE helps bool := current_setting('application_name') LIKE '% fill %'; BEGIN {does} RETURN amount; END $$"
    ));
    rig.write("sales.toml", &sales("slow(amount)", ""));
    assert_eq!(beside(rig), 7);
}

/// Nothing of an apply that was stopped, and none of its sessions, is left.
fn is_gone(rig: &Rig) {
    rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^datamart: (apply|fill)'");
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname ~ '^sales|__next'"), "0");
}

#[test]
fn ctrl_c_is_heard_by_those_that_help() {
    let rig = Rig::of(&[("project.toml", PROJECT)]);
    slow(&rig, "IF helps THEN PERFORM pg_sleep(300); END IF;");
    let apply = rig.start(APPLY);
    let idle = "application_name = 'datamart: apply' AND state = 'idle in transaction'";
    let helps = "application_name LIKE '% fill %' AND wait_event = 'PgSleep'";
    // The first session has done all the rest, and has nothing that could be cancelled.
    rig.until(&format!(
        "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database() AND ({idle} AND state_change < now() - interval '2 s' OR {helps})"
    ));
    apply.signal(Signal::SIGINT);
    let out = apply.finish().ended(1);
    assert!(out.err().contains("canceling statement due to user request"), "{out}");
    is_gone(&rig);
}

#[test]
fn where_a_helper_fails_nobody_goes_on() {
    let rig = Rig::of(&[("project.toml", PROJECT)]);
    slow(&rig, "IF helps THEN PERFORM pg_sleep(1); RAISE 'no more'; ELSE PERFORM pg_sleep(300); END IF;");
    let out = rig.run(APPLY).ended(1);
    assert!(out.err().contains("no more"), "{out}");
    is_gone(&rig);
}
