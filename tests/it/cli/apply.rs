//! `apply`, `refresh`, `drop`, `unlock` and `claim`.

use super::rig::{ROLE, Rig, Running};

#[test]
fn apply_ends_with_the_marts() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    Project shop, database DB on SOCKET

    + public."Sales 2024" (table): new
        datamarts/archive/sales_2024.toml
        --- nothing
        +++ query
        @@ -0,0 +1 @@
        +SELECT id, day, amount FROM orders WHERE day < '2025-01-01'

    + public.event_counts (table): new
        datamarts/event_counts.toml
        --- nothing
        +++ query
        @@ -0,0 +1 @@
        +SELECT kind, count(*) AS events FROM events GROUP BY kind

    + public.sales (materialized_view): new
        datamarts/dashboard/sales.toml
        --- nothing
        +++ query
        @@ -0,0 +1,3 @@
        +SELECT day, product, count(*) AS orders, sum(amount) AS revenue
        +FROM orders
        +GROUP BY day, product

    + public.top (view): new
        datamarts/dashboard/top.toml
        --- nothing
        +++ query
        @@ -0,0 +1 @@
        +SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product

    Transaction 1
      BEGIN;
      SET LOCAL search_path = public;
      SET LOCAL TimeZone = 'UTC';
      CREATE TABLE public."Sales 2024" AS
      SELECT id, day, amount FROM orders WHERE day < '2025-01-01';
      ALTER TABLE public."Sales 2024" ADD CONSTRAINT "Sales 2024_pkey" PRIMARY KEY (id);
      ANALYZE public."Sales 2024";
      CREATE TABLE public.event_counts AS
      SELECT kind, count(*) AS events FROM events GROUP BY kind;
      ANALYZE public.event_counts;
      CREATE MATERIALIZED VIEW public.sales AS
      SELECT day, product, count(*) AS orders, sum(amount) AS revenue
      FROM orders
      GROUP BY day, product;
      CREATE UNIQUE INDEX sales_day_product_idx ON public.sales USING btree (day, product);
      COMMENT ON MATERIALIZED VIEW public.sales IS 'Sales by day and product';
      ANALYZE public.sales;
      CREATE VIEW public.top AS
      SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product;
      COMMIT;

    Plan: 4 to add, 0 to change, 0 to replace, 0 to destroy.
    Applied: 4 added, 0 changed, 0 replaced, 0 destroyed.
    mart                 type               status  rows   size
    public."Sales 2024"  table              active  ~200  32 kB
    public.event_counts  table              active    ~3  16 kB
    public.sales         materialized_view  active   ~20  32 kB
    public.top           view               active     -      -
    "#);
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    No changes. 4 marts are up to date.
    mart                 type               status  rows   size
    public."Sales 2024"  table              active  ~200  32 kB
    public.event_counts  table              active    ~3  16 kB
    public.sales         materialized_view  active   ~20  32 kB
    public.top           view               active     -      -
    "#);
    let again = rig.run(&["apply", "--auto-approve", "--format", "json"]).done();
    insta::assert_snapshot!(again.shape(), @"
    applied.id: null
    applied.marts: []
    applied.steps: integer
    summary.add: integer
    summary.change: integer
    summary.replace: integer
    summary.destroy: integer
    summary.destructive: integer
    fingerprint: string
    drift: []
    orphans: []
    checks: []
    marts[].name: string
    marts[].schema: string
    marts[].full_name: string
    marts[].type: string
    marts[].refresh_strategy: string
    marts[].status: string
    marts[].tags: []
    marts[].metadata: {}
    marts[].row_count: integer
    marts[].estimated: boolean
    marts[].size_bytes: integer
    marts[].size: string
    marts[].column_count: integer
    marts[].columns[].name: string
    marts[].columns[].type: string
    marts[].indexes[].name: string
    marts[].indexes[].definition: string
    marts[].indexes[].unique: boolean
    marts[].created_at: string
    marts[].last_refreshed: null|string
    marts[].next_run: null
    marts[].age_seconds: integer|null
    marts[].ages.data: null
    marts[].ages.snapshot: integer|null
    marts[].ages.run: null
    marts[].freshness: string
    marts[].conditions[].type: string
    marts[].conditions[].status: string
    marts[].conditions[].reason: string
    marts[].conditions[].message: string
    marts[].tags[]: string
    marts[].indexes: []
    marts[].metadata.owner_team: string
    marts[].description: string
    ");
}

