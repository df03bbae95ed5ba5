//! What an import must not do: run others' code, or write down something else than what is there.

use super::import::by_hand;
use super::rig::{ORDERS, ROLE, Rig};

#[test]
fn nobody_s_functions_run_when_a_superuser_looks() {
    let rig = by_hand();
    // A sequence keeps its value when everything else is rolled back.
    rig.sql_as_superuser(
        "CREATE ROLE mallory; GRANT CREATE ON SCHEMA public TO mallory; CREATE SEQUENCE trap; GRANT ALL ON trap TO PUBLIC;
         GRANT SELECT ON orders TO mallory; SET ROLE mallory;
         CREATE FUNCTION act(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM nextval(''public.trap''); RETURN x; END';
         CREATE DOMAIN guarded AS int CHECK (public.act(VALUE) IS NOT NULL);
         CREATE MATERIALIZED VIEW theirs AS SELECT id FROM orders;
         CREATE INDEX theirs_computed ON theirs ((id + public.act(1)));
         CREATE VIEW theirs_too AS SELECT '{1}'::guarded[] AS x; RESET ROLE; SELECT setval('trap', 1, false)",
    );
    let superuser = rig.database.endpoint.url().to_owned();
    let told = rig.run_on(&superuser, &["import", "--adopt"]).done().out();
    let left = "1 view: reading its query would run functions of mallory (checks of a domain); import it as that role\n    public.theirs_too\n";
    assert!(told.contains(left), "{told}");
    assert!(rig.read("public/theirs.toml").contains("act(1)"));
    rig.run_on(&superuser, &["plan", "--detailed-exitcode"]).done();
    // Neither does what is put in the place of a view that was adopted.
    rig.sql_as_superuser(
        "GRANT ALL ON SCHEMA \"my-schema\" TO mallory; ALTER VIEW \"my-schema\".days OWNER TO mallory",
    );
    rig.run_on(&superuser, &["import", "--adopt"]).done();
    rig.sql_as_superuser("SET ROLE mallory; CREATE OR REPLACE VIEW \"my-schema\".days AS SELECT day FROM orders WHERE '{1}'::guarded[] IS NOT NULL; RESET ROLE; SELECT setval('trap', 1, false)");
    rig.run_on(&superuser, &["drift"]).ended(2);
    assert_eq!(rig.value("SELECT is_called FROM trap"), "false");
}

#[test]
fn a_function_that_stands_before_postgresql_s_own_is_not_captured() {
    let rig = Rig::of(&[]);
    rig.sql(ORDERS);
    rig.sql(
        "CREATE FUNCTION upper(varchar) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''mine''';
         CREATE VIEW b AS SELECT pg_catalog.upper(product::varchar) AS theirs, public.upper(product::varchar) AS ours FROM orders;
         CREATE MATERIALIZED VIEW one AS SELECT DISTINCT pg_catalog.upper(product::varchar) AS theirs FROM orders",
    );
    rig.run(&["import", "--adopt", "-q"]).done();
    rig.run(&["plan", "--detailed-exitcode"]).done();
    rig.sql("DROP VIEW b; DROP MATERIALIZED VIEW one");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(
        rig.value("SELECT string_agg(DISTINCT theirs || ours, ',' ORDER BY theirs || ours) FROM b"),
        "P0mine,P1mine,P2mine,P3mine"
    );
    assert_eq!(rig.value("SELECT string_agg(theirs, ',' ORDER BY theirs) FROM one"), "P0,P1,P2,P3");
}

#[test]
fn the_database_s_settings_take_nothing_away() {
    let rig = Rig::of(&[]);
    rig.sql(ORDERS);
    rig.sql_as_superuser(&format!(
        "ALTER DATABASE {0} SET extra_float_digits = 0; ALTER DATABASE {0} SET quote_all_identifiers = on;
         ALTER DATABASE {0} SET datestyle = 'SQL, DMY'; ALTER DATABASE {0} SET intervalstyle = 'sql_standard'",
        rig.database.name
    ));
    rig.sql("CREATE VIEW exact AS SELECT o.id, 0.30000000000000004::float8 AS f, date '2024-03-04' AS d, interval '-1 day 2 hours' AS i FROM orders o");
    rig.run(&["import", "--adopt", "-q"]).done();
    let text = rig.read("public/exact.toml");
    assert!(
        text.contains("0.30000000000000004") && text.contains("2024-03-04") && !text.contains("\\\"o\\\""),
        "{text}"
    );
    rig.sql("DROP VIEW exact");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT f = 0.30000000000000004::float8 AND d = make_date(2024, 3, 4) AND i = make_interval(days => -1, hours => 2) FROM exact LIMIT 1"), "true");
}

#[test]
fn what_a_manifest_says_under_its_own_settings_is_read_under_them() {
    let rig = Rig::of(&[]);
    rig.sql(ORDERS);
    rig.sql("CREATE VIEW a AS SELECT id FROM orders WHERE day = date '2024-03-04'; CREATE VIEW b AS SELECT id FROM orders WHERE day = date '2024-03-04'");
    let manifest = |session: &str, day: &str| {
        format!("type = \"view\"\n{session}query = \"SELECT id FROM orders WHERE day = '{day}'::date\"\n")
    };
    let (a, b) = (manifest("session = { datestyle = \"SQL, DMY\" }\n", "04/03/2024"), manifest("", "03/04/2024"));
    rig.write("a.toml", &a);
    rig.write("b.toml", &b);
    let told = rig.run(&["import", "--adopt"]).done().out();
    assert!(
        told.contains("0 new, 2 changed, 0 as they were") || told.contains("0 new, 0 changed, 2 as they were"),
        "{told}"
    );
    // What the manifests mean is what is there, whatever else was taken over.
    assert!(rig.read("a.toml").contains("04/03/2024") && rig.read("b.toml").contains("03/04/2024"));
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_query_that_changed_in_both_stays_the_manifest_s() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    let text = rig.read("my-schema/days.toml").replace("s.day", "s.day /* mine */");
    rig.write("my-schema/days.toml", &text.replace("DISTINCT", "DISTINCT ON (s.orders)"));
    let mine = rig.read("my-schema/days.toml");
    rig.sql("CREATE OR REPLACE VIEW \"my-schema\".days AS SELECT s.day FROM sales s");
    let told = rig.run(&["import", "--adopt"]).done().out();
    assert!(
        told.contains(
            "\"my-schema\".days: its query changed in the database, and in datamarts/my-schema/days.toml too"
        ),
        "{told}"
    );
    assert_eq!(rig.read("my-schema/days.toml"), mine);
    let plan = rig.run(&["plan", "--format", "json"]).done().json();
    assert_eq!(plan["changes"][0]["reason"], "query changed", "{plan:#}");
}

#[test]
fn renames_are_told() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    // In a manifest, and not applied yet.
    let days = rig.read("my-schema/days.toml");
    rig.remove("my-schema/days.toml");
    rig.write("my-schema/dates.toml", &format!("renamed_from = [\"days\"]\n{days}"));
    // In the database.
    rig.sql("ALTER VIEW \"top products\" RENAME TO best");
    let told = rig.run(&["import"]).done().out();
    for words in [
        "\"my-schema\".days: datamarts/my-schema/dates.toml renames it to \"my-schema\".dates: apply that first",
        "public.best: it was renamed from public.\"top products\", which datamarts/public/top_products-2.toml declares",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert!(!rig.folder.path().join("datamarts/my-schema/days.toml").exists());
}

#[test]
fn a_session_that_cannot_look_fails() {
    let rig = by_hand();
    rig.sql_as_superuser(&format!(
        "ALTER ROLE {ROLE} IN DATABASE {} SET default_transaction_read_only = on",
        rig.database.name
    ));
    let failed = rig.run(&["import"]).ended(1);
    assert!(failed.stderr.contains("read-only"), "{}", failed.stderr);
    rig.sql_as_superuser(&format!("ALTER ROLE {ROLE} IN DATABASE {} RESET ALL; REVOKE TEMPORARY ON DATABASE {0} FROM PUBLIC; ALTER DATABASE {0} OWNER TO postgres", rig.database.name));
    let failed = rig.run(&["import"]).ended(1);
    assert!(
        failed.stderr.contains(&format!("GRANT TEMPORARY ON DATABASE {} TO {ROLE};", rig.database.name)),
        "{}",
        failed.stderr
    );
    assert!(!rig.folder.path().join("datamarts").exists());
}

#[test]
fn what_hangs_on_an_index_goes_along() {
    let rig = by_hand();
    rig.sql("COMMENT ON INDEX sales_upper IS 'for the search'; CLUSTER sales USING sales_day_product_idx; ALTER MATERIALIZED VIEW sales ALTER COLUMN revenue SET STATISTICS 300");
    rig.run(&["import", "--adopt", "-q"]).done();
    let text = rig.read("public/sales.toml");
    rig.write("public/sales.toml", &text.replace("sum(o.amount)", "max(o.amount)"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let kept = "SELECT obj_description('sales_upper'::regclass) || ' ' || i.indisclustered || ' ' || a.attstattarget
        FROM pg_index i, pg_attribute a WHERE i.indexrelid = 'sales_day_product_idx'::regclass AND a.attrelid = 'sales'::regclass AND a.attname = 'revenue'";
    assert_eq!(rig.value(kept), "for the search true 300");
    let text = rig.read("public/sales.toml");
    rig.write("public/sales.toml", &text.replace("include = [\"orders\"]\n", ""));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT obj_description('sales_upper'::regclass)"), "for the search");
}

#[test]
fn a_view_that_became_a_materialized_view_is_taken_over() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    let days = rig.read("my-schema/days.toml");
    rig.write("my-schema/days.toml", &format!("{days}tags = [\"mine\"]\n"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("DROP VIEW \"my-schema\".days; CREATE MATERIALIZED VIEW \"my-schema\".days AS SELECT DISTINCT s.day FROM sales s JOIN events e ON true");
    let failed = rig.run(&["plan"]).ended(1);
    assert!(failed.stderr.contains("datamart import --adopt"), "{}", failed.stderr);
    rig.run(&["import", "--adopt", "-q"]).done();
    let text = rig.read("my-schema/days.toml");
    assert!(text.contains("type = \"materialized_view\"") && text.contains("tags = [\"mine\"]"), "{text}");
    rig.run(&["plan", "--detailed-exitcode"]).done();
    rig.run(&["drift"]).done();
}

#[test]
fn an_owner_that_may_not_read_stops_nobody_else() {
    let rig = by_hand();
    rig.sql_as_superuser("CREATE ROLE poor; CREATE SCHEMA closed; CREATE TABLE closed.t (a int); CREATE VIEW public.peek AS SELECT a FROM closed.t; ALTER VIEW public.peek OWNER TO poor");
    let superuser = rig.database.endpoint.url().to_owned();
    rig.run_on(&superuser, &["import", "--adopt", "-q"]).done();
    // Now every mart that reads these tables is asked about again.
    rig.sql_as_superuser("ALTER TABLE closed.t ADD COLUMN b int; ALTER TABLE orders ADD COLUMN z int");
    rig.run_on(&superuser, &["plan", "--detailed-exitcode"]).done();
    let text = rig
        .read("public/peek.toml")
        .replace("SELECT t.a", "SELECT t.a + 1 AS a")
        .replace("SELECT a", "SELECT a + 1 AS a");
    rig.write("public/peek.toml", &text);
    let failed = rig.run_on(&superuser, &["apply", "--auto-approve"]).ended(1);
    assert!(failed.stderr.contains("GRANT USAGE ON SCHEMA closed TO poor;"), "{}", failed.stderr);
}

#[test]
fn a_job_is_only_told_to_be_in_the_manifest_where_it_is() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    rig.sql_as_superuser(&format!(
        "CREATE SCHEMA cron; GRANT USAGE ON SCHEMA cron TO {ROLE};
         CREATE TABLE cron.job (jobid bigint, schedule text, command text, database text, active boolean, jobname text); GRANT SELECT ON cron.job TO {ROLE};
         INSERT INTO cron.job VALUES (9, '@daily', 'REFRESH MATERIALIZED VIEW sales', current_database(), true, NULL)"
    ));
    let told = rig.run(&["import"]).done().out();
    assert!(
        told.contains("public.sales: pg_cron's job 9 refreshes it at \"@daily\", which its manifest does not say\n"),
        "{told}"
    );
}

#[test]
fn a_view_that_was_given_away_is_changed_as_its_owner() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q"]).done();
    rig.sql_as_superuser(&format!(
        "CREATE ROLE heir; GRANT heir TO {ROLE}; GRANT USAGE ON SCHEMA public TO heir; GRANT SELECT ON \"Top Products\" TO heir; ALTER VIEW \"top products\" OWNER TO heir"
    ));
    let text = rig.read("public/top_products-2.toml");
    rig.write("public/top_products-2.toml", &format!("{text}with = {{ security_barrier = true }}\n"));
    let text = rig.read("public/Top_Products.toml").replace("> 10::numeric", "> 20::numeric");
    rig.write("public/Top_Products.toml", &text);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // Who owns it now is drift, and stays so.
    let drift = rig.run(&["drift", "--format", "json"]).ended(2).json();
    assert_eq!(drift["drift"][0]["aspect"], "owner", "{drift:#}");
}

#[test]
fn a_second_folder_of_one_project_is_told() {
    let rig = by_hand();
    rig.run(&["import", "--adopt", "-q", "--schema", "public"]).done();
    let told = rig.run(&["--dir", "second", "import", "--adopt", "--schema", "my-schema"]).done();
    assert!(
        told.stderr.contains("the registry has 3 marts of project \"default\" that no file here declares"),
        "{}",
        told.stderr
    );
}
