//! What writers keep while an apply is at work on the same tables, and where it does not come to its end.

use crate::cli::rig::Rig;

const KEPT: &str =
    "type = \"table\"\nquery = \"SELECT a, {n} AS n FROM src GROUP BY a\"\n[refresh]\nstrategy = \"on_commit\"\n";
const OTHER: &str = "type = \"table\"\nquery = \"SELECT b, {x} AS x, count(*) AS n FROM src GROUP BY b\"\n[refresh]\nstrategy = \"incremental\"\n";
const APPLY: &[&str] = &["apply", "--auto-approve"];

fn rig() -> Rig {
    let rig = Rig::of(&[("kept.toml", &KEPT.replace("{n}", "count(*)"))]);
    rig.sql("CREATE TABLE src (a int, b int); INSERT INTO src SELECT g % 5, g % 3 FROM generate_series(1, 100) AS g");
    rig.run(APPLY).done();
    rig
}

/// A row is written; whether the mart shows it.
fn is_kept(rig: &Rig, what: &str) {
    rig.sql("INSERT INTO src VALUES (1, 1)");
    let same = "SELECT (SELECT count(*) FROM src WHERE a = 1) || ' ' || (SELECT n FROM kept WHERE a = 1)";
    let counts = rig.value(same);
    let (is, shown) = counts.split_once(' ').unwrap();
    assert_eq!(is, shown, "{what}");
}

#[test]
fn an_apply_that_fails_leaves_it_kept() {
    let rig = rig();
    // Its rows are those of another query from the publication on, which is not reached.
    for (what, query) in [("it stays", "count(*)"), ("it is made anew", "count(*) + 0")] {
        rig.write("kept.toml", &KEPT.replace("{n}", query));
        rig.write("other.toml", &OTHER.replace("{x}", "1 / (b - 1)"));
        let out = rig.run(APPLY).ended(1);
        assert!(out.stderr.contains("division by zero"), "{out}");
        assert!(!out.stderr.contains("finishes the job"), "{out}");
        is_kept(&rig, what);
        rig.remove("other.toml");
        rig.write("kept.toml", &KEPT.replace("{n}", "count(*)"));
        rig.run(APPLY).done();
        is_kept(&rig, "as it was");
        rig.run(&["plan", "--detailed-exitcode"]).done();
    }
}

#[test]
fn it_is_kept_while_another_mart_is_built() {
    let rig = rig();
    rig.write("other.toml", &OTHER.replace("{x}", "min(slow(b))"));
    rig.sql("CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(0.05); RETURN n; END'");
    let apply = rig.start(APPLY);
    rig.until_at_work("apply", "CREATE TABLE%");
    (0..3).for_each(|_| is_kept(&rig, "the other is built"));
    apply.finish().done();
    is_kept(&rig, "applied");
}

#[test]
fn what_keeps_it_is_missed() {
    let rig = rig();
    let function =
        rig.value("SELECT oid::regprocedure FROM pg_proc WHERE proname LIKE 'commits\\_%\\_\\_public\\_kept%'");
    rig.sql(&format!("DROP FUNCTION {function}"));
    rig.sql("INSERT INTO src VALUES (1, 1)");
    let drift = rig.run(&["drift"]);
    assert!(drift.stdout.contains("what keeps it as writers commit was removed"), "{drift}");
    let status = rig.run(&["status", "--format", "json"]).stdout;
    assert!(status.contains("\"NotKept\"") && status.contains("\"stale\""), "{status}");
    rig.run(APPLY).done();
    is_kept(&rig, "put back");
    assert!(!rig.run(&["status", "--format", "json"]).stdout.contains("NotKept"));
}