#[test]
fn apply_as_json() {
    let rig = Rig::shop();
    let json = rig.run(&["apply", "--auto-approve", "--format", "json"]).done().json();
    insta::assert_snapshot!(json["applied"].to_string(), @r#"{"id":1,"marts":["public.\"Sales 2024\"","public.event_counts","public.sales","public.top"],"steps":10}"#);
    insta::assert_snapshot!(json["summary"].to_string(), @r#"{"add":4,"change":0,"replace":0,"destroy":0,"destructive":0}"#);
}

#[test]
fn without_a_terminal_somebody_has_to_approve() {
    let rig = Rig::shop();
    let out = rig.run(&["apply"]).ended(1);
    insta::assert_snapshot!(out.err(), @"error: apply needs --auto-approve where nobody can be asked");
    insta::assert_snapshot!(rig.run(&["apply", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "usage",
        "message": "apply needs --auto-approve where nobody can be asked",
        "file": null,
        "line": null,
        "column": null,
        "hint": null,
        "problems": []
      }
    }
    "#);
    assert_eq!(rig.value("SELECT to_regclass('sales') IS NULL AND to_regnamespace('datamart') IS NULL"), "true");
    // With nothing to do there is nothing to approve.
    rig.run(&["apply", "--auto-approve"]).done();
    rig.run(&["apply"]).done();
}

#[test]
fn a_part_is_applied() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve", "--select", "\"Sales 2024\""]), @r#"
    exit 0
    --- stdout
    Project shop, database DB on SOCKET

    + public."Sales 2024" (table): new
        datamarts/archive/sales_2024.toml
        --- nothing
        +++ query
        @@ -0,0 +1 @@
        +SELECT id, day, amount FROM orders WHERE day < '2025-01-01'

    Transaction 1
      BEGIN;
      SET LOCAL search_path = public;
      SET LOCAL TimeZone = 'UTC';
      CREATE TABLE public."Sales 2024" AS
      SELECT id, day, amount FROM orders WHERE day < '2025-01-01';
      ALTER TABLE public."Sales 2024" ADD CONSTRAINT "Sales 2024_pkey" PRIMARY KEY (id);
      ANALYZE public."Sales 2024";
      COMMIT;

    Plan: 1 to add, 0 to change, 0 to replace, 0 to destroy.
    Applied: 1 added, 0 changed, 0 replaced, 0 destroyed.
    mart                 type               status    rows   size
    public."Sales 2024"  table              active    ~200  32 kB
    public.event_counts  table              creating     -      -
    public.sales         materialized_view  creating     -      -
    public.top           view               creating     -      -
    "#);
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve", "--select", "top"]), @r#"
    exit 1
    --- stderr
    error: public.top: it reads public.sales, which does not exist yet and is not selected
     --> datamarts/dashboard/top.toml:3:1
      |
    3 | query = "SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product"
      | ^^^^^
      |
      = help: select it too: --select '+top'

    error: 1 problem with this database
    "#);
}

/// A mart whose build waits while somebody holds an advisory lock.
const GATE: &str = "type = \"table\"\nquery = \"SELECT pg_advisory_xact_lock_shared(4711) IS NULL AS open\"\n";

