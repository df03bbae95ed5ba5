//! Data checks: before publishing, in apply and refresh, and alone.

use serde_json::{Value, json};

use super::rig::{ORDERS, Out, Rig};

const SALES: &str = "type = \"materialized_view\"\nquery = \"SELECT id, day, product, amount FROM orders\"\n";
const UNIQUE: &str = "[[indexes]]\ncolumns = [\"id\"]\nunique = true\n";
const POSITIVE: &str =
    "[[checks]]\nname = \"positive\"\nsql = \"SELECT id, amount FROM {this} WHERE amount < 0 ORDER BY id\"\n";

/// One mart `sales` of orders, applied.
fn sales(manifest: &str) -> Rig {
    let rig = Rig::of(&[("sales.toml", manifest)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

/// The first run or check of a command's result, without what differs.
fn first(out: &Out, key: &str) -> Value {
    let mut found = out.json()[key][0].clone();
    if let Some(object) = found.as_object_mut() {
        object.remove("duration_ms");
    }
    found
}

#[test]
fn what_fails_a_check_is_not_published() {
    let table = SALES.replace("materialized_view", "table");
    let key = "primary_key = [\"id\"]\n";
    for (manifest, method) in [
        (format!("{SALES}{UNIQUE}{POSITIVE}"), "concurrently"),
        (format!("{SALES}[refresh]\nconcurrent = false\n{POSITIVE}"), "plain"),
        (format!("{table}{key}publish = \"merge\"\n{POSITIVE}"), "merge"),
        (format!("{table}{key}publish = \"swap\"\n{POSITIVE}"), "swap"),
    ] {
        let rig = sales(&manifest);
        rig.sql("UPDATE orders SET amount = -amount WHERE id <= 7; INSERT INTO orders VALUES (999, now(), 'new', 1)");
        let out = rig.run(&["refresh", "sales", "--format", "json"]).ended(1);
        let run = first(&out, "runs");
        assert_eq!((&run["status"], &run["method"]), (&json!("failed"), &json!(method)), "{run:#}");
        assert_eq!(
            run["error"],
            json!({ "kind": "check", "sqlstate": null, "message": "check positive failed: 7 rows returned", "hint": null })
        );
        let check = &run["checks"][0];
        assert_eq!((&check["status"], &check["failing_rows"]), (&json!("failed"), &json!(7)), "{check:#}");
        let sample: Vec<Value> = (1..=5).map(|id| json!({ "id": id, "amount": f64::from(-id) })).collect();
        assert_eq!(check["sample"], json!(sample));
        let facts = "SELECT count(*) || ' ' || min(amount) FROM sales";
        assert_eq!(rig.value(facts), "200 1.00", "{method}");
        assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0", "{method}");
        let past = first(&rig.run(&["history", "--format", "json"]).done(), "runs");
        assert_eq!((&past["status"], &past["checks"]), (&run["status"], &run["checks"]), "{past:#}");
        // Once the data is mended it goes on.
        rig.sql("UPDATE orders SET amount = abs(amount)");
        let run = first(&rig.run(&["refresh", "sales", "--format", "json"]).done(), "runs");
        assert_eq!((&run["status"], &run["checks"][0]["status"]), (&json!("success"), &json!("passed")), "{run:#}");
        assert_eq!(rig.value(facts), "201 1.00", "{method}");
    }
}

#[test]
fn a_warning_is_published_and_told() {
    let table = SALES.replace("materialized_view", "table");
    let warn = POSITIVE.replace("[[checks]]", "[[checks]]\nseverity = \"warn\"");
    for manifest in [
        format!("{SALES}{UNIQUE}{warn}"),
        format!("{SALES}{warn}"),
        format!("{table}primary_key = [\"id\"]\n{warn}"),
        format!("{table}publish = \"swap\"\n{warn}"),
    ] {
        let rig = sales(&manifest);
        rig.sql("UPDATE orders SET amount = -amount WHERE id = 7");
        let out = rig.run(&["refresh", "sales"]).done();
        assert!(
            out.stdout
                .contains("warning: public.sales: check positive: 1 row returned\n    {\"id\":7,\"amount\":-7.0}\n"),
            "{out}"
        );
        assert_eq!(rig.value("SELECT min(amount) FROM sales"), "-7.00");
        let past = first(&rig.run(&["history", "--format", "json"]).done(), "runs");
        assert_eq!((&past["status"], &past["checks"][0]["status"]), (&json!("success"), &json!("failed")), "{past:#}");
    }
}

#[test]
fn a_failed_refresh_is_told_with_its_sample() {
    let rig = sales(&format!("{SALES}{POSITIVE}[[checks]]\nnot_null = [\"day\"]\n"));
    rig.write("top.toml", "type = \"table\"\nquery = \"SELECT max(amount) AS most FROM sales\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("UPDATE orders SET amount = -amount WHERE id <= 2");
    insta::assert_snapshot!(rig.run(&["refresh", "--all"]), @r#"
    exit 1
    --- stdout
    mart          status   method  rows  changed   took  why
    public.sales  failed   plain      -  -        0.00s  check positive failed: 2 rows returned
    public.top    skipped  -          -  -        0.00s  public.sales, which it reads, was not refreshed
    failed: public.sales: check positive: 2 rows returned
        {"id":1,"amount":-1.0}
        {"id":2,"amount":-2.0}
    Refreshed 0 marts in 0.0 s, 0 rows. 1 failed. 1 skipped.
    "#);
}

#[test]
fn a_new_mart_that_fails_is_not_made() {
    let rig = Rig::of(&[("sales.toml", &format!("{SALES}{POSITIVE}"))]);
    rig.sql(ORDERS);
    rig.sql("UPDATE orders SET amount = -amount WHERE id <= 2");
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve", "-q"]), @r#"
    exit 1
    --- stdout
    Project default, database DB on SOCKET

    + public.sales (materialized_view): new
        datamarts/sales.toml
        --- nothing
        +++ query
        @@ -0,0 +1 @@
        +SELECT id, day, product, amount FROM orders

    Transaction 1
      BEGIN;
      SET LOCAL search_path = public;
      SET LOCAL TimeZone = 'UTC';
      CREATE MATERIALIZED VIEW public.sales AS
      SELECT id, day, product, amount FROM orders;
      ANALYZE public.sales;
      -- check positive (error): no row may come
      SELECT id, amount FROM public.sales AS _this_ WHERE amount < 0 ORDER BY id;
      COMMIT;

    Plan: 1 to add, 0 to change, 0 to replace, 0 to destroy.
    --- stderr
    error: public.sales: check positive failed: 2 rows returned
    failed: public.sales: check positive: 2 rows returned
        {"id":1,"amount":-1.0}
        {"id":2,"amount":-2.0}
    help: done: nothing; not done: public.sales
    help: what was published before stays; mend the data or the check, and apply again
    "#);
    assert_eq!(rig.value("SELECT to_regclass('sales')"), "NULL");
    let error = rig.run(&["apply", "--auto-approve", "--format", "json"]).ended(1).json()["error"].clone();
    assert_eq!((&error["kind"], &error["checks"][0]["sample"][0]["id"]), (&json!("check"), &json!(1)), "{error:#}");
    let ledger = "SELECT status || ' ' || (error ->> 'kind') || ' ' || (checks -> 0 ->> 'failing_rows') FROM datamart.applies ORDER BY id DESC";
    assert_eq!(rig.value(ledger), "failed check 2");
}

#[test]
fn a_replaced_mart_that_fails_stays_as_it_was() {
    for kind in ["materialized_view", "table", "view"] {
        let manifest = format!("{}{POSITIVE}", SALES.replace("materialized_view", kind));
        let rig = sales(&manifest);
        let before = rig.value("SELECT 'sales'::regclass::oid || ' ' || min(amount) FROM sales");
        rig.write("sales.toml", &manifest.replace("amount FROM", "amount - 3 AS amount FROM"));
        let out = rig.run(&["apply", "--auto-approve"]).ended(1);
        assert!(out.stderr.contains("check positive failed: 2 rows returned"), "{out}");
        assert_eq!(rig.value("SELECT 'sales'::regclass::oid || ' ' || min(amount) FROM sales"), before, "{kind}");
        assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0", "{kind}");
        let warn = manifest.replace("[[checks]]", "[[checks]]\nseverity = \"warn\"");
        rig.write("sales.toml", &warn.replace("amount FROM", "amount - 3 AS amount FROM"));
        let out = rig.run(&["apply", "--auto-approve", "--format", "json"]).done();
        assert_eq!(first(&out, "checks")["failing_rows"], json!(2), "{out}");
        assert_eq!(rig.value("SELECT min(amount) FROM sales"), "-2.00");
    }
}

#[test]
fn a_changed_view_is_checked_before_readers_see_it() {
    let rig = sales(&format!("{}{POSITIVE}", SALES.replace("materialized_view", "view")));
    rig.write("top.toml", "type = \"view\"\nquery = \"SELECT max(amount) AS most FROM sales\"\n[[checks]]\nrows = { max = 1 }\n[[checks]]\nname = \"small\"\nsql = \"SELECT FROM {this} WHERE most > 1000\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // Both change in place, and the second is checked on the first as it will be.
    let sales = rig.read("sales.toml").replace("amount FROM", "amount * 10 AS amount FROM");
    rig.write(
        "sales.toml",
        &sales
            .replace("numeric", "numeric(10, 2)")
            .replace("amount * 10 AS amount", "(amount * 10)::numeric(10, 2) AS amount"),
    );
    rig.write("top.toml", &rig.read("top.toml").replace("max(amount)", "max(amount) + 0"));
    let held = rig.hold("SELECT * FROM sales");
    let out = rig.run(&["apply", "--auto-approve"]).ended(1);
    held.release();
    assert!(out.stderr.contains("public.top: check small failed: 1 row returned"), "{out}");
    assert_eq!(rig.value("SELECT most FROM top"), "200.00");
}

#[test]
fn checks_alone() {
    let rig = Rig::shop();
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let sales = rig.read("dashboard/sales.toml");
    rig.write(
        "dashboard/sales.toml",
        &format!(
            "{sales}\n[[checks]]\nname = \"few\"\nrows = {{ max = 10 }}\nseverity = \"warn\"\n[[checks]]\nrows = {{ min = 1 }}\n"
        ),
    );
    let top = rig.read("dashboard/top.toml");
    rig.write("dashboard/top.toml", &format!("{top}[[checks]]\nnot_null = [\"revenue\"]\n"));
    // Checks are metadata: recorded, nothing is built.
    insta::assert_snapshot!(rig.run(&["plan"]), @"
    exit 0
    --- stdout
    Project shop, database DB on SOCKET

    ~ public.sales (materialized_view): checks changed
        datamarts/dashboard/sales.toml

    ~ public.top (view): checks changed
        datamarts/dashboard/top.toml

    Plan: 0 to add, 2 to change, 0 to replace, 0 to destroy.
    ");
    let oid = rig.value("SELECT 'sales'::regclass::oid");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT 'sales'::regclass::oid"), oid);
    insta::assert_snapshot!(rig.run(&["check"]), @r#"
    exit 0
    --- stdout
    mart          check             severity  status  failing   took
    public.sales  few               warn      failed        1  0.00s
    public.sales  rows              error     passed        0  0.00s
    public.top    not_null_revenue  error     passed        0  0.00s
    warning: public.sales: check few: more rows than 10
        {"rows":20}
    2 marts without checks: public."Sales 2024", public.event_counts
    2 checks passed, 1 failed.
    "#);
    let out = rig.run(&["check", "sales", "top", "--format", "json"]).done();
    insta::assert_snapshot!(out.shape(), @"
    checks[].mart: string
    checks[].name: string
    checks[].severity: string
    checks[].status: string
    checks[].failing_rows: integer
    checks[].sample[].rows: integer
    checks[].message: null|string
    checks[].duration_ms: number
    checks[].sample: []
    without_checks: []
    ");
    let named = rig.run(&["check", "--select", "tag:daily", "--format", "json"]).done().json();
    assert_eq!(named["without_checks"], json!(["public.event_counts"]));
    assert_eq!(named["checks"].as_array().map(Vec::len), Some(2));
    rig.run(&["check", "nothing"]).ended(1);
    rig.write("new.toml", "type = \"view\"\nquery = \"SELECT 1 AS a\"\n[[checks]]\nrows = { min = 1 }\n");
    let out = rig.run(&["check", "new"]).ended(1);
    assert!(out.stderr.contains("not applied yet: public.new"), "{out}");
    let out = rig.run(&["check"]).done();
    assert!(out.stderr.contains("not applied yet: public.new"), "{out}");
}

#[test]
fn a_new_check_runs_with_the_next_data_or_when_asked() {
    let rig = sales(SALES);
    rig.write("sales.toml", &format!("{SALES}[[checks]]\nrows = {{ max = 10 }}\n"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let check = first(&rig.run(&["check", "--format", "json"]).ended(1), "checks");
    assert_eq!(
        check,
        json!({ "mart": "public.sales", "name": "rows", "severity": "error", "status": "failed", "failing_rows": 1,
                "sample": [{ "rows": 200 }], "message": "more rows than 10" })
    );
    rig.run(&["refresh", "sales"]).ended(1);
    let empty = Rig::of(&[("project.toml", "")]);
    assert_eq!(empty.run(&["check"]).done().out(), "Nothing to check.\n");
}

/// The mart `m` of a query, with checks: how each ended, and how many rows it returned.
fn found(query: &str, more: &str) -> Vec<(String, Option<i64>)> {
    let rig = Rig::of(&[("m.toml", &format!("type = \"view\"\nquery = \"\"\"{query}\"\"\"\n"))]);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.write("m.toml", &format!("type = \"view\"\nquery = \"\"\"{query}\"\"\"\n{more}"));
    let checks = rig.run(&["check", "--format", "json"]).json()["checks"].clone();
    let checks: Vec<Value> = checks.as_array().expect("checks").clone();
    let told = |check: &Value| {
        let name = check["name"].as_str().expect("a name");
        (format!("{name} {}", check["status"].as_str().expect("a status")), check["failing_rows"].as_i64())
    };
    checks.iter().map(told).collect()
}

#[test]
fn null_is_no_value() {
    let query =
        "SELECT * FROM (VALUES (1, 'x', NULL), (1, 'x', NULL), (2, NULL, NULL), (2, NULL, NULL)) AS v (a, b, c)";
    let found = found(
        query,
        "[[checks]]\nunique = [\"a\"]\n[[checks]]\nunique = [\"a\", \"b\"]\n[[checks]]\nunique = [\"c\"]\n\
         [[checks]]\nunique = [\"a\", \"c\"]\n[[checks]]\naccepted = { column = \"b\", values = [\"x\"] }\n\
         [[checks]]\naccepted = { column = \"c\", values = [\"x\"] }\n[[checks]]\naccepted = { column = \"a\", values = [1, 3] }\n\
         [[checks]]\nnot_null = [\"a\"]\n[[checks]]\nnot_null = [\"a\", \"b\", \"c\"]\n",
    );
    let found: Vec<String> =
        found.into_iter().map(|(told, rows)| format!("{told} {}", rows.expect("a number"))).collect();
    assert_eq!(
        found,
        [
            "unique_a failed 2",
            "unique_a_b failed 1",
            "unique_c passed 0",
            "unique_a_c passed 0",
            "accepted_b passed 0",
            "accepted_c passed 0",
            "accepted_a failed 2",
            "not_null_a passed 0",
            "not_null_a_b_c failed 4",
        ]
    );
}

#[test]
fn a_composite_of_nulls_is_no_null() {
    let rig = Rig::of(&[(
        "m.toml",
        "type = \"view\"\nquery = \"SELECT ROW(NULL, NULL)::pair AS r, '{}'::json AS j\"\n[[checks]]\nnot_null = [\"r\", \"j\"]\n",
    )]);
    rig.sql("CREATE TYPE pair AS (a int, b int)");
    let out = rig.run(&["apply", "--auto-approve", "--format", "json"]).done();
    assert_eq!(
        (&first(&out, "checks")["name"], &first(&out, "checks")["failing_rows"]),
        (&json!("not_null_r_j"), &json!(0))
    );
}

#[test]
fn freshness_is_judged_in_the_mart_s_time_zone() {
    for (zone, status) in [("UTC", "passed"), ("Asia/Tokyo", "failed")] {
        let rig = Rig::of(&[
            ("project.toml", &format!("[project]\ntimezone = \"{zone}\"\n")),
            // A time stamp without a zone, an hour old in UTC and ten in Tokyo.
            (
                "m.toml",
                "type = \"table\"\nquery = \"SELECT (now() AT TIME ZONE 'UTC') - interval '1 hour' AS at\"\n\
                 [[checks]]\nseverity = \"warn\"\nfresh = { column = \"at\", within = \"2h\" }\n\
                 [[checks]]\nname = \"zone\"\nsql = \"SELECT current_setting('TimeZone') AS zone FROM {this}\"\nseverity = \"warn\"\n",
            ),
        ]);
        let out = rig.run(&["apply", "--auto-approve", "--format", "json"]).done();
        assert_eq!(first(&out, "checks")["status"], json!(status), "{out}");
        for command in [["check", "m"], ["refresh", "m"]] {
            let result = rig.run(&[command[0], command[1], "--format", "json"]).done().json();
            let checks = if command[0] == "check" { &result["checks"] } else { &result["runs"][0]["checks"] };
            assert_eq!(checks[0]["status"], json!(status), "{result:#}");
            assert_eq!(checks[1]["sample"], json!([{ "zone": zone }]), "{result:#}");
        }
    }
    let nothing = found("SELECT now() AS at WHERE false", "[[checks]]\nfresh = { column = \"at\", within = \"1h\" }\n");
    assert_eq!(nothing, [("fresh_at failed".to_owned(), Some(1))]);
}

#[test]
fn a_check_runs_as_the_owner_and_changes_nothing() {
    let rig = Rig::of(&[]);
    let owner = format!("{}_owner", rig.database.name);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {owner}; GRANT {owner} TO etl; GRANT CREATE, USAGE ON SCHEMA public TO {owner};
         CREATE TABLE public.log (who text); GRANT ALL ON public.log TO {owner};
         CREATE FUNCTION public.note() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log VALUES (current_user); RETURN 'x'; END $$;"
    ));
    let base = format!("type = \"table\"\nowner = \"{owner}\"\nquery = \"SELECT 1 AS a\"\n");
    let checks = "[[checks]]\nname = \"who\"\nsql = \"SELECT current_user AS who FROM {this}\"\nseverity = \"warn\"\n\
                  [[checks]]\nname = \"writes\"\nsql = \"SELECT note() FROM {this}\"\nseverity = \"warn\"\n\
                  [[checks]]\nname = \"after\"\nsql = \"SELECT current_user AS who FROM {this} WHERE a < 1\"\n";
    rig.write("m.toml", &format!("{base}{checks}"));
    let applied = rig.run(&["apply", "--auto-approve", "--format", "json"]).done().json()["checks"].clone();
    let refreshed = rig.run(&["refresh", "m", "--format", "json"]).done().json()["runs"][0]["checks"].clone();
    let alone = rig.run(&["check", "m", "--format", "json"]).done().json()["checks"].clone();
    for checks in [applied, refreshed, alone] {
        assert_eq!(checks[0]["sample"], json!([{ "who": owner }]), "{checks:#}");
        assert_eq!((&checks[1]["status"], &checks[1]["failing_rows"]), (&json!("error"), &Value::Null), "{checks:#}");
        assert_eq!(checks[1]["message"], "cannot execute INSERT in a read-only transaction");
        assert_eq!(checks[2]["status"], "passed");
    }
    assert_eq!(rig.value("SELECT count(*) FROM log"), "0");
    assert_eq!(rig.value("SELECT count(*) FROM m"), "1");
}

#[test]
fn a_check_that_cannot_be_run_does_not_pass() {
    let rig = sales(&format!(
        "{SALES}[[checks]]\nname = \"ratio\"\nsql = \"SELECT id FROM {{this}} WHERE 100 / (amount - 1000) > 5\"\n"
    ));
    rig.sql("INSERT INTO orders VALUES (1000, now(), 'p', 1000)");
    let run = first(&rig.run(&["refresh", "sales", "--format", "json"]).ended(1), "runs");
    assert_eq!(run["error"]["message"], "check ratio could not be run: division by zero", "{run:#}");
    assert_eq!(rig.value("SELECT count(*) FROM sales"), "200");
}

#[test]
fn samples_are_few_and_short() {
    let manifest = "type = \"view\"\nquery = \"SELECT i, repeat('é', i * 4000) AS long FROM generate_series(1, 300) AS i\"\n\
                    [[checks]]\nseverity = \"warn\"\nrows = { max = 1 }\n\
                    [[checks]]\nseverity = \"warn\"\nname = \"twice\"\nsql = \"SELECT a.*, b.i FROM {this} a JOIN {this} b USING (i) ORDER BY a.i\"\n";
    let rig = Rig::of(&[("m.toml", manifest)]);
    let checks = rig.run(&["apply", "--auto-approve", "--format", "json"]).done().json()["checks"].clone();
    let twice = &checks[1];
    assert_eq!((&twice["failing_rows"], twice["sample"].as_array().map(Vec::len)), (&json!(300), Some(5)), "{twice:#}");
    let text = twice["sample"][4].as_str().expect("the beginning of a row");
    assert_eq!(text.chars().count(), 1_001, "{text}");
    assert!(text.ends_with('…'), "{text}");
}

#[test]
fn what_a_check_names_is_there() {
    let rig = Rig::shop();
    rig.write(
        "dashboard/top.toml",
        "type = \"view\"\nquery = \"SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product\"\n\n\
         [[checks]]\nsql = \"SELECT * FROM {this} WHERE cost < 0\"\n\
         [[checks]]\naccepted = { column = \"revenue\", values = [\"much\"] }\n\
         [[checks]]\nfresh = { column = \"product\", within = \"1h\" }\n",
    );
    insta::assert_snapshot!(rig.run(&["plan"]), @r#"
    exit 1
    --- stderr
    error: check sql: column "cost" does not exist
     --> datamarts/dashboard/top.toml:5:1
      |
    5 | sql = "SELECT * FROM {this} WHERE cost < 0"
      | ^^^
      |
      = help: check the column's name, and whether its table has changed

    error: check accepted_revenue: invalid input syntax for type numeric: "much"
     --> datamarts/dashboard/top.toml:7:1
      |
    7 | accepted = { column = "revenue", values = ["much"] }
      | ^^^^^^^^

    error: check fresh_product: operator does not exist: text < timestamp with time zone
     --> datamarts/dashboard/top.toml:9:1
      |
    9 | fresh = { column = "product", within = "1h" }
      | ^^^^^
      |
      = help: No operator matches the given name and argument types. You might need to add explicit type casts.

    error: PostgreSQL refuses 3 declarations
    "#);
    rig.write(
        "dashboard/top.toml",
        "type = \"view\"\nquery = \"SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product\"\n\n\
         [[checks]]\nunique = [\"product\", \"day\"]\n",
    );
    insta::assert_snapshot!(rig.run(&["plan"]), @r#"
    exit 1
    --- stderr
    error: public.top: the query has no column "day"
     --> datamarts/dashboard/top.toml:5:1
      |
    5 | unique = ["product", "day"]
      | ^^^^^^
      |
      = help: its columns are product, revenue

    error: 1 problem with this database
    "#);
}

#[test]
fn a_registry_of_before_checks_is_read_and_brought_up_to_date() {
    let rig = Rig::applied();
    rig.sql(
        "DROP VIEW datamart.status, datamart.due_now; DROP TABLE datamart.due;
         ALTER TABLE datamart.refreshes DROP COLUMN checks; ALTER TABLE datamart.applies DROP COLUMN checks;
         ALTER TABLE datamart.versions DROP COLUMN applied, DROP COLUMN oid, DROP COLUMN revision; ALTER TABLE datamart.marts DROP COLUMN held;
         ALTER TABLE datamart.refreshes DROP COLUMN request, DROP COLUMN options, DROP COLUMN cause, DROP COLUMN epoch, DROP COLUMN due_at, DROP COLUMN decision;
         DROP TABLE datamart.leaders, datamart.overrides, datamart.reconciles, datamart.heals, datamart.told, datamart.totals,
                    datamart.captures, datamart.sentinels, datamart.positions, datamart.partitions;
         DROP INDEX IF EXISTS datamart.refreshes_open_idx;
         UPDATE datamart.meta SET format = 1",
    );
    rig.run(&["refresh", "sales", "-q"]).done();
    assert_eq!(first(&rig.run(&["history", "--format", "json"]).done(), "runs")["checks"], json!([]));
    let sales = rig.read("dashboard/sales.toml");
    rig.write("dashboard/sales.toml", &format!("{sales}\n[[checks]]\nnot_null = [\"day\"]\n"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["refresh", "sales", "-q"]).done();
    let run = first(&rig.run(&["history", "--format", "json"]).done(), "runs");
    assert_eq!(run["checks"][0]["status"], json!("passed"), "{run:#}");
    assert_eq!(rig.value("SELECT format FROM datamart.meta"), datamart::database::registry::FORMAT.to_string());
}

#[test]
fn a_check_of_a_saved_plan_cannot_be_taken_out() {
    let rig = Rig::of(&[("sales.toml", &format!("{SALES}{POSITIVE}"))]);
    rig.sql(ORDERS);
    rig.sql("UPDATE orders SET amount = -amount WHERE id <= 2");
    rig.run(&["plan", "--out", "saved.json", "-q"]).done();
    let file = rig.folder.path().join("saved.json");
    let out = rig.run(&["apply", "saved.json", "--auto-approve"]).ended(1);
    assert!(out.stderr.contains("check positive failed"), "{out}");
    let text = std::fs::read_to_string(&file).expect("the plan");
    std::fs::write(&file, text.replace("amount < 0", "amount < -9")).expect("the plan is written");
    let out = rig.run(&["apply", "saved.json", "--auto-approve"]).ended(1);
    assert!(out.stderr.contains("was changed after it was written"), "{out}");
}

#[test]
fn a_refresh_stopped_in_its_check_publishes_nothing() {
    let gate = "[[checks]]\nseverity = \"warn\"\nname = \"slow\"\nsql = \"SELECT pg_advisory_xact_lock_shared(4712) FROM {this}\"\n";
    for manifest in [format!("{SALES}{UNIQUE}{gate}"), format!("{}{gate}", SALES.replace("materialized_view", "table"))]
    {
        let rig = sales(&format!("{manifest}[refresh]\ntimeout = \"1h\"\n"));
        rig.write("project.toml", "[database]\nlock_timeout = \"60s\"\n");
        rig.sql("INSERT INTO orders VALUES (999, now(), 'new', 1)");
        let held = rig.hold("SELECT pg_advisory_xact_lock(4712)");
        let refresh = rig.start(&["refresh", "sales"]);
        rig.until_at_work("refresh 1", "%pg_advisory_xact_lock_shared%");
        refresh.signal(nix::sys::signal::Signal::SIGINT);
        refresh.finish().ended(1);
        held.release();
        assert_eq!(rig.value("SELECT count(*) FROM sales"), "200");
        assert_eq!(rig.value("SELECT status FROM datamart.refreshes ORDER BY run DESC"), "cancelled");
        assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0");
    }
}

#[test]
fn a_migration_that_breaks_a_check_is_told() {
    let rig = sales(SALES);
    rig.sql("CREATE TABLE limits (product text, most numeric)");
    let check = "[[checks]]\nname = \"within limits\"\nsql = \"SELECT s.* FROM {this} s JOIN limits USING (product) WHERE amount > most\"\n";
    rig.write("sales.toml", &format!("{SALES}{check}"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.folder.write("m.sql", "ALTER TABLE limits RENAME COLUMN most TO highest");
    let out = rig.run(&["check-migration", "m.sql"]).ended(1);
    assert!(out.stdout.contains("check within limits: column \"most\" does not exist"), "{out}");
    assert_eq!(rig.value("SELECT count(*) FROM pg_attribute WHERE attname = 'most'"), "1");
}

#[test]
fn rows_that_are_gone_pass_no_check() {
    let rig = sales(&format!("{SALES}{UNIQUE}{POSITIVE}"));
    rig.sql("DROP MATERIALIZED VIEW sales");
    for args in [&["check", "--format", "json"][..], &["check", "sales", "--format", "json"]] {
        let check = first(&rig.run(args).ended(1), "checks");
        assert_eq!((&check["name"], &check["status"]), (&json!("positive"), &json!("error")), "{check:#}");
        let message = check["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("public.sales is gone"), "{check:#}");
    }
    let told = rig.run(&["explain", "sales"]).done();
    assert!(told.stdout.contains("it is gone: `datamart apply` makes it again"), "{told}");
    let told = rig.run(&["check"]).ended(1);
    assert!(!told.stderr.contains("not applied yet"), "{told}");
}
