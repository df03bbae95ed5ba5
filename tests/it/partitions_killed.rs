//! A refresh of a partitioned mart that is killed at any step: readers see all old or all new rows, and the next one repairs it.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use crate::cli::rig::Rig;
use crate::faults::{HALT, PROJECT, stopped_in};

const SEED: &str = "CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, amount int NOT NULL);
    INSERT INTO orders SELECT n, date '2026-01-10' + (n % 6) * 30, 0 FROM generate_series(1, 60) AS n";

const MART: &str = "type = \"partitioned_table\"\nquery = \"SELECT day, sum(amount) AS amount FROM orders GROUP BY 1\"\n\
    primary_key = [\"day\"]\n[partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\npremake = 0\n[[indexes]]\ncolumns = [\"amount\"]\n\
    [refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"partition\"\n";

/// Two partitions change; each of the ten orders of a day has this amount then.
fn change(rig: &Rig, amount: u32) {
    rig.sql(&format!("UPDATE orders SET amount = {amount} WHERE day IN ('2026-02-09', '2026-04-10')"));
    rig.sql_as_superuser("ALTER SEQUENCE faults.step RESTART");
}

/// What readers see of the days that change, and of all others.
fn seen(rig: &Rig) -> String {
    rig.value("SELECT string_agg(DISTINCT amount::text, ' ') FILTER (WHERE day IN ('2026-02-09', '2026-04-10')) || ' of ' || count(*) FROM sales")
}

#[test]
fn an_exchange_that_is_killed_at_any_step_is_done_by_the_next_refresh() {
    let rig = Rig::of(&[("project.toml", PROJECT), ("sales.toml", MART)]);
    rig.sql(SEED);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql_as_superuser(&HALT.replace("= 'datamart: apply'", "LIKE 'datamart: refresh%'"));
    rig.sql_as_superuser(
        "CREATE TRIGGER halt AFTER INSERT OR UPDATE ON datamart.positions EXECUTE FUNCTION faults.at_row()",
    );
    change(&rig, 1);
    rig.run(&["refresh", "sales"]).done();
    assert_eq!(seen(&rig), "10 of 6");
    let steps: u32 = rig.value("SELECT last_value FROM faults.step").parse().expect("a number");
    assert!(steps >= 20, "only {steps} steps");
    let mut published = BTreeSet::new();
    for at in 1..=steps {
        let before = seen(&rig);
        change(&rig, 1 + at);
        let out = stopped_in(&rig, "refresh 1", at, &["refresh", "sales"], |command| command.signal(Signal::SIGKILL));
        assert_eq!(out.code, None, "step {at}: {out}");
        rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'datamart: refresh%'");
        let after = format!("{} of 6", (1 + at) * 10);
        let sees = seen(&rig);
        assert!(sees == before || sees == after, "killed before statement {at} of {steps}: readers see {sees}");
        published.insert(sees == after);
        rig.run(&["refresh", "sales"]).done();
        assert_eq!(seen(&rig), after, "killed before statement {at} of {steps}");
        let left = "SELECT count(*) FROM pg_class WHERE relname ~ '__next|datamart_bound'";
        assert_eq!(rig.value(left), "0", "killed before statement {at} of {steps}");
        rig.run(&["plan", "--detailed-exitcode", "-q"]).done();
    }
    assert_eq!(Vec::from_iter(published), [false, true]);
}
