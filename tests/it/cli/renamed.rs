//! Relations of marts that somebody renamed by hand.

use super::rig::Rig;

const SALES: &str =
    "type = \"materialized_view\"\nquery = \"SELECT n FROM numbers\"\n[[indexes]]\ncolumns = [\"n\"]\nunique = true\n";
const KEPT: &str = "type = \"table\"\nquery = \"SELECT n FROM numbers\"\n[versions]\nkeep = 2\n";

fn rig(manifests: &[(&str, &str)]) -> Rig {
    let rig = Rig::of(manifests);
    rig.sql("CREATE TABLE numbers AS SELECT n FROM generate_series(1, 3) AS n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

#[test]
fn what_it_is_called_now_is_told() {
    let rig = rig(&[("sales.toml", SALES)]);
    rig.sql("ALTER MATERIALIZED VIEW sales RENAME TO \"Old sales\"");
    insta::assert_snapshot!(rig.run(&["drift"]).ended(2).out(), @r#"
    ! public.sales (materialized_view): its relation was renamed to public."Old sales"
        --- as applied
        +++ in the database
        @@ -1 +1 @@
        -public.sales
        +public."Old sales"

    Drift: 1 difference in 1 mart; `datamart apply --heal` puts it back.
    "#);
    let told = rig.run(&["drift", "--format", "json"]).ended(2).json();
    assert_eq!(told["drift"][0]["expected"], "public.sales");
    assert_eq!(told["drift"][0]["actual"], "public.\"Old sales\"");
    let status = rig.run(&["status"]).done().out();
    assert!(status.contains("public.sales: its relation was renamed to public.\"Old sales\""), "{status}");
    let refresh = rig.run(&["refresh", "sales"]).ended(1);
    let back = "give it its name back: ALTER MATERIALIZED VIEW public.\"Old sales\" RENAME TO sales;";
    assert!(refresh.stdout.contains(back) || refresh.stderr.contains(back), "{refresh}");
    // It has its indexes still, whose names another one would need.
    insta::assert_snapshot!(rig.run(&["plan"]).ended(1).err(), @r#"
    error: public.sales: public.sales_n_idx exists and is an index of public."Old sales", which is this mart's relation: somebody renamed it
     --> datamarts/sales.toml:3:3
      |
    3 | [[indexes]]
      |   ^^^^^^^
      |
      = help: give it its name back: ALTER MATERIALIZED VIEW public."Old sales" RENAME TO sales;

    error: 1 problem with this database
    "#);
    rig.sql("ALTER MATERIALIZED VIEW \"Old sales\" RENAME TO sales");
    rig.run(&["drift"]).done();
}

#[test]
fn one_without_indexes_is_made_beside_it() {
    let rig = rig(&[("sales.toml", "type = \"view\"\nquery = \"SELECT n FROM numbers\"\n")]);
    rig.sql("CREATE SCHEMA attic; ALTER VIEW sales SET SCHEMA attic");
    let plan = rig.run(&["plan"]).done().out();
    let line = "+ public.sales (view): missing in the database: somebody renamed it to attic.sales";
    assert!(plan.contains(line), "{plan}");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["drift"]).done();
    assert_eq!(rig.value("SELECT to_regclass('attic.sales') IS NOT NULL"), "true");
}

#[test]
fn a_version_is_one_too() {
    let rig = rig(&[("sales.toml", KEPT)]);
    rig.sql("ALTER TABLE sales_v1 RENAME TO mine");
    let drift = rig.run(&["drift"]).ended(2).out();
    assert!(drift.contains("public.sales (table): the relation of version 1 was renamed to public.mine"), "{drift}");
}

/// A refresh of it that is at work would find its relation gone, and all it computed with it.
#[test]
fn a_mart_is_not_renamed_under_its_refresh() {
    let rig = rig(&[("sales.toml", SALES), ("project.toml", "[project]\nname = \"shop\"\n")]);
    let held = rig.hold("SELECT pg_advisory_xact_lock(datamart.lock_key('shop', 'mart:public.sales'))");
    rig.write("sales.toml", &SALES.replace("query", "name = \"revenue\"\nrenamed_from = [\"sales\"]\nquery"));
    let told = rig.run(&["apply", "--auto-approve"]).ended(1).err();
    assert!(told.contains("the lock mart:public.sales is held by another session"), "{told}");
    held.release();
    rig.run(&["apply", "--auto-approve"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM revenue"), "3");
}
