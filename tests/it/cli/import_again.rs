//! Importing where manifests are already.

use super::import::by_hand;
use super::rig::Rig;

#[test]
fn what_was_written_by_hand_stays() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    let by_hand = rig
        .read("public/sales.toml")
        .replace("type = ", "# The numbers of the board.\ntype =   ")
        .replace("with = ", "tags = [\"board\"] # theirs\nwith = ")
        .replace("[columns]", "[metadata]\nteam = \"bi\"\n\n[columns]")
        .replace("[[grants]]", "# Nobody else.\n[[grants]]");
    rig.write("public/sales.toml", &by_hand);
    let told = rig.run(&["import", "--adopt"]).done().out();
    assert!(told.contains("0 new, 0 changed, 4 as they were. All of them were adopted before."), "{told}");
    assert_eq!(rig.read("public/sales.toml"), by_hand);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // Only what changed in the database changes in the file.
    rig.sql(
        "COMMENT ON MATERIALIZED VIEW sales IS 'Sales'; COMMENT ON COLUMN sales.revenue IS NULL; ALTER MATERIALIZED VIEW sales SET (fillfactor = 90);
         CREATE INDEX sales_day ON sales (day DESC); DROP INDEX sales_upper; GRANT INSERT ON sales TO PUBLIC",
    );
    let told = rig.run(&["import", "--adopt"]).done().out();
    assert!(told.contains("~ datamarts/public/sales.toml\n"), "{told}");
    assert!(told.contains("0 new, 1 changed, 3 as they were. Adopted 1"), "{told}");
    insta::assert_snapshot!(rig.read("public/sales.toml"), @r#"
    # The numbers of the board.
    type =   "materialized_view"
    description = "Sales"
    query = """
    SELECT
        o.day,
        o.product,
        count(*) AS orders,
        sum(o.amount) AS revenue
    FROM public.orders o
    JOIN public.events e ON e.kind <> o.product
    GROUP BY o.day, o.product
    """
    tags = ["board"] # theirs
    with = { fillfactor = 90 }

    [metadata]
    team = "bi"

    [[indexes]]
    columns = ["day", "product"]
    unique = true

    [[indexes]]
    name = "sales_day"
    columns = [{ column = "day", order = "desc" }]

    # Nobody else.
    [[grants]]
    role = "public"
    privileges = ["INSERT", "SELECT"]
    "#);
    rig.run(&["plan", "--detailed-exitcode"]).done();
    rig.run(&["drift"]).done();
}

#[test]
fn a_query_that_changed_in_the_database_is_taken_over_and_one_that_did_not_is_not() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    let respelled = "type = \"view\"\nname = \"Top Products\"\nwith = { security_barrier = true }\n# Mine.\nquery = \"select product, s.revenue from sales s join orders using (product) where revenue > 10 -- as before\"\n";
    rig.write("public/Top_Products.toml", respelled);
    let pending = rig.read("public/sales.toml").replace("sum(o.amount)", "min(o.amount)");
    rig.write("public/sales.toml", &pending);
    rig.sql("CREATE OR REPLACE VIEW \"my-schema\".days AS SELECT DISTINCT s.day FROM sales s JOIN events e ON true WHERE s.orders > 1");
    let told = rig.run(&["import", "--adopt"]).done().out();
    assert!(told.contains("0 new, 1 changed, 3 as they were."), "{told}");
    assert_eq!(rig.read("public/Top_Products.toml"), respelled);
    assert_eq!(rig.read("public/sales.toml"), pending);
    assert!(rig.read("my-schema/days.toml").contains("WHERE s.orders > 1"));
    // What was asked for in a manifest and is not yet done is still to be done.
    let plan = rig.run(&["plan", "--format", "json"]).done().json();
    let changes = plan["changes"].as_array().expect("changes").iter().filter(|c| c["reason"] == "query changed");
    assert_eq!(changes.filter_map(|c| c["address"].as_str()).collect::<Vec<_>>(), ["public.sales"], "{plan:#}");
}

#[test]
fn a_manifest_written_before_the_adoption_is_still_to_be_done() {
    let rig = by_hand();
    rig.run(&["import", "-q"]).done();
    let text = rig.read("public/sales.toml");
    rig.write("public/sales.toml", &(text + "\n[[indexes]]\ncolumns = [\"revenue\"]\n"));
    rig.run(&["import", "--adopt", "-q"]).done();
    let plan = rig.run(&["plan", "--format", "json"]).done().json();
    assert_eq!(plan["changes"][0]["reason"], "index sales_revenue_idx added", "{plan:#}");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn another_project_s_marts_are_its_own() {
    let rig = Rig::applied();
    rig.write("project.toml", "[project]\nname = \"second\"\n");
    for file in ["dashboard/sales.toml", "dashboard/top.toml", "archive/sales_2024.toml", "event_counts.toml"] {
        rig.remove(file);
    }
    insta::assert_snapshot!(rig.run(&["import", "--adopt"]), @r#"
    exit 0
    --- stdout
    Not imported:
      1 materialized view: project shop manages it
        public.sales
      2 tables: without a stored query; where one fills it, write its manifest with `type = "table"` and that query
        public.events, public.orders
      1 view: project shop manages it
        public.top

    Nothing to import from DB on SOCKET.
    "#);
}

#[test]
fn nothing_is_half_written() {
    let rig = by_hand();
    // Broken manifests are not written into.
    rig.write("broken.toml", "type = \"view\"\nquerry = 'SELECT 1'\n");
    let failed = rig.run(&["import"]).ended(1);
    assert!(failed.stderr.contains("did you mean `query`?"), "{}", failed.stderr);
    assert!(failed.stderr.contains("repair the manifests there are first"), "{}", failed.stderr);
    assert!(!rig.folder.path().join("datamarts/public").exists());
    rig.remove("broken.toml");
    // A file stands where a folder has to be.
    rig.write("my-schema", "not a folder");
    let failed = rig.run(&["import", "--adopt"]).ended(1);
    assert!(failed.stderr.contains("datamarts/my-schema"), "{}", failed.stderr);
    let left: Vec<_> = std::fs::read_dir(rig.folder.path().join("datamarts"))
        .expect("a folder")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left, ["my-schema"], "half-written");
    assert_eq!(rig.value("SELECT to_regclass('datamart.marts') IS NULL"), "true");
    // What was not adopted then is adopted by trying again.
    rig.remove("my-schema");
    rig.run(&["import", "--adopt", "-q"]).done();
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn an_adoption_waits_for_nobody() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    let key = rig.value("SELECT key FROM datamart.locks LIMIT 1");
    assert_eq!(key, "NULL", "a lock stayed");
    rig.write("slow.toml", "type = \"materialized_view\"\nquery = \"SELECT pg_sleep(30) IS NULL AS slept\"\n");
    let apply = rig.start(&["apply", "--auto-approve", "-q"]);
    rig.until_at_work("apply", "%pg_sleep(30)%");
    let refused = rig.run(&["import", "--adopt"]).ended(1);
    assert!(refused.stderr.contains("the lock apply is held by another session"), "{}", refused.stderr);
    // Writing manifests needs no lock.
    rig.run(&["import"]).done();
    apply.signal(nix::sys::signal::Signal::SIGINT);
    apply.finish().ended(1);
}
