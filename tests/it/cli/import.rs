//! `import`: manifests for what a database has, and its adoption.

use super::rig::{ORDERS, ROLE, Rig};

/// What somebody made by hand.
pub const SHOP: &str = r#"
CREATE MATERIALIZED VIEW sales WITH (fillfactor = 80) AS
  SELECT o.day, o.product, count(*) AS orders, sum(o.amount) AS revenue FROM orders o JOIN events e ON e.kind <> o.product GROUP BY o.day, o.product;
CREATE UNIQUE INDEX ON sales (day, product);
CREATE INDEX sales_upper ON sales (upper(product) text_pattern_ops DESC NULLS LAST) INCLUDE (orders) WHERE product IN ('p1', 'p2');
COMMENT ON MATERIALIZED VIEW sales IS 'Sales by day';
COMMENT ON COLUMN sales.revenue IS 'net';
GRANT SELECT ON sales TO PUBLIC;
CREATE VIEW "Top Products" WITH (security_barrier) AS SELECT s.product, s.revenue FROM sales s JOIN orders o USING (product) WHERE s.revenue > 10;
CREATE VIEW "top products" AS SELECT * FROM "Top Products";
CREATE SCHEMA "my-schema";
CREATE VIEW "my-schema".days AS SELECT DISTINCT s.day FROM sales s JOIN events e ON true;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (2);
"#;

/// A database that was made by hand, and an empty folder.
pub fn by_hand() -> Rig {
    let rig = Rig::of(&[]);
    rig.sql(ORDERS);
    rig.sql(SHOP);
    rig
}

/// What must not be touched: relations with their files, definitions, rights.
const LIVE: &str = "SELECT string_agg(concat_ws(' ', c.oid, c.relfilenode, c.xmin, c.relacl::text, c.relowner, c.reloptions::text), ',' ORDER BY c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'my-schema')";

