//! Rows that nothing computes again, and relations that somebody changed by hand.

use serde_json::json;

use super::rig::Rig;

const ORDERS: &str = "CREATE TABLE orders (day date, amount numeric);
    INSERT INTO orders SELECT current_date - 40 - n, n FROM generate_series(0, 29) AS n";

fn mart(more: &str) -> String {
    format!(
        "type = \"table\"\nquery = \"SELECT day, sum(amount) AS total FROM orders GROUP BY 1\"\nprimary_key = [\"day\"]\n{more}"
    )
}

/// A window that reaches back into history ends where that begins.
#[test]
fn a_window_leaves_history_as_it_is() {
    let window = |lookback: &str| {
        mart(&format!(
            "[refresh.incremental]\nmethod = \"window\"\ntime_column = \"day\"\nlookback = \"{lookback}\"\nfrozen_before = \"45 days\"\n"
        ))
    };
    let rig = Rig::of(&[("fz.toml", &window("10 days"))]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let frozen = "SELECT count(*) || ' ' || sum(total) FROM fz WHERE day < current_date - 45";
    let before = rig.value(frozen);
    rig.sql("DELETE FROM orders; INSERT INTO orders VALUES (current_date - 50, 1000), (current_date - 44, 7)");
    for lookback in ["10 days", "60 days"] {
        rig.write("fz.toml", &window(lookback));
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        rig.run(&["refresh", "fz", "-q"]).done();
        rig.run(&["refresh", "fz", "--incremental", "--days", "70", "-q"]).done();
        assert_eq!(rig.value(frozen), before, "{lookback}");
    }
    assert_eq!(rig.value("SELECT total FROM fz WHERE day = current_date - 44"), "7");
}

/// What was appended, and what is frozen, is in nobody's query any more.
#[test]
fn rows_that_nothing_computes_again_go_when_asked_for_alone() {
    let append = "[refresh.incremental]\nmethod = \"append\"\ntime_column = \"day\"\n";
    let frozen = "[refresh.incremental]\nmethod = \"changes\"\ntime_column = \"day\"\nfrozen_before = \"45 days\"\n";
    let view = "type = \"view\"\nquery = \"SELECT 1 AS one\"\n";
    let rig = Rig::of(&[("ap.toml", &mart(append)), ("fz.toml", &mart(frozen)), ("stays.toml", view)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("DELETE FROM orders WHERE day < current_date - 50");
    let rows = "SELECT (SELECT count(*) FROM ap) || ' ' || (SELECT count(*) FROM fz)";
    let refused = |rig: &Rig, args: &[&str], words: &[&str]| {
        let out = rig.run(args).ended(1);
        for words in words {
            assert!(out.out().contains(&format!("DELETES_DATA {words}")), "{words}: {}", out.out());
        }
        assert_eq!(rig.value(rows), "30 30");
    };
    let apply = ["apply", "--auto-approve"];
    rig.write("ap.toml", &mart(append).replace("sum(amount)", "sum(amount) + 1"));
    rig.write("fz.toml", &mart("").replace("sum(amount)", "sum(amount) + 1"));
    let again = "are computed again from what its sources have now";
    refused(
        &rig,
        &apply,
        &[
            &format!("public.ap: rows of public.ap that were appended {again}"),
            &format!("public.fz: rows of public.fz that are frozen {again}"),
        ],
    );
    rig.write("ap.toml", "type = \"view\"\nquery = \"SELECT day, sum(amount) AS total FROM orders GROUP BY 1\"\n");
    rig.write("fz.toml", &mart(frozen));
    refused(&rig, &apply, &["public.ap: rows of public.ap that were appended go"]);
    rig.remove("ap.toml");
    rig.remove("fz.toml");
    refused(
        &rig,
        &["apply", "--prune", "--auto-approve"],
        &["public.ap: rows of public.ap that were appended go", "public.fz: rows of public.fz that are frozen go"],
    );
    rig.run(&["apply", "--prune", "--auto-approve", "--allow", "DELETES_DATA", "-q"]).done();
    assert_eq!(rig.value("SELECT to_regclass('ap') IS NULL AND to_regclass('fz') IS NULL"), "true");
}

/// Partitions that are too old go because the manifest says so; with frozen rows, when they are allowed to.
#[test]
fn what_retain_asks_for_is_no_hazard() {
    let sales = |partition: &str, more: &str| {
        format!(
            "type = \"partitioned_table\"\nquery = \"SELECT day, sum(amount) AS total FROM orders GROUP BY 1\"\nprimary_key = [\"day\"]\n\
             [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\n{partition}{more}"
        )
    };
    let frozen = "[refresh.incremental]\nmethod = \"partition\"\ntime_column = \"day\"\nlookback = \"2 days\"\nfrozen_before = \"80 days\"\n";
    let rig = Rig::of(&[("plain.toml", &sales("", "")), ("history.toml", &sales("", frozen))]);
    rig.sql("CREATE TABLE orders (day date, amount numeric); INSERT INTO orders SELECT current_date - n, n FROM generate_series(0, 150) AS n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.write("plain.toml", &sales("retain = \"40 days\"\n", ""));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM plain WHERE day < current_date - 72"), "0");
    rig.write("history.toml", &sales("retain = \"40 days\"\n", frozen));
    let refused = rig.run(&["apply", "--auto-approve"]).ended(1);
    assert!(refused.out().contains("are dropped with their frozen rows"), "{}", refused.out());
    assert_eq!(rig.value("SELECT count(*) FROM history"), "151");
}

/// Columns that somebody changed are drift of that mart alone: what reads it is what its manifest says.
#[test]
fn columns_changed_by_hand_are_drift() {
    let t = "type = \"table\"\nquery = \"SELECT day, amount FROM orders\"\n";
    let dt = "type = \"view\"\nquery = \"SELECT day, sum(amount) AS total FROM t GROUP BY 1\"\n";
    let v = "type = \"table\"\nquery = \"SELECT day, amount FROM orders\"\n[versions]\n";
    let rig = Rig::of(&[("t.toml", t), ("dt.toml", dt), ("v.toml", v)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    for (change, verified) in [
        ("ALTER TABLE t RENAME COLUMN day TO sometime", "t"),
        (
            "DROP VIEW dt; ALTER TABLE t ALTER amount TYPE float8; CREATE VIEW dt AS SELECT day, sum(amount) AS total FROM t GROUP BY 1",
            "t",
        ),
        ("ALTER TABLE v_v1 ADD COLUMN more int", "v"),
        ("DROP VIEW dt; ALTER TABLE t DROP COLUMN amount; CREATE VIEW dt AS SELECT day, 1 AS total FROM t", "t"),
    ] {
        rig.sql(change);
        let drift = rig.run(&["drift"]).ended(2);
        assert!(drift.out().contains("public.t") || drift.out().contains("public.v"), "{change}: {}", drift.out());
        let verify = rig.run(&["verify", verified]).ended(1);
        assert!(
            format!("{}{}", verify.stdout, verify.stderr).contains("has other columns"),
            "{change}: {}{}",
            verify.stdout,
            verify.stderr
        );
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        assert_eq!(
            rig.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'v'::regclass AND attname = 'more'"),
            "0"
        );
        rig.run(&["apply", "--heal", "--auto-approve", "-q", "--allow", "BREAKS_DEPENDENTS,DELETES_DATA"]).done();
        assert!(rig.run(&["drift"]).done().out().contains("No drift"), "{change}");
        let verified = rig.run(&["verify", "t", "v"]);
        assert_eq!(verified.code, Some(0), "{change}: {}{}", verified.stdout, verified.stderr);
        rig.run(&["refresh", "t", "v", "-q"]).done();
    }
}

/// How new the data of a view is says its query alone: `status` does not say that it is fresh.
#[test]
fn the_age_of_a_view_is_not_made_up() {
    let view = "type = \"view\"\nquery = \"SELECT day FROM orders\"\n[freshness]\ncolumn = \"day\"\nwarn_after = \"5m\"\nerror_after = \"10m\"\n";
    let rig = Rig::of(&[("v.toml", view)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let status = rig.run(&["status", "--format", "json"]).done().json();
    assert_eq!(status["marts"][0]["freshness"], json!(null), "{status:#}");
    let stats = rig.run(&["stats", "v"]).done();
    assert!(stats.out().contains("stale"), "{}", stats.out());
}

/// What cannot be made, since a name is taken, is no matter of what differs from what was applied.
#[test]
fn a_relation_renamed_by_hand_is_drift_though_its_key_has_the_name() {
    let rig = Rig::of(&[("kept.toml", &mart(""))]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("ALTER TABLE kept RENAME TO kept_old");
    let drift = rig.run(&["drift"]).ended(2);
    assert!(
        drift.out().starts_with("! public.kept (table): its relation was renamed to public.kept_old\n"),
        "{}",
        drift.out()
    );
    let plan = rig.run(&["plan"]).ended(1);
    assert!(plan.err().contains("public.kept_pkey exists and is an index of public.kept_old"), "{}", plan.err());
}