#[test]
fn a_second_apply_waits_or_says_who_is_at_work() {
    let rig = Rig::shop();
    rig.run(&["apply", "--auto-approve", "--select", "event_counts"]).done();
    rig.write("slow.toml", GATE);
    // The first one stops in its first statement.
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"60s\"\n");
    let held = rig.hold("SELECT pg_advisory_xact_lock(4711)");
    let first = rig.start(&["apply", "--auto-approve"]);
    rig.until_at_work("apply", "%pg_advisory_xact_lock_shared%");
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve", "--lock-timeout", "0"]), @"
    exit 1
    --- stderr
    error: the lock apply is held by another session (datamart: apply lock, on HOST, pid PID, since TIME)
    help: wait for it with --lock-timeout 5m, or see `datamart unlock`
    ");
    let json = rig.run(&["apply", "--auto-approve", "--format", "json"]).ended(1);
    insta::assert_snapshot!(json.shape(), @"
    error.kind: string
    error.message: string
    error.file: null
    error.line: null
    error.column: null
    error.hint: string
    error.problems: []
    ");
    insta::assert_snapshot!(holders(&rig.run(&["unlock"]).done().out()), @r#"
    lock project host application since
    apply shop HOST datamart: apply lock TIME
    mart:public."Sales 2024" shop HOST datamart: apply lock TIME
    mart:public.sales shop HOST datamart: apply lock TIME
    mart:public.slow shop HOST datamart: apply lock TIME
    mart:public.top shop HOST datamart: apply lock TIME
    "#);
    insta::assert_snapshot!(rig.run(&["unlock", "--format", "json"]).done().shape(), @"
    locks[].key: integer
    locks[].project: string
    locks[].name: string
    locks[].pid: integer
    locks[].host: string
    locks[].application: string
    locks[].since: string
    ended: null
    ");
    let second = rig.start(&["apply", "--auto-approve", "--lock-timeout", "1m"]);
    rig.until("SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: apply lock'");
    held.release();
    insta::assert_snapshot!(first.finish().done().out().lines().last().unwrap_or_default(), @"public.top           view               active     -      -");
    let second = second.finish().done();
    insta::assert_snapshot!(second.out().lines().next().unwrap_or_default(), @"No changes. 5 marts are up to date.");
    insta::assert_snapshot!(rig.run(&["unlock"]), @"
    exit 0
    --- stdout
    Nobody holds a lock.
    ");
    assert_eq!(rig.value("SELECT string_agg(status, ' ') FROM datamart.applies"), "success success");
}

/// A table of locks: without its first column, which is a pid, and without its host.
fn holders(table: &str) -> String {
    let host = nix::unistd::gethostname().expect("a host").to_string_lossy().into_owned();
    let line = |line: &str| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    table.lines().map(|text| line(text).replace(&host, "HOST") + "\n").collect()
}

#[test]
fn a_lock_is_taken_away_by_its_pid() {
    let rig = Rig::applied();
    rig.write("slow.toml", GATE);
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"60s\"\n");
    let held = rig.hold("SELECT pg_advisory_xact_lock(4711)");
    let first = rig.start(&["apply", "--auto-approve"]);
    rig.until_at_work("apply", "%pg_advisory_xact_lock_shared%");
    insta::assert_snapshot!(rig.run(&["unlock", "--kill", "1"]), @"
    exit 1
    --- stderr
    error: process PID holds no lock of ours
    help: `datamart unlock` without --kill lists who does
    ");
    let locks = rig.run(&["unlock", "--format", "json"]).done().json();
    let pid = locks["locks"][0]["pid"].to_string();
    insta::assert_snapshot!(rig.run(&["unlock", "--kill", &pid]), @"
    exit 0
    --- stdout
    Ended the session of process PID; its locks are free.
    ");
    insta::assert_snapshot!(rig.run(&["unlock"]), @"
    exit 0
    --- stdout
    Nobody holds a lock.
    ");
    held.release();
    insta::assert_snapshot!(first.finish().ended(1).err(), @"
    error: the lock of this apply was taken away
    help: somebody ended its session with `datamart unlock --kill`, or the connection broke; applying again finishes the job
    ");
    insta::assert_snapshot!(rig.value("SELECT count(*)::text FROM pg_class WHERE relname = 'slow'"), @"0");
    rig.run(&["apply", "--auto-approve"]).done();
    insta::assert_snapshot!(rig.run(&["plan"]), @"
    exit 0
    --- stdout
    No changes. 5 marts are up to date.
    ");
}

#[test]
fn refresh_by_name_all_and_selector() {
    let rig = Rig::applied();
    rig.sql("INSERT INTO orders VALUES (1000, '2024-02-01', 'p9', 10); INSERT INTO events VALUES (now(), 'k9')");
    insta::assert_snapshot!(rig.run(&["refresh", "sales", "Sales 2024"]), @r#"
    exit 0
    --- stdout
    mart                 status   method        rows  changed    took  why
    public."Sales 2024"  success  merge          201  +1 ~0 -0  0.00s  1 of 201 rows differ
    public.sales         success  concurrently    21  +1 ~0 -0  0.00s  unique index, readers go on
    Refreshed 2 marts in 0.0 s, 222 rows.
    "#);
    insta::assert_snapshot!(rig.run(&["refresh", "--all"]), @r#"
    exit 0
    --- stdout
    mart                 status   method        rows  changed    took  why
    public."Sales 2024"  success  merge          201  +0 ~0 -0  0.00s  0 of 201 rows differ
    public.event_counts  success  merge            4  +1 ~0 -0  0.00s  few rows
    public.sales         success  concurrently    21  +0 ~0 -0  0.00s  unique index, readers go on
    Refreshed 3 marts in 0.0 s, 226 rows.
    "#);
    insta::assert_snapshot!(rig.run(&["refresh", "--select", "orders+"]), @r#"
    exit 0
    --- stdout
    mart                 status   method        rows  changed    took  why
    public."Sales 2024"  success  merge          201  +0 ~0 -0  0.00s  0 of 201 rows differ
    public.sales         success  concurrently    21  +0 ~0 -0  0.00s  unique index, readers go on
    Refreshed 2 marts in 0.0 s, 222 rows.
    "#);
    insta::assert_snapshot!(rig.run(&["refresh", "top"]), @"
    exit 0
    --- stdout
    mart        status   method  rows  changed   took  why
    public.top  skipped  -          -  -        0.00s  a view has no rows of its own
    Refreshed 0 marts in 0.0 s, 0 rows. 1 skipped.
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "--select", "tag:none"]), @"
    exit 0
    --- stdout
    Nothing to refresh.
    --- stderr
    warning: no mart has the tag none
    ");
    let json = rig.run(&["refresh", "--all", "--format", "json"]).done();
    insta::assert_snapshot!(json.shape(), @"
    runs[].run: integer
    runs[].mart: string
    runs[].method: string
    runs[].reason: string
    runs[].status: string
    runs[].started_at: string
    runs[].finished_at: string
    runs[].duration_ms: number
    runs[].rows_inserted: integer
    runs[].rows_updated: integer
    runs[].rows_deleted: integer
    runs[].row_count: integer
    runs[].size_bytes: integer
    runs[].newest: null
    runs[].revision: null
    runs[].checks: []
    runs[].error: null
    summary.refreshed: integer
    summary.failed: integer
    summary.skipped: integer
    summary.noop: integer
    summary.cancelled: integer
    summary.rows: integer
    summary.seconds: number
    ");
    assert_eq!(rig.value("SELECT count(*) FROM sales WHERE product = 'p9'"), "1");
    assert_eq!(rig.value("SELECT count(*) FROM event_counts"), "4");
}

#[test]
fn refresh_says_what_is_wrong() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["refresh"]), @"
    exit 1
    --- stderr
    error: the following required arguments were not provided:
      <NAME|--all|--select <SELECTOR>>

    Usage: datamart refresh <NAME|--all|--select <SELECTOR>>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "usage",
        "message": "the following required arguments were not provided: <NAME|--all|--select <SELECTOR>>",
        "file": null,
        "line": null,
        "column": null,
        "hint": null,
        "problems": []
      }
    }
    "#);
    insta::assert_snapshot!(rig.run(&["refresh", "--all", "sales"]), @"
    exit 1
    --- stderr
    error: the argument '--all' cannot be used with '[NAME]...'

    Usage: datamart refresh <NAME|--all|--select <SELECTOR>>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "sale"]), @"
    exit 1
    --- stderr
    error: no mart is called sale; did you mean sales?
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "--select", "ordres+"]), @"
    exit 1
    --- stderr
    error: no mart is called ordres
    ");
    rig.write("new.toml", "type = \"table\"\nquery = \"SELECT 1 AS one\"\n");
    insta::assert_snapshot!(rig.run(&["refresh", "new"]), @"
    exit 1
    --- stderr
    error: not applied yet: public.new
    help: run `datamart apply` first
    ");
    rig.write("plain.toml", "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM orders\"\n");
    rig.run(&["apply", "--auto-approve"]).done();
    insta::assert_snapshot!(rig.run(&["refresh", "plain"]), @"
    exit 0
    --- stdout
    mart          status   method  rows  changed   took  why
    public.plain  success  plain      1  -        0.00s  no unique index on plain columns
    Refreshed 1 mart in 0.0 s, 1 row.
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "plain", "--concurrent", "true"]), @"
    exit 1
    --- stderr
    error: CONCURRENTLY needs a unique index on plain columns of public.plain, without a predicate
    help: refresh it without --concurrent true; with a unique index in its manifest readers need not wait
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "sales", "--concurrent", "false"]), @"
    exit 0
    --- stdout
    mart          status   method  rows  changed   took  why
    public.sales  success  plain     20  -        0.00s  asked for with --concurrent false
    Refreshed 1 mart in 0.0 s, 20 rows.
    ");
}

#[test]
fn a_refresh_that_fails_is_1() {
    let rig = Rig::applied();
    rig.write("shares.toml", "type = \"table\"\nquery = \"SELECT id, 100 / amount AS share FROM orders\"\n");
    rig.write("reads.toml", "type = \"table\"\nquery = \"SELECT max(share) AS most FROM shares\"\n");
    rig.run(&["apply", "--auto-approve"]).done();
    rig.sql("UPDATE orders SET amount = 0 WHERE id = 1");
    insta::assert_snapshot!(rig.run(&["refresh", "shares", "reads", "sales"]), @"
    exit 1
    --- stdout
    mart           status   method        rows  changed    took  why
    public.sales   success  concurrently    20  +1 ~0 -1  0.00s  unique index, readers go on
    public.shares  failed   merge            -  -         0.00s  division by zero
    public.reads   skipped  -                -  -         0.00s  public.shares, which it reads, was not refreshed
    Refreshed 1 mart in 0.0 s, 20 rows. 1 failed. 1 skipped.
    ");
    let json = rig.run(&["refresh", "shares", "--format", "json"]).ended(1);
    insta::assert_snapshot!(json.json()["runs"][0]["error"].to_string(), @r#"{"kind":"data","sqlstate":"22012","message":"division by zero","hint":null}"#);
    insta::assert_snapshot!(rig.run(&["status"]).done().out().lines().filter(|l| l.starts_with("public.shares")).collect::<Vec<_>>().join("\n"), @"
    public.shares        table              error   fresh                0s       0s  ~200  24 kB  failed
    public.shares: division by zero
    ");
    insta::assert_snapshot!(rig.run(&["plan", "--select", "state:failed"]), @"
    exit 0
    --- stdout
    No changes. 6 marts are up to date.
    ");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    rig.run(&["refresh", "--select", "state:failed+"]).done();
    insta::assert_snapshot!(rig.run(&["refresh", "--select", "state:failed"]), @"
    exit 0
    --- stdout
    Nothing to refresh.
    ");
}

#[test]
fn drop_removes_what_no_file_declares() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["drop", "sales"]), @"
    exit 1
    --- stderr
    error: public.sales is declared in datamarts/dashboard/sales.toml
    help: remove datamarts/dashboard/sales.toml and run `datamart apply --prune`
    ");
    insta::assert_snapshot!(rig.run(&["drop", "sale"]), @"
    exit 1
    --- stderr
    error: no mart is called sale; did you mean sales?
    ");
    rig.remove("dashboard/sales.toml");
    rig.write("dashboard/top.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n");
    insta::assert_snapshot!(rig.run(&["drop", "sales"]), @"
    exit 1
    --- stderr
    error: public.sales is read by public.top, which datamarts/dashboard/top.toml declares
    help: change or remove datamarts/dashboard/top.toml and run `datamart apply` first
    ");
    rig.remove("dashboard/top.toml");
    insta::assert_snapshot!(rig.run(&["drop", "sales"]), @"
    exit 1
    --- stderr
    error: public.sales is read by public.top
    help: --cascade drops these managed marts, too
    ");
    rig.sql("CREATE VIEW theirs AS SELECT * FROM top");
    insta::assert_snapshot!(rig.run(&["drop", "sales", "--cascade"]), @"
    exit 1
    --- stdout
    Project shop, database DB on SOCKET

    - public.top (view): no manifest declares it any more (dashboard/top.toml)
        --- definition (now)
        +++ nothing
        @@ -1,4 +0,0 @@
        - SELECT product,
        -    sum(revenue) AS revenue
        -   FROM public.sales
        -  GROUP BY product;

    - public.sales (materialized_view): no manifest declares it any more (dashboard/sales.toml)
        --- definition (now)
        +++ nothing
        @@ -1,6 +0,0 @@
        - SELECT day,
        -    product,
        -    count(*) AS orders,
        -    sum(amount) AS revenue
        -   FROM public.orders
        -  GROUP BY day, product;

    Transaction 1
      BEGIN;
      DROP VIEW public.top;
      DROP MATERIALIZED VIEW public.sales;
      COMMIT;

    Refused
      BREAKS_DEPENDENTS public.top: the view public.theirs depends on public.top and is not managed

    Plan: 0 to add, 0 to change, 0 to replace, 2 to destroy.
    ");
    rig.sql("DROP VIEW theirs");
    insta::assert_snapshot!(rig.run(&["drop", "sales", "--cascade"]), @r#"
    exit 0
    --- stdout
    Project shop, database DB on SOCKET

    - public.top (view): no manifest declares it any more (dashboard/top.toml)
        --- definition (now)
        +++ nothing
        @@ -1,4 +0,0 @@
        - SELECT product,
        -    sum(revenue) AS revenue
        -   FROM public.sales
        -  GROUP BY product;

    - public.sales (materialized_view): no manifest declares it any more (dashboard/sales.toml)
        --- definition (now)
        +++ nothing
        @@ -1,6 +0,0 @@
        - SELECT day,
        -    product,
        -    count(*) AS orders,
        -    sum(amount) AS revenue
        -   FROM public.orders
        -  GROUP BY day, product;

    Transaction 1
      BEGIN;
      DROP VIEW public.top;
      DROP MATERIALIZED VIEW public.sales;
      COMMIT;

    Plan: 0 to add, 0 to change, 0 to replace, 2 to destroy.
    Applied: 0 added, 0 changed, 0 replaced, 2 destroyed.
    mart                 type   status  rows   size
    public."Sales 2024"  table  active  ~200  32 kB
    public.event_counts  table  active    ~3  16 kB
    "#);
    let json = rig.run(&["drop", "sales", "--format", "json"]).ended(1);
    insta::assert_snapshot!(json.out(), @r#"
    {
      "error": {
        "kind": "selector",
        "message": "no mart is called sales",
        "file": null,
        "line": null,
        "column": null,
        "hint": null,
        "problems": []
      }
    }
    "#);
    rig.remove("event_counts.toml");
    insta::assert_snapshot!(rig.run(&["drop", "event_counts", "--format", "json"]).done().shape(), @"
    applied.id: integer
    applied.marts[]: string
    applied.steps: integer
    summary.add: integer
    summary.change: integer
    summary.replace: integer
    summary.destroy: integer
    summary.destructive: integer
    fingerprint: string
    drift: []
    orphans: []
    checks: []
    marts[].name: string
    marts[].schema: string
    marts[].full_name: string
    marts[].type: string
    marts[].refresh_strategy: string
    marts[].status: string
    marts[].tags: []
    marts[].metadata: {}
    marts[].row_count: integer
    marts[].estimated: boolean
    marts[].size_bytes: integer
    marts[].size: string
    marts[].column_count: integer
    marts[].columns[].name: string
    marts[].columns[].type: string
    marts[].indexes[].name: string
    marts[].indexes[].definition: string
    marts[].indexes[].unique: boolean
    marts[].created_at: string
    marts[].last_refreshed: string
    marts[].next_run: null
    marts[].age_seconds: integer
    marts[].ages.data: null
    marts[].ages.snapshot: integer
    marts[].ages.run: null
    marts[].freshness: string
    marts[].conditions[].type: string
    marts[].conditions[].status: string
    marts[].conditions[].reason: string
    marts[].conditions[].message: string
    ");
    insta::assert_snapshot!(rig.run(&["list"]), @r#"
    exit 0
    --- stdout
    mart                 type   status  refresh  tags
    public."Sales 2024"  table  active  manual   -
    "#);
    assert_eq!(
        rig.value("SELECT string_agg(relname::text, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'v')"),
        "Sales 2024 events orders"
    );
}

#[test]
fn a_clone_is_claimed() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["claim"]), @"
    exit 0
    --- stdout
    Nothing to claim: DB on SOCKET has no registry of another database.
    ");
    let clone = format!("{}_clone", rig.database.name);
    let admin = rig.url.replace(&format!("/{}?", rig.database.name), "/postgres?").replace(ROLE, "postgres");
    let made = rig.run_on(
        &admin,
        &["psql", "-qc", &format!("CREATE DATABASE {clone} TEMPLATE {} OWNER {ROLE}", rig.database.name)],
    );
    made.done();
    let url = rig.url.replace(&format!("/{}?", rig.database.name), &format!("/{clone}?"));
    for command in [&["plan"][..], &["apply", "--auto-approve"], &["refresh", "--all"]] {
        let refused = rig.run_on(&url, command).ended(1);
        assert!(refused.stderr.contains("`datamart claim` takes it over"), "{refused}");
    }
    insta::assert_snapshot!(rig.run_on(&url, &["status"]), @"
    exit 1
    --- stderr
    error: the registry in schema datamart was written in another database (DB), and came here with a restore or a clone; `datamart claim` takes it over
    ");
    insta::assert_snapshot!(rig.run_on(&url, &["claim"]), @"
    exit 0
    --- stdout
    The registry in schema datamart belongs to DB_clone on SOCKET now.
    ");
    insta::assert_snapshot!(rig.run_on(&url, &["claim", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "claimed": false
    }
    "#);
    insta::assert_snapshot!(rig.run_on(&url, &["plan"]), @"
    exit 0
    --- stdout
    No changes. 4 marts are up to date.
    ");
    rig.run_on(&url, &["refresh", "--all"]).done();
}

#[test]
fn a_superuser_is_warned() {
    let rig = Rig::shop();
    let url = rig.url.replace(&format!("user={ROLE}"), "user=postgres");
    insta::assert_snapshot!(rig.run_on(&url, &["apply", "--auto-approve"]).done().err(), @"warning: connected as a superuser: queries of marts without an owner run with all its rights; name an owner in [project], or connect as another role");
    insta::assert_snapshot!(rig.run_on(&url, &["refresh", "--all", "-q"]).done().err(), @"");
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let rig = Rig::applied();
    let shell = |script: &str| {
        let mut shell = rig.command(&[]);
        let program = shell.get_program().to_owned();
        shell = std::process::Command::new("/bin/sh");
        shell.env_clear().current_dir(rig.folder.path()).env("DATABASE_URL", &rig.url);
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.args(["-c", script]).arg(program);
        Running::start(shell, rig.redactions()).finish()
    };
    for full in ["list", "--help", "plan --help", "--version"] {
        assert_eq!(shell(&format!("\"$0\" {full} > /dev/full")).code, Some(1), "{full}");
    }
    // Whoever reads may have seen enough.
    insta::assert_snapshot!(shell("{ \"$0\" list; echo $? >&2; } | true"), @"
    exit 0
    --- stderr
    0
    ");
}

#[test]
fn what_is_granted_to_the_owner_is_no_change() {
    let rig = Rig::shop();
    rig.write(
        "event_counts.toml",
        "type = \"table\"\nquery = \"SELECT 1 AS one\"\n[[grants]]\nrole = \"etl\"\nprivileges = [\"SELECT\"]\n",
    );
    rig.run(&["apply", "--auto-approve"]).done();
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn what_somebody_locks_is_waited_for_only_so_long() {
    let rig = Rig::applied();
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"100ms\"\n");
    let held = rig.hold("LOCK TABLE event_counts IN ACCESS EXCLUSIVE MODE");
    // What needs no lock on it is done; what does says so soon.
    for args in [
        &["apply", "--auto-approve"][..],
        &["plan"],
        &["status"],
        &["drift"],
        &["stats", "event_counts"],
        &["preview", "event_counts"],
    ] {
        let out = rig.run(args);
        assert!(out.code == Some(0) || out.stderr.contains("lock timeout"), "{out}");
    }
    held.release();
    rig.run(&["refresh", "event_counts"]).done();
}
