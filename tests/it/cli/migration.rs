//! `check-migration`: what someone's DDL would do to the marts.

use std::io::Write;
use std::process::Stdio;
use std::sync::LazyLock;

use regex::Regex;

use super::rig::{Out, Rig};

static SIZE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+ kB").expect("a pattern"));

/// Everything that a migration could leave: relations, columns, types, functions, settings, rows.
const EVERYTHING: &str = "SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (
    SELECT format('%s %s %s %s %s', oid, relname, relnamespace, relfilenode, relacl) FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT format('%s %s %s %s', attrelid, attname, atttypid, attisdropped) FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT format('%s %s', oid, proname) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT format('%s %s', oid, typname) FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT format('%s %s', oid, nspname) FROM pg_namespace
    UNION ALL SELECT format('%s %s', oid, ev_action) FROM pg_rewrite WHERE oid >= 16384
    UNION ALL SELECT format('%s', setconfig) FROM pg_db_role_setting
      WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT format('%s', o) FROM orders AS o
  ) AS x (t)";

/// Checks a migration; panics where something of it stays.
#[track_caller]
fn check(rig: &Rig, sql: &str, more: &[&str]) -> Out {
    rig.folder.write("m.sql", sql);
    let before = rig.value(EVERYTHING);
    let out = rig.run(&[&["check-migration", "m.sql"], more].concat());
    assert_eq!(rig.value(EVERYTHING), before, "something stays of {sql}");
    out
}

/// What it does, one line per effect.
#[track_caller]
fn effects(rig: &Rig, sql: &str) -> Vec<String> {
    let out = check(rig, sql, &["--format", "json"]);
    let told = out.json();
    let marts = told["marts"].as_array().unwrap_or_else(|| panic!("{told:#}")).iter();
    let lines: Vec<String> = marts
        .flat_map(|mart| {
            let effects = mart["effects"].as_array().expect("effects").iter();
            effects.map(move |effect| {
                let word = |key: &str| effect[key].as_str().unwrap_or_default().to_owned();
                let told =
                    format!("{} {}: {}", mart["full_name"].as_str().unwrap_or_default(), word("kind"), word("message"));
                // How much a relation takes differs between majors.
                SIZE.replace_all(&told, "N kB").into_owned()
            })
        })
        .collect();
    let breaks = lines.iter().any(|line| line.contains(" breaks: "));
    assert_eq!(out.code, Some(i32::from(breaks)), "{told:#}");
    lines
}