#[test]
fn what_is_there_becomes_manifests_and_the_next_plan_is_empty() {
    let rig = by_hand();
    let before = rig.value(LIVE);
    insta::assert_snapshot!(rig.run(&["import", "--adopt"]), @r#"
    exit 0
    --- stdout
    + datamarts/project.toml
    + datamarts/my-schema/days.toml
    + datamarts/public/Top_Products.toml
    + datamarts/public/sales.toml
    + datamarts/public/top_products-2.toml

    Not imported:
      1 partitioned table: without a stored query; `datamart import --kind partitioned_table` drafts its manifest, to which you add the query
        public.parted (1 partition)
      2 tables: without a stored query; where one fills it, write its manifest with `type = "table"` and that query
        public.events, public.orders

    Imported 4 marts from DB on SOCKET into datamarts: 4 new, 0 changed, 0 as they were. Adopted 4: nothing of them was changed.
    --- stderr
    warning: only a superuser may read the server's time zone; UTC, that of its log, was taken: is it that of your sessions?
    "#);
    assert_eq!(rig.value(LIVE), before, "something was touched");
    insta::assert_snapshot!(rig.read("project.toml"), @r#"
    [project]
    owner = "etl"
    "#);
    insta::assert_snapshot!(rig.read("public/sales.toml"), @r#"
    type = "materialized_view"
    description = "Sales by day"
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
    with = { fillfactor = 80 }

    [columns]
    revenue = { description = "net" }

    [[indexes]]
    columns = ["day", "product"]
    unique = true

    [[indexes]]
    name = "sales_upper"
    columns = [{ column = "(upper(product))", order = "desc", nulls = "last", opclass = "text_pattern_ops" }]
    include = ["orders"]
    where = "product = ANY (ARRAY['p1'::text, 'p2'::text])"

    [[grants]]
    role = "public"
    privileges = ["SELECT"]
    "#);
    insta::assert_snapshot!(rig.read("public/Top_Products.toml"), @r#"
    type = "view"
    name = "Top Products"
    query = """
    SELECT
        s.product,
        s.revenue
    FROM public.sales s
    JOIN public.orders o USING (product)
    WHERE s.revenue > 10::numeric
    """
    with = { security_barrier = true }
    "#);
    assert_eq!(rig.run(&["plan", "--detailed-exitcode"]).done().out(), "No changes. 4 marts are up to date.\n");
    assert_eq!(rig.run(&["drift"]).done().out(), "No drift.\n");
    let audit = "SELECT string_agg(action || ' ' || address, ', ' ORDER BY address) FROM datamart.audit";
    assert_eq!(
        rig.value(audit),
        r#"adopt "my-schema".days, adopt public."Top Products", adopt public."top products", adopt public.sales"#
    );
}

#[test]
fn the_flags_choose() {
    let rig = by_hand();
    let written = |args: &[&str]| {
        let found = rig.run(&[&["import", "--format", "json"], args].concat()).done().json();
        let created: Vec<String> = serde_json::from_value(found["created"].clone()).expect("paths");
        std::fs::remove_dir_all(rig.folder.path().join("datamarts")).expect("a folder");
        created.into_iter().filter(|path| path != "project.toml").collect::<Vec<_>>()
    };
    assert_eq!(written(&["--schema", "my-schema"]), ["my-schema/days.toml"]);
    assert_eq!(written(&["--kind", "materialized_view"]), ["public/sales.toml"]);
    assert_eq!(written(&["--like", "*op*", "--exclude", "public.Top*"]), ["public/top_products.toml"]);
    assert_eq!(written(&["--exclude", "my-schema.*", "--kind", "view"]).len(), 2);
    insta::assert_snapshot!(rig.run(&["import", "--schema", "nowhere"]), @r#"
    exit 1
    --- stderr
    error: there is no schema "nowhere"
    help: schemas with relations of their own are my-schema, public
    "#);
    insta::assert_snapshot!(rig.run(&["import", "--like", "a["]), @"
    exit 1
    --- stderr
    error: --like: error parsing glob 'a[': unclosed character class; missing ']'
    ");
    insta::assert_snapshot!(rig.run(&["import", "--like", "nothing*"]), @"
    exit 0
    --- stdout
    Nothing to import from DB on SOCKET.
    ");
    insta::assert_snapshot!(rig.run(&["import", "--kind", "table"]), @"
    exit 1
    --- stderr
    error: invalid value 'table' for '--kind <KIND>'
      [possible values: view, materialized_view, partitioned_table]

    For more information, try '--help'.
    ");
    assert!(!rig.folder.path().join("datamarts").exists(), "a folder was made for nothing");
}

#[test]
fn programs_read_the_same() {
    let rig = by_hand();
    insta::assert_snapshot!(rig.run(&["import", "--adopt", "--format", "json"]).done().shape(), @"
    created[]: string
    updated: []
    drafted: []
    unchanged: integer
    adopted: integer
    not_imported[].name: string
    not_imported[].schema: string
    not_imported[].full_name: string
    not_imported[].type: string
    not_imported[].reason: string
    not_imported[].partitions: integer
    notes: []
    ");
}

/// Nobody knows when what was taken over was refreshed last, until it is again.
#[test]
fn how_old_adopted_rows_are_is_not_known() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    // What is recorded anew without being built is no younger for it.
    let sales = rig.read("public/sales.toml");
    rig.write("public/sales.toml", &format!("tags = [\"daily\"]\n{sales}"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let told = || {
        let status = rig.run(&["status", "--format", "json"]).done().json();
        let mart = status["marts"].as_array().and_then(|marts| marts.iter().find(|mart| mart["name"] == "sales"));
        let mart = mart.expect("the mart");
        let words = ["status", "freshness"].map(|key| mart[key].as_str().unwrap_or("-").to_owned()).join(" ");
        let known = ["age_seconds", "last_refreshed"].map(|key| !mart[key].is_null());
        let view = "SELECT concat_ws(' ', status, coalesce(freshness, '-')) || ' ' || (age_seconds IS NOT NULL) FROM datamart.status WHERE mart = 'sales'";
        assert_eq!(rig.value(view), format!("{words} {}", known[0]));
        (words, known)
    };
    assert_eq!(told(), ("active -".to_owned(), [false, false]));
    // Older than that they may not be, and are at least.
    rig.sql("UPDATE datamart.marts SET created_at = now() - interval '3 days' WHERE name = 'sales'");
    assert_eq!(told(), ("stale stale".to_owned(), [false, false]));
    rig.run(&["refresh", "sales", "-q"]).done();
    assert_eq!(told(), ("active fresh".to_owned(), [true, true]));
    // What an apply builds in its place is as new as ever.
    rig.sql("DELETE FROM datamart.refreshes; UPDATE datamart.marts SET created_at = now() WHERE name = 'sales'");
    rig.write("public/sales.toml", &sales.replace("sum(o.amount)", "max(o.amount)"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(told(), ("active fresh".to_owned(), [true, true]));
}

#[test]
fn adopted_marts_are_marts_like_others() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    rig.run(&["refresh", "sales"]).done();
    // Changed: the view that reads it follows.
    let sales = rig.read("public/sales.toml");
    rig.write(
        "public/sales.toml",
        &sales.replace("sum(o.amount)", "max(o.amount)").replace("fillfactor = 80", "fillfactor = 70"),
    );
    let plan = rig.run(&["plan", "--format", "json"]).done().json();
    assert_eq!(plan["summary"]["replace"], 1, "{plan:#}");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT max(revenue) FROM sales"), "200.00");
    assert_eq!(rig.value("SELECT count(*) FROM pg_indexes WHERE tablename = 'sales'"), "2");
    assert_eq!(rig.value("SELECT has_table_privilege('public', 'sales', 'SELECT')"), "true");
    assert_eq!(rig.value("SELECT obj_description('sales'::regclass)"), "Sales by day");
    rig.run(&["plan", "--detailed-exitcode"]).done();
    // Renamed.
    let days = rig.read("my-schema/days.toml");
    rig.remove("my-schema/days.toml");
    rig.write("my-schema/dates.toml", &format!("renamed_from = [\"days\"]\n{days}"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM \"my-schema\".dates"), "20");
    // Drifted, and healed.
    rig.sql("DROP INDEX sales_upper; COMMENT ON COLUMN sales.revenue IS 'gross'; CREATE OR REPLACE VIEW \"top products\" AS SELECT product, revenue FROM \"Top Products\" WHERE revenue > 100");
    let drift = rig.run(&["drift", "--format", "json"]).ended(2).json();
    let aspects: Vec<&str> =
        drift["drift"].as_array().expect("drift").iter().filter_map(|d| d["aspect"].as_str()).collect();
    assert_eq!(aspects, ["definition", "description:revenue", "indexes:sales_upper"]);
    rig.run(&["apply", "--heal", "--auto-approve", "-q"]).done();
    rig.run(&["drift"]).done();
    // Dropped.
    rig.remove("my-schema/dates.toml");
    rig.run(&["drop", "my-schema.dates"]).done();
    assert_eq!(rig.value("SELECT to_regclass('\"my-schema\".dates') IS NULL"), "true");
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn what_is_not_a_mart_stays_and_is_told() {
    let rig = by_hand();
    rig.sql(
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER act INSTEAD OF INSERT ON \"top products\" FOR EACH ROW EXECUTE FUNCTION act();
         CREATE RULE quiet AS ON DELETE TO \"Top Products\" DO INSTEAD NOTHING;
         CREATE VIEW locked AS SELECT o.id FROM orders o JOIN events e ON true FOR UPDATE OF o",
    );
    rig.sql_as_superuser("CREATE EXTENSION pg_stat_statements");
    insta::assert_snapshot!(rig.run(&["import", "--kind", "view", "--adopt"]), @r#"
    exit 0
    --- stdout
    + datamarts/project.toml
    + datamarts/my-schema/days.toml
    + datamarts/public/Top_Products.toml
    + datamarts/public/top_products-2.toml

    Not imported:
      1 view: a mart's query must not lock rows; remove the FOR UPDATE or FOR SHARE clause
        public.locked

    To know:
      public."Top Products": rule quiet stays as it is; no manifest says it, and it goes along where the view is replaced
      public."top products": INSTEAD OF trigger act stays as it is; no manifest says it, and it goes along where the view is replaced

    Imported 3 marts from DB on SOCKET into datamarts: 3 new, 0 changed, 0 as they were. Adopted 3: nothing of them was changed.
    "#);
    assert_eq!(rig.run(&["plan", "--detailed-exitcode"]).done().out(), "No changes. 3 marts are up to date.\n");
    rig.run(&["drift"]).done();
}

#[test]
fn jobs_of_pg_cron_become_schedules() {
    let rig = by_hand();
    // The table as pg_cron has it; its worker is not what is looked at.
    rig.sql_as_superuser(&format!(
        "CREATE SCHEMA cron; GRANT USAGE ON SCHEMA cron TO {ROLE};
         CREATE TABLE cron.job (jobid bigint PRIMARY KEY, schedule text, command text, nodename text, nodeport int, database text, username text, active boolean, jobname text);
         GRANT SELECT ON cron.job TO {ROLE};
         INSERT INTO cron.job VALUES (3, '*/10 * * * *', 'REFRESH MATERIALIZED VIEW CONCURRENTLY sales;', '', 5432, current_database(), 'x', true, 'sales'),
                                     (4, '5 seconds', 'SELECT 1', '', 5432, current_database(), 'x', true, NULL),
                                     (5, '0 0 * * *', 'REFRESH MATERIALIZED VIEW sales', '', 5432, 'elsewhere', 'x', true, NULL)",
    ));
    let told = rig.run(&["import", "--adopt", "--schema", "public", "--kind", "materialized_view"]).done().out();
    let known = "public.sales: pg_cron's job 3 (sales) refreshes it: its schedule is in the manifest; once datamart refreshes it, SELECT cron.unschedule(3)\n";
    assert!(told.contains(known), "{told}");
    let text = rig.read("public/sales.toml");
    assert!(text.contains("[refresh]\nstrategy = \"scheduled\"\nschedule = \"*/10 * * * *\"\n"), "{text}");
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn the_database_s_time_zone_is_the_project_s() {
    let rig = by_hand();
    rig.sql_as_superuser(&format!("ALTER DATABASE {} SET timezone = 'America/Bogota'", rig.database.name));
    rig.run(&["import", "--adopt", "-q"]).done();
    insta::assert_snapshot!(rig.read("project.toml"), @r#"
    [project]
    owner = "etl"
    timezone = "America/Bogota"
    "#);
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_missing_privilege_is_told_with_its_grant() {
    let rig = by_hand();
    rig.sql_as_superuser("CREATE SCHEMA closed; CREATE TABLE closed.t AS SELECT 1 AS a; CREATE VIEW public.peek AS SELECT a FROM closed.t");
    insta::assert_snapshot!(rig.run(&["import", "--like", "peek"]), @"
    exit 0
    --- stdout
    Not imported:
      1 view: permission denied for schema closed; GRANT USAGE ON SCHEMA closed TO etl; to build marts in it: GRANT USAGE, CREATE ON SCHEMA closed TO etl;
        public.peek

    Nothing to import from DB on SOCKET.
    ");
    // Nothing is created to look, so a reader may import; adopting makes the registry.
    rig.sql_as_superuser(&format!("ALTER DATABASE {} OWNER TO postgres", rig.database.name));
    rig.run(&["import", "--schema", "my-schema"]).done();
    insta::assert_snapshot!(rig.run(&["import", "--adopt", "--schema", "my-schema"]), @"
    exit 1
    --- stderr
    error: permission denied for database DB: nothing can be adopted, and nothing was written
    help: GRANT CREATE ON DATABASE DB TO etl;
    help: without --adopt the manifests alone are written
    ");
}
