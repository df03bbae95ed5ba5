//! Partitions that come, by another manifest, beside a default of many rows.

use std::time::Duration;

use crate::cli::rig::Rig;

const APPLY: &[&str] = &["apply", "--auto-approve", "-q"];

/// Many orders of long ago.
const ORDERS: &str = "CREATE TABLE orders (id int, day date NOT NULL, amount int NOT NULL);
    INSERT INTO orders SELECT n, date '1999-01-01' + n % 300, n FROM generate_series(1, 20000) AS n;
    INSERT INTO orders SELECT n, current_date - n % 30, n FROM generate_series(20001, 20100) AS n;";

/// Orders since this year; those from before are in the default. Nobody but us locks it, so that nothing is tried again.
fn sales(premake: u32) -> String {
    format!(
        "type = \"partitioned_table\"\nquery = \"SELECT id, day, amount FROM orders\"\nwith = {{ autovacuum_enabled = \"false\" }}\n\
         [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\nstart = \"2026-01-01\"\npremake = {premake}\ndefault = true\n"
    )
}

/// How often the default was read from end to end, once whoever did is gone and it is counted: before 15 that comes a little later.
fn reads(rig: &Rig) -> i64 {
    rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^datamart: (apply|plan)'");
    let counted = || -> i64 {
        let sql = "SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'sales_default'::regclass";
        rig.value(sql).parse().expect("a number")
    };
    let mut before = counted();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = counted();
        if now == before {
            return now;
        }
        before = now;
    }
}

fn is_whole(rig: &Rig) {
    let differ = "SELECT count(*) FROM ((TABLE sales EXCEPT ALL TABLE orders) UNION ALL (TABLE orders EXCEPT ALL TABLE sales)) AS d";
    assert_eq!(rig.value(differ), "0");
    assert_eq!(rig.value("SELECT count(*) FROM pg_constraint WHERE conname = 'datamart_bound'"), "0");
    rig.run(&["plan", "--detailed-exitcode", "-q"]).done();
}

const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'sales'::regclass";

fn partitions(rig: &Rig) -> i64 {
    rig.value(PARTITIONS).parse().expect("a number")
}

#[test]
fn one_without_their_rows_is_read_beside_its_readers_and_writers() {
    let rig = Rig::of(&[("sales.toml", &sales(1))]);
    rig.sql(ORDERS);
    rig.run(APPLY).done();
    let (before, there) = (reads(&rig), partitions(&rig));
    rig.write("sales.toml", &sales(5));
    let plan = rig.run(&["plan"]).ended(0).out();
    assert_eq!(plan.matches("ADD CONSTRAINT datamart_bound").count(), 1, "{plan}");
    rig.run(APPLY).done();
    assert_eq!(partitions(&rig), there + 4);
    // For the constraint, and for the rows that each of them could have taken along; not to attach them.
    assert_eq!(reads(&rig) - before, 1 + 4);
    is_whole(&rig);
}

#[test]
fn rows_that_are_theirs_go_along() {
    let rig = Rig::of(&[("sales.toml", &sales(1))]);
    rig.sql(ORDERS);
    rig.sql("INSERT INTO orders SELECT 0, date_trunc('month', current_date) + interval '100 days', 1");
    rig.run(APPLY).done();
    let home = "SELECT tableoid::regclass FROM sales WHERE id = 0";
    assert_eq!(rig.value(home), "sales_default");
    let there = partitions(&rig);
    rig.write("sales.toml", &sales(5));
    rig.run(APPLY).done();
    assert_eq!(partitions(&rig), there + 4);
    assert_ne!(rig.value(home), "sales_default");
    is_whole(&rig);
}

#[test]
fn who_reads_it_for_long_keeps_them_from_coming_and_nothing_is_left() {
    let rig = Rig::of(&[("sales.toml", &sales(1)), ("project.toml", "[database]\npublish_lock_timeout = \"10ms\"\n")]);
    rig.sql(ORDERS);
    rig.run(APPLY).done();
    let there = partitions(&rig);
    rig.write("sales.toml", &sales(2));
    let reader = rig.hold("SELECT count(*) FROM sales_default");
    let out = rig.run(APPLY).ended(1);
    assert!(out.err().contains("lock"), "{out}");
    reader.release();
    assert_eq!(partitions(&rig), there);
    assert_eq!(rig.value("SELECT count(*) FROM pg_constraint WHERE conname = 'datamart_bound'"), "0");
    rig.run(APPLY).done();
    assert_eq!(partitions(&rig), there + 1);
    is_whole(&rig);
}