#[test]
fn a_migration_that_touches_no_mart() {
    let rig = Rig::applied();
    insta::assert_snapshot!(check(&rig, "CREATE TABLE other (a int);", &[]), @"
    exit 0
    --- stdout
    m.sql: 1 statement; no mart is affected.
    ");
    insta::assert_snapshot!(check(&rig, "-- nothing yet\n;", &[]), @"
    exit 0
    --- stdout
    m.sql has no statement: there is nothing to check.
    ");
    insta::assert_snapshot!(check(&rig, "", &["--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "migration": {
        "file": "m.sql",
        "statements": 0,
        "left_out": [],
        "sources": []
      },
      "marts": [],
      "summary": {
        "breaks": 0,
        "blocks": 0,
        "rebuilds": 0,
        "slows": 0
      }
    }
    "#);
}

#[test]
fn statements_of_every_form_run() {
    let rig = Rig::applied();
    let sql = "SELECT pg_catalog.set_config('search_path', '', false);
        CREATE TYPE public.mood AS ENUM ('a', 'b');
        CREATE TABLE public.other (m public.mood, k int PRIMARY KEY);
        CREATE FUNCTION public.twice(n int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN 2 * n END; END;
        INSERT INTO public.other VALUES ('a', public.twice(1)) RETURNING m, other;
        SELECT m, ROW(k, m), ARRAY[m], $$;$$ FROM public.other; TABLE public.other;
        DO $do$ BEGIN RAISE NOTICE 'x; %', E'it\\'s;'; END $do$;
        EXPLAIN SELECT 1; LISTEN x; NOTIFY x; SHOW search_path; DECLARE c CURSOR FOR SELECT 1; FETCH c;
        PREPARE p AS SELECT $1::int; EXECUTE p (1); COMMENT ON TABLE public.other IS 'it''s; here';
        ALTER TYPE public.mood ADD VALUE 'c'; SET ROLE NONE; RESET ALL";
    assert_eq!(effects(&rig, sql), [""; 0]);
    let out = check(&rig, "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'; CALL p();", &[]).ended(1);
    assert!(out.stderr.contains("invalid transaction termination"), "{}", out.stderr);
}

#[test]
fn a_mart_that_breaks_is_told_at_its_place() {
    let rig = Rig::applied();
    // The mart goes along with the rename, and cannot be built again.
    let sql = "ALTER TABLE orders ADD note text;\nALTER TABLE orders\n  RENAME COLUMN amount TO total;\n";
    insta::assert_snapshot!(check(&rig, sql, &[]), @r#"
    exit 1
    --- stdout
    public."Sales 2024" (table)
      breaks: column "amount" does not exist
        at datamarts/archive/sales_2024.toml:4:26
      blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
        at m.sql:1:1

    public.sales (materialized_view)
      breaks: column "amount" does not exist
        at datamarts/dashboard/sales.toml:5:46
      blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
        at m.sql:1:1

    public.top (view)
      breaks: it reads public.sales, which breaks

    Source public.orders: column amount is gone; column total numeric(10,2) is new; column note text is new

    m.sql: 2 statements; 3 marts break, 2 blocked, 0 to rebuild, 0 slowed.
    "#);
    insta::assert_snapshot!(check(&rig, sql, &["--format", "markdown"]), @r#"
    exit 1
    --- stdout
    **m.sql: 2 statements; 3 marts break, 2 blocked, 0 to rebuild, 0 slowed.**

    | mart | effect | why | where |
    |---|---|---|---|
    | public."Sales 2024" | **breaks** | column "amount" does not exist | datamarts/archive/sales\_2024.toml:4:26 |
    | public."Sales 2024" | **blocks** | refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders | m.sql:1:1 |
    | public.sales | **breaks** | column "amount" does not exist | datamarts/dashboard/sales.toml:5:46 |
    | public.sales | **blocks** | refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders | m.sql:1:1 |
    | public.top | **breaks** | it reads public.sales, which breaks | datamarts/dashboard/top.toml |

    - public.orders: column amount is gone; column total numeric(10,2) is new; column note text is new
    "#);
    let told = check(&rig, sql, &["--format", "json"]).ended(1);
    insta::assert_snapshot!(told.shape(), @"
    migration.file: string
    migration.statements: integer
    migration.left_out: []
    migration.sources[].full_name: string
    migration.sources[].change: string
    marts[].full_name: string
    marts[].type: string
    marts[].effects[].kind: string
    marts[].effects[].message: string
    marts[].effects[].file: string
    marts[].effects[].line: integer|null
    marts[].effects[].column: integer|null
    summary.breaks: integer
    summary.blocks: integer
    summary.rebuilds: integer
    summary.slows: integer
    ");
    insta::assert_snapshot!(told.json()["marts"][0]["effects"][0], @r#"{"kind":"breaks","message":"column \"amount\" does not exist","file":"datamarts/archive/sales_2024.toml","line":4,"column":26}"#);
}

#[test]
fn what_falls_with_a_cascade_is_named() {
    let rig = Rig::applied();
    insta::assert_snapshot!(effects(&rig, "DROP TABLE orders CASCADE").join("\n"), @r#"
    public."Sales 2024" breaks: relation "orders" does not exist
    public."Sales 2024" blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public.sales breaks: relation "orders" does not exist
    public.sales breaks: it is dropped
    public.sales blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public.sales blocks: readers and refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.sales
    public.top breaks: it reads public.sales, which breaks
    public.top breaks: it is dropped
    public.top blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.sales
    public.top blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.top
    "#);
    insta::assert_snapshot!(effects(&rig, "ALTER MATERIALIZED VIEW sales RENAME TO old_sales").join("\n"), @"
    public.sales breaks: it becomes public.old_sales
    public.sales breaks: public.sales_day_product_idx exists and is an index of public.old_sales
    public.sales blocks: readers and refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.sales
    public.top blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.sales
    ");
    insta::assert_snapshot!(effects(&rig, "DROP VIEW top; CREATE VIEW top AS SELECT 1 AS one").join("\n"), @"
    public.top breaks: it is dropped, and another relation takes its name
    public.top blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.top
    ");
    insta::assert_snapshot!(effects(&rig, "CREATE OR REPLACE VIEW top AS SELECT product, 2 * sum(revenue) AS revenue FROM sales GROUP BY product").join("\n"), @"
    public.top breaks: query was changed; `datamart apply --heal` puts it back
    public.top blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.top
    ");
}

#[test]
fn an_owner_that_may_not_read_any_more() {
    let rig = Rig::applied();
    rig.sql_as_superuser("CREATE TABLE theirs (a int, b int); GRANT SELECT ON theirs TO etl");
    rig.write("guest.toml", "type = \"view\"\nquery = \"SELECT a FROM theirs\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let check = |sql: &str| {
        rig.folder.write("m.sql", sql);
        rig.run_on(rig.database.endpoint.url(), &["check-migration", "m.sql"])
    };
    insta::assert_snapshot!(check("REVOKE SELECT ON theirs FROM etl"), @"
    exit 1
    --- stdout
    public.guest (view)
      breaks: its owner etl may not read public.theirs any more

    m.sql: 1 statement; 1 mart breaks, 0 blocked, 0 to rebuild, 0 slowed.
    ");
    check("REVOKE SELECT ON theirs FROM etl; GRANT SELECT (a) ON theirs TO etl").done();
    assert_eq!(rig.value("SELECT has_table_privilege('etl', 'theirs', 'SELECT')"), "true");
}

#[test]
fn what_the_next_apply_builds_anew() {
    let rig = Rig::applied();
    let sql = "DROP MATERIALIZED VIEW sales CASCADE; ALTER TABLE orders ALTER COLUMN amount TYPE bigint USING amount;";
    insta::assert_snapshot!(effects(&rig, sql).join("\n"), @r#"
    public."Sales 2024" blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public."Sales 2024" rebuilds: the next apply builds it anew: columns changed (about 200 rows, N kB)
    public."Sales 2024" slows: public.orders is rewritten (N kB); who waits for it waits as long
    public.sales breaks: it is dropped; the next apply makes it again
    public.sales blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public.sales blocks: readers and refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.sales
    public.sales slows: public.orders is rewritten (N kB); who waits for it waits as long
    public.top breaks: it is dropped; the next apply makes it again
    public.top blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.sales
    public.top blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.top
    "#);
    let sql = "ALTER TABLE events ALTER COLUMN kind TYPE varchar(20)";
    insta::assert_snapshot!(effects(&rig, sql).join("\n"), @"
    public.event_counts blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.events
    public.event_counts rebuilds: the next apply builds it anew: columns changed (about 3 rows, N kB)
    public.event_counts slows: public.events is rewritten (N kB); who waits for it waits as long
    ");
    // A mart with all columns, of which an index needs one.
    rig.write("all.toml", "type = \"table\"\nquery = \"SELECT * FROM events\"\n[[indexes]]\ncolumns = [\"kind\"]\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    insta::assert_snapshot!(effects(&rig, "ALTER TABLE events ADD note text").join("\n"), @r#"
    public."all" blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.events
    public."all" rebuilds: the next apply builds it anew: query changed (about 50 rows, N kB)
    public.event_counts blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.events
    "#);
    insta::assert_snapshot!(effects(&rig, "ALTER TABLE events RENAME kind TO sort").join("\n"), @r#"
    public."all" breaks: the query has no column "kind"
    public."all" blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.events
    public.event_counts breaks: column "kind" does not exist
    public.event_counts blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.events
    "#);
}

#[test]
fn who_waits_and_for_how_long() {
    let rig = Rig::applied();
    insta::assert_snapshot!(effects(&rig, "LOCK TABLE events IN SHARE MODE; LOCK TABLE events").join("\n"), @"public.event_counts blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.events");
    insta::assert_snapshot!(effects(&rig, "CREATE INDEX ON sales (revenue)").join("\n"), @"
    public.sales blocks: refreshes wait until the migration ends: SHARE on public.sales
    public.sales rebuilds: index sales_revenue_idx was added; `datamart apply --heal` puts it back
    ");
    insta::assert_snapshot!(effects(&rig, "ALTER TABLE orders ALTER COLUMN id TYPE text").join("\n"), @r#"
    public."Sales 2024" blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public."Sales 2024" rebuilds: the next apply builds it anew: columns changed (about 200 rows, N kB)
    public."Sales 2024" slows: public.orders is rewritten (N kB); who waits for it waits as long
    public.sales blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public.sales slows: public.orders is rewritten (N kB); who waits for it waits as long
    "#);
    insta::assert_snapshot!(effects(&rig, "TRUNCATE events").join("\n"), @"
    public.event_counts blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.events
    public.event_counts rebuilds: public.events is emptied (N kB); its next refresh has no more of its rows
    ");
    insta::assert_snapshot!(effects(&rig, "CREATE INDEX ON events (kind); INSERT INTO events VALUES (now(), 'k9')").join("\n"), @"");
}

#[test]
fn partitions_and_views_between_are_seen() {
    let rig = Rig::applied();
    rig.sql(
        "CREATE TABLE parted (day date, n int) PARTITION BY RANGE (day);
         CREATE TABLE parted_2024 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         INSERT INTO parted VALUES ('2024-02-03', 1);
         CREATE INDEX parted_2024_n ON parted_2024 (n);
         CREATE VIEW between_them AS SELECT day, n FROM parted",
    );
    rig.write(
        "far.toml",
        "type = \"materialized_view\"\nquery = \"SELECT day, sum(n) AS n FROM between_them GROUP BY day\"\n",
    );
    rig.write("near.toml", "type = \"view\"\nquery = \"SELECT * FROM between_them\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    insta::assert_snapshot!(effects(&rig, "ALTER TABLE parted_2024 ADD CHECK (n > 0)").join("\n"), @"
    public.far blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.parted_2024
    public.near blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.parted_2024
    ");
    insta::assert_snapshot!(effects(&rig, "DROP INDEX parted_2024_n").join("\n"), @"
    public.far blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.parted_2024
    public.far slows: index parted_2024_n USING btree (n) of public.parted_2024 goes: its refreshes may become slower
    public.near blocks: readers wait until the migration ends: ACCESS EXCLUSIVE on public.parted_2024
    public.near slows: index parted_2024_n USING btree (n) of public.parted_2024 goes: reading it may become slower
    ");
}

#[test]
fn indexes_that_go_may_slow() {
    let rig = Rig::applied();
    rig.sql("CREATE INDEX by_day ON orders (day); CREATE INDEX by_product ON orders (product)");
    insta::assert_snapshot!(effects(&rig, "DROP INDEX by_product").join("\n"), @r#"
    public."Sales 2024" blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public.sales blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public.sales slows: index by_product USING btree (product) of public.orders goes: its refreshes may become slower
    "#);
    // One that a query does not name, one that has its like, and one of the mart itself.
    let only_slow = |sql: &str| {
        let slow = effects(&rig, sql).into_iter().filter(|line| line.contains(" slows: "));
        slow.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        only_slow("ALTER TABLE events ADD PRIMARY KEY (at); ALTER TABLE events DROP CONSTRAINT events_pkey"),
        ""
    );
    assert_eq!(only_slow("CREATE INDEX new ON orders (product); DROP INDEX by_product"), "");
    insta::assert_snapshot!(only_slow("DROP INDEX sales_day_product_idx"), @"public.sales slows: the next apply builds its indexes again: index sales_day_product_idx is missing");
    insta::assert_snapshot!(check(&rig, "CREATE INDEX CONCURRENTLY new ON orders (day);\nDROP INDEX CONCURRENTLY by_day;", &[]), @r#"
    exit 0
    --- stdout
    public."Sales 2024" (table)
      slows: index by_day USING btree (day) of public.orders goes: its refreshes may become slower
        at m.sql:2:1

    public.sales (materialized_view)
      slows: index by_day USING btree (day) of public.orders goes: its refreshes may become slower
        at m.sql:2:1

    Left out (it cannot run in a transaction, and blocks no reader): line 1: CREATE INDEX CONCURRENTLY new ON orders (day)
    Left out (it cannot run in a transaction, and blocks no reader): line 2: DROP INDEX CONCURRENTLY by_day

    m.sql: 2 statements, 2 left out; 0 marts break, 0 blocked, 0 to rebuild, 2 slowed.
    "#);
    assert_eq!(rig.value("SELECT to_regclass('by_day') IS NOT NULL AND to_regclass('new') IS NULL"), "true");
}

#[test]
fn a_statement_that_fails_is_told_at_its_place() {
    let rig = Rig::applied();
    insta::assert_snapshot!(check(&rig, "SELECT 1;\n\n  ALTER TABLE orders\n  DROP COLUMN amount;", &[]), @"
    exit 1
    --- stderr
    error: cannot drop column amount of table orders because other objects depend on it
     --> m.sql:3:3
      |
    3 |   ALTER TABLE orders
      |   ^^^^^^^^^^^^^^^^^^
      |
      = help: what depends on it, marts among them, has to give it up first: change the manifests, apply them, then migrate

    error: statement 2 of the migration fails; nothing of it stays
      caused by: materialized view sales depends on column amount of table orders
        view top depends on materialized view sales
    ");
    insta::assert_snapshot!(check(&rig, "-- é\nALTER TABLE orders ADD x int; SELECT 'é', nope FROM orders;", &[]), @r#"
    exit 1
    --- stderr
    error: column "nope" does not exist
     --> m.sql:2:43
      |
    2 | ALTER TABLE orders ADD x int; SELECT 'é', nope FROM orders;
      |                                           ^^^^

    error: statement 2 of the migration fails; nothing of it stays
    "#);
    insta::assert_snapshot!(check(&rig, "ALTER TABLE nope ADD x int", &["--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "missing",
        "message": "statement 1 of the migration fails; nothing of it stays",
        "file": "m.sql",
        "line": 1,
        "column": 1,
        "hint": null,
        "problems": [
          {
            "file": "m.sql",
            "line": 1,
            "column": 1,
            "key": null,
            "message": "relation \"nope\" does not exist",
            "help": null,
            "severity": "error"
          }
        ]
      }
    }
    "#);
    rig.sql_as_superuser("CREATE TABLE theirs (a int)");
    insta::assert_snapshot!(check(&rig, "ALTER TABLE theirs ADD b int", &[]), @"
    exit 1
    --- stderr
    error: must be owner of table theirs
     --> m.sql:1:1
      |
    1 | ALTER TABLE theirs ADD b int
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: only the owner of table theirs may do this: connect as that role, or let it be inherited (GRANT <its owner> TO etl)

    error: statement 1 of the migration fails; nothing of it stays
    ");
    insta::assert_snapshot!(check(&rig, "CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE c (a int REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1)", &[]), @r#"
    exit 1
    --- stderr
    error: a constraint does not hold at the end of the migration
      caused by: insert or update on table "c" violates foreign key constraint "c_a_fkey"
      caused by: Key (a)=(1) is not present in table "p".
    "#);
    insta::assert_snapshot!(check(&rig, "SELECT pg_sleep(60)", &["--statement-timeout", "1s"]), @"
    exit 1
    --- stderr
    error: canceling statement due to statement timeout
     --> m.sql:1:1
      |
    1 | SELECT pg_sleep(60)
      | ^^^^^^^^^^^^^^^^^^^
      |
      = help: raise --statement-timeout, or check the migration against a copy of the database

    error: statement 1 of the migration fails; nothing of it stays
    ");
    let held = rig.hold("LOCK TABLE orders");
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"1s\"\n");
    rig.folder.write("m.sql", "ALTER TABLE orders ADD x int");
    let out = rig.run(&["check-migration", "m.sql"]).ended(1);
    assert!(out.stderr.contains("lock timeout"), "{}", out.stderr);
    held.release();
}

#[test]
fn what_cannot_be_tried_is_refused_before_anything_runs() {
    let rig = Rig::applied();
    insta::assert_snapshot!(check(&rig, "BEGIN;\nALTER TABLE orders ADD x int;\nCOMMIT;\nVACUUM orders;\n\\i more.sql\n", &[]), @r#"
    exit 1
    --- stderr
    error: BEGIN would begin or end a transaction
     --> m.sql:1:1
      |
    1 | BEGIN;
      | ^^^^^
      |
      = help: leave it out: the whole file is tried in one transaction, which is rolled back

    error: COMMIT would begin or end a transaction
     --> m.sql:3:1
      |
    3 | COMMIT;
      | ^^^^^^
      |
      = help: leave it out: the whole file is tried in one transaction, which is rolled back

    error: VACUUM cannot be tried: it does not run in a transaction, or is not undone by its end
     --> m.sql:4:1
      |
    4 | VACUUM orders;
      | ^^^^^^
      |
      = help: check the file without it; what the marts read does not depend on it

    error: this is a command of psql, not of the server
     --> m.sql:5:1
      |
    5 | \i more.sql
      | ^^^^^^^^^^^
      |
      = help: write it in SQL, or leave it out

    error: 4 statements in the migration cannot be tried
    "#);
    // What ends a transaction in disguise does not end it.
    let out = check(&rig, "DROP TABLE orders CASCADE; DO $$ BEGIN COMMIT; END $$;", &[]).ended(1);
    assert!(out.stderr.contains("invalid transaction termination"), "{}", out.stderr);
    let out = check(&rig, "SET standard_conforming_strings = off; SELECT 'a\\'; COMMIT; DROP TABLE orders; --';", &[])
        .ended(1);
    assert!(out.stderr.contains("COMMIT"), "{}", out.stderr);
    let out =
        check(&rig, "SET standard_conforming_strings = off;\nSELECT '\\'' || ';DROP TABLE orders CASCADE; --';", &[])
            .ended(1);
    assert!(out.stderr.contains("m.sql:2"), "{}", out.stderr);
    let out = rig.run(&["check-migration", "none.sql"]).ended(1);
    assert!(out.stderr.contains("cannot read none.sql"), "{}", out.stderr);
}

#[test]
fn what_a_migration_sets_for_its_session_does_not_reach_us() {
    let rig = Rig::applied();
    rig.sql_as_superuser("CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO etl");
    rig.sql_as_superuser(&format!("ALTER ROLE etl IN DATABASE {} SET search_path = app, public", rig.database.name));
    let sql = "SET search_path = app; SET statement_timeout = 0; SET lock_timeout = 0; SET TimeZone = 'Asia/Tokyo'; \
               SET standard_conforming_strings = off; SET client_min_messages = error; CREATE TABLE orders (a int);";
    assert_eq!(effects(&rig, sql), [""; 0]);
    // The names of a migration are those of whoever migrates.
    rig.sql("CREATE TABLE app.only_here (a int)");
    assert_eq!(
        effects(&rig, "ALTER TABLE only_here ADD b int; ALTER TABLE orders ADD b int"),
        effects(&rig, "ALTER TABLE public.orders ADD b int")
    );
}

#[test]
fn manifests_that_wait_for_the_migration_compile_with_it() {
    let rig = Rig::applied();
    rig.write("late.toml", "type = \"view\"\nquery = \"SELECT note FROM orders\"\n");
    rig.write("never.toml", "type = \"view\"\nquery = \"SELECT nope FROM orders\"\n");
    rig.run(&["plan"]).ended(1);
    insta::assert_snapshot!(effects(&rig, "ALTER TABLE orders ADD note text").join("\n"), @r#"
    public."Sales 2024" blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    public.late rebuilds: the next apply makes it: new
    public.never breaks: column "nope" does not exist (so it is without the migration)
    public.sales blocks: refreshes wait until the migration ends: ACCESS EXCLUSIVE on public.orders
    "#);
}

#[test]
fn names_that_need_quotes() {
    let rig = Rig::of(&[
        ("project.toml", "[project]\nname = \"shop\"\nschema = \"Sch; ema\"\n"),
        (
            "odd.toml",
            "name = 'o\"d|d`'\ntype = \"materialized_view\"\nquery = '''\nSELECT \"é; 'x\" AS a\nFROM \"Ta;\"\"ble\"'''\n",
        ),
    ]);
    rig.sql("CREATE SCHEMA \"Sch; ema\"; CREATE TABLE \"Sch; ema\".\"Ta;\"\"ble\" (\"é; 'x\" int); INSERT INTO \"Sch; ema\".\"Ta;\"\"ble\" VALUES (1)");
    rig.sql("CREATE TABLE orders (a int)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let sql = "ALTER TABLE \"Sch; ema\".\"Ta;\"\"ble\" RENAME \"é; 'x\" TO \"y;\";";
    insta::assert_snapshot!(check(&rig, sql, &["--format", "markdown", "-q"]), @r#"
    exit 1
    --- stdout
    **m.sql: 1 statement; 1 mart breaks, 1 blocked, 0 to rebuild, 0 slowed.**

    | mart | effect | why | where |
    |---|---|---|---|
    | "Sch; ema"."o""d\|d\`" | **breaks** | column "é; 'x" does not exist | datamarts/odd.toml:4:8 |
    | "Sch; ema"."o""d\|d\`" | **blocks** | refreshes wait until the migration ends: ACCESS EXCLUSIVE on "Sch; ema"."Ta;""ble" | m.sql:1:1 |

    - "Sch; ema"."Ta;""ble": column é; 'x is gone; column y; integer is new
    "#);
}

#[test]
fn a_migration_is_read_from_stdin() {
    let rig = Rig::applied();
    let mut command = rig.command(&["check-migration", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    child.stdin.take().expect("a pipe").write_all(b"DROP VIEW top;").expect("all of it");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("it is dropped; the next apply makes it again\n    at -:1:1"), "{told}");
}

#[test]
fn a_migration_that_drops_the_registry_is_refused() {
    let rig = Rig::applied();
    let out = check(&rig, "DROP SCHEMA datamart CASCADE", &[]).ended(1);
    assert!(out.stderr.contains("drops the registry"), "{}", out.stderr);
}
