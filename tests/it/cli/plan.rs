//! `validate`, `plan` and `drift`.

use super::rig::Rig;

#[test]
fn validate_needs_no_database() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run_on("", &["validate"]), @"
    exit 0
    --- stdout
    4 marts are valid.
    ");
    let json = rig.run_on("", &["validate", "--format", "json"]).done();
    insta::assert_snapshot!(json.out(), @r#"
    {
      "marts": [
        "public.\"Sales 2024\"",
        "public.event_counts",
        "public.sales",
        "public.top"
      ],
      "methods": {},
      "problems": []
    }
    "#);
}

#[test]
fn a_first_plan_creates() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run(&["plan"]), @r#"
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
    "#);
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode", "--format", "markdown"]), @r#"
    exit 2
    --- stdout
    **Plan: 4 to add, 0 to change, 0 to replace, 0 to destroy.**

    `DB on SOCKET`

    | | mart | type | why | hazards |
    |---|---|---|---|---|
    | `+` | public."Sales 2024" | table | new |  |
    | `+` | public.event\_counts | table | new |  |
    | `+` | public.sales | materialized_view | new |  |
    | `+` | public.top | view | new |  |

    <details><summary><code>public."Sales 2024"</code>: new</summary>

    ```diff
    --- nothing
    +++ query
    @@ -0,0 +1 @@
    +SELECT id, day, amount FROM orders WHERE day < '2025-01-01'
    ```

    </details>

    <details><summary><code>public.event_counts</code>: new</summary>

    ```diff
    --- nothing
    +++ query
    @@ -0,0 +1 @@
    +SELECT kind, count(*) AS events FROM events GROUP BY kind
    ```

    </details>

    <details><summary><code>public.sales</code>: new</summary>

    ```diff
    --- nothing
    +++ query
    @@ -0,0 +1,3 @@
    +SELECT day, product, count(*) AS orders, sum(amount) AS revenue
    +FROM orders
    +GROUP BY day, product
    ```

    </details>

    <details><summary><code>public.top</code>: new</summary>

    ```diff
    --- nothing
    +++ query
    @@ -0,0 +1 @@
    +SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product
    ```

    </details>

    <details><summary>SQL: 10 statements</summary>

    ```sql
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
    ```

    </details>
    "#);
    let json = rig.run(&["plan", "--detailed-exitcode", "--format", "json"]).ended(2);
    insta::assert_snapshot!(contract(&json.shape()), @"
    format_version: string
    created_at: string
    revision: null
    project: string
    database: string
    fingerprint: string
    summary.add: integer
    summary.change: integer
    summary.replace: integer
    summary.destroy: integer
    summary.destructive: integer
    changes[].address: string
    changes[].type: string
    changes[].action: string
    changes[].reason: string
    changes[].before: null
    changes[].diff: string
    changes[].hazards: []
    changes[].file: string
    drift: []
    orphans: []
    steps[].transaction: integer
    steps[].sql: string
    steps[].lock_timeout_ms: integer
    steps[].statement_timeout_ms: integer
    steps[].mart: string
    steps[].settings[][]: string
    marts: integer
    ");
    insta::assert_snapshot!(json.json()["summary"], @r#"{"add":4,"change":0,"replace":0,"destroy":0,"destructive":0}"#);
}

/// What programs may rely on: not what only `apply FILE` reads.
fn contract(shape: &str) -> String {
    let inner = ["records", "reads", "changes[].after."];
    shape
        .lines()
        .filter(|line| !inner.iter().any(|start| line.starts_with(start)))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn nothing_to_do() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode"]), @"
    exit 0
    --- stdout
    No changes. 4 marts are up to date.
    ");
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode", "--format", "markdown"]), @"
    exit 0
    --- stdout
    **No changes. 4 marts are up to date.**

    `DB on SOCKET`
    ");
    let json = rig.run(&["plan", "--format", "json", "--detailed-exitcode"]).done().json();
    assert_eq!(json["changes"], serde_json::json!([]));
    assert_eq!(json["steps"], serde_json::json!([]));
}

#[test]
fn a_change_and_an_orphan() {
    let rig = Rig::applied();
    rig.write(
        "dashboard/top.toml",
        "type = \"view\"\nquery = \"SELECT product, sum(orders) AS n FROM sales GROUP BY product\"\n",
    );
    rig.remove("event_counts.toml");
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode"]), @"
    exit 2
    --- stdout
    Project shop, database DB on SOCKET

    -/+ public.top (view): query changed; tags changed
        datamarts/dashboard/top.toml
        --- definition (now)
        +++ definition (declared)
        @@ -1,4 +1,4 @@
          SELECT product,
        -    sum(revenue) AS revenue
        +    sum(orders) AS n
            FROM public.sales
           GROUP BY product;

    Transaction 1
      BEGIN;
      SET LOCAL search_path = public;
      SET LOCAL TimeZone = 'UTC';
      CREATE VIEW public.top__next AS
      SELECT product, sum(orders) AS n FROM sales GROUP BY product;
      COMMENT ON VIEW public.top__next IS 'datamart: built aside by an apply of shop: public.top__next, sha256:HASH';
      COMMIT;
    Transaction 2
      BEGIN;
      COMMENT ON VIEW public.top__next IS NULL;
      DROP VIEW public.top;
      ALTER VIEW public.top__next RENAME TO top;
      COMMIT;

    Marts without a file (stay until `datamart apply --prune`)
      - public.event_counts (table), was in event_counts.toml

    Plan: 0 to add, 0 to change, 1 to replace, 0 to destroy.
    ");
    insta::assert_snapshot!(rig.run(&["plan", "--format", "markdown"]), @"
    exit 0
    --- stdout
    **Plan: 0 to add, 0 to change, 1 to replace, 0 to destroy.**

    `DB on SOCKET`

    | | mart | type | why | hazards |
    |---|---|---|---|---|
    | `-/+` | public.top | view | query changed; tags changed |  |

    <details><summary><code>public.top</code>: query changed; tags changed</summary>

    ```diff
    --- definition (now)
    +++ definition (declared)
    @@ -1,4 +1,4 @@
      SELECT product,
    -    sum(revenue) AS revenue
    +    sum(orders) AS n
        FROM public.sales
       GROUP BY product;
    ```

    </details>

    <details><summary>Marts without a file: 1</summary>

    ```text
    public.event_counts (was in event_counts.toml)
    ```

    </details>

    <details><summary>SQL: 5 statements</summary>

    ```sql
    CREATE VIEW public.top__next AS
    SELECT product, sum(orders) AS n FROM sales GROUP BY product;
    COMMENT ON VIEW public.top__next IS 'datamart: built aside by an apply of shop: public.top__next, sha256:HASH';
    COMMENT ON VIEW public.top__next IS NULL;
    DROP VIEW public.top;
    ALTER VIEW public.top__next RENAME TO top;
    ```

    </details>
    ");
    let json = rig.run(&["plan", "--format", "json"]).done().json();
    insta::assert_snapshot!(super::rig::shape(&json["orphans"]), @"
    [].address: string
    [].type: string
    [].file: string
    [].prevent_destroy: boolean
    ");
    // An orphan alone changes no exit code, until it is to be pruned.
    let rig = Rig::applied();
    rig.remove("event_counts.toml");
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode"]), @"
    exit 0
    --- stdout
    Marts without a file (stay until `datamart apply --prune`)
      - public.event_counts (table), was in event_counts.toml

    No changes. 3 marts are up to date.
    ");
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode", "--prune"]), @"
    exit 2
    --- stdout
    Project shop, database DB on SOCKET

    - public.event_counts (table): no manifest declares it any more (event_counts.toml)
        --- definition (now)
        +++ nothing
        @@ -1,4 +0,0 @@
        - SELECT kind,
        -    count(*) AS events
        -   FROM public.events
        -  GROUP BY kind;

    Transaction 1
      BEGIN;
      DROP TABLE public.event_counts;
      COMMIT;

    Plan: 0 to add, 0 to change, 0 to replace, 1 to destroy.
    ");
}

#[test]
fn a_refused_plan_is_printed_whole() {
    let rig = Rig::applied();
    rig.sql("TRUNCATE events");
    rig.remove("event_counts.toml");
    insta::assert_snapshot!(rig.run(&["plan", "--prune", "--detailed-exitcode"]), @"
    exit 1
    --- stdout
    Project shop, database DB on SOCKET

    - public.event_counts (table): no manifest declares it any more (event_counts.toml)
        --- definition (now)
        +++ nothing
        @@ -1,4 +0,0 @@
        - SELECT kind,
        -    count(*) AS events
        -   FROM public.events
        -  GROUP BY kind;
        ! DELETES_DATA: every table that public.event_counts read is empty; its rows could not be computed again

    Transaction 1
      BEGIN;
      DROP TABLE public.event_counts;
      COMMIT;

    Refused
      DELETES_DATA public.event_counts: every table that public.event_counts read is empty; its rows could not be computed again (--allow DELETES_DATA lets it through)
    help: --allow DELETES_DATA

    Plan: 0 to add, 0 to change, 0 to replace, 1 to destroy.
    ");
    let json = rig.run(&["plan", "--prune", "--format", "json"]).ended(1);
    insta::assert_snapshot!(serde_json::to_string_pretty(&json.json()["error"]).expect("JSON"), @r#"
    {
      "kind": "refused",
      "message": "public.event_counts: every table that public.event_counts read is empty; its rows could not be computed again",
      "file": null,
      "line": null,
      "column": null,
      "hint": "--allow DELETES_DATA",
      "problems": []
    }
    "#);
    assert_eq!(json.json()["changes"][0]["action"], "delete");
    insta::assert_snapshot!(rig.run(&["plan", "--prune", "--format", "markdown"]), @r"
    exit 1
    --- stdout
    **Plan: 0 to add, 0 to change, 0 to replace, 1 to destroy.**

    `DB on SOCKET`

    > **Refused.**
    > - `DELETES_DATA` public.event\_counts: every table that public.event\_counts read is empty; its rows could not be computed again
    >
    > `--allow DELETES_DATA` lets it through.

    | | mart | type | why | hazards |
    |---|---|---|---|---|
    | `-` | public.event\_counts | table | no manifest declares it any more (event\_counts.toml) | `DELETES_DATA` |

    <details><summary><code>public.event_counts</code>: no manifest declares it any more (event_counts.toml)</summary>

    ```diff
    --- definition (now)
    +++ nothing
    @@ -1,4 +0,0 @@
    - SELECT kind,
    -    count(*) AS events
    -   FROM public.events
    -  GROUP BY kind;
    ```

    </details>

    <details><summary>SQL: 1 statement</summary>

    ```sql
    DROP TABLE public.event_counts;
    ```

    </details>
    ");
    // What is allowed is told and counted all the same.
    let allowed = rig.run(&["plan", "--prune", "--allow", "DELETES_DATA", "--format", "json"]).done();
    assert_eq!(allowed.stderr, "");
    for told in [json.json(), allowed.json()] {
        assert_eq!((&told["summary"]["destroy"], &told["summary"]["destructive"]), (&1.into(), &1.into()));
        assert_eq!(told["changes"][0]["hazards"][0]["type"], "DELETES_DATA");
    }
    assert_eq!(json.json()["fingerprint"], allowed.json()["fingerprint"]);
    insta::assert_snapshot!(rig.run(&["plan", "--prune", "--allow", "DELETES"]), @r#"
    exit 1
    --- stderr
    error: --allow: no hazard is called "DELETES"; there are DELETES_DATA, BREAKS_DEPENDENTS, BLOCKS_WRITES, ACQUIRES_ACCESS_EXCLUSIVE_LOCK, CONFLICTS_WITH_REPLICA_QUERIES, CAPTURES_WRITES, REBUILDS_DATA, INDEX_BUILD, INDEX_DROPPED, AUTHZ_UPDATE
    "#);
    // Approving is not allowing.
    insta::assert_snapshot!(rig.run(&["apply", "--prune", "--auto-approve"]).ended(1), @"
    exit 1
    --- stdout
    Project shop, database DB on SOCKET

    - public.event_counts (table): no manifest declares it any more (event_counts.toml)
        --- definition (now)
        +++ nothing
        @@ -1,4 +0,0 @@
        - SELECT kind,
        -    count(*) AS events
        -   FROM public.events
        -  GROUP BY kind;
        ! DELETES_DATA: every table that public.event_counts read is empty; its rows could not be computed again

    Transaction 1
      BEGIN;
      DROP TABLE public.event_counts;
      COMMIT;

    Refused
      DELETES_DATA public.event_counts: every table that public.event_counts read is empty; its rows could not be computed again (--allow DELETES_DATA lets it through)
    help: --allow DELETES_DATA

    Plan: 0 to add, 0 to change, 0 to replace, 1 to destroy.
    ");
    assert_eq!(rig.value("SELECT count(*) FROM event_counts"), "3");
    rig.run(&["apply", "--prune", "--auto-approve", "--allow", "DELETES_DATA"]).done();
    assert_eq!(rig.value("SELECT to_regclass('event_counts') IS NULL"), "true");
}

#[test]
fn a_saved_plan_is_what_is_applied() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run(&["plan", "--out", "shop.plan"]).done().err(), @"Kept in shop.plan: `datamart apply shop.plan` does exactly this.");
    let kept = std::fs::read_to_string(rig.folder.path().join("shop.plan")).expect("a plan");
    rig.folder.write("edited.plan", &kept.replace("CREATE TABLE", "CREATE UNLOGGED TABLE"));
    insta::assert_snapshot!(rig.run(&["apply", "edited.plan", "--auto-approve"]).ended(1).err(), @"
    error: edited.plan was changed after it was written
    help: plan again: `datamart plan --out FILE`
    ");
    rig.run(&["apply", "shop.plan", "--auto-approve"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM sales"), "20");
    insta::assert_snapshot!(rig.run(&["apply", "shop.plan", "--auto-approve"]).ended(1).err(), @r#"
    error: the plan is stale: what it read has changed since
      caused by: public."Sales 2024" exists now
      caused by: public."Sales 2024" was applied by somebody else
      caused by: public.event_counts exists now
      caused by: public.event_counts was applied by somebody else
      caused by: public.sales exists now
      caused by: public.sales was applied by somebody else
      caused by: public.top exists now
      caused by: public.top was applied by somebody else
    help: plan again
    "#);
    insta::assert_snapshot!(rig.run(&["apply", "none.plan", "--auto-approve"]), @"
    exit 1
    --- stderr
    error: cannot read none.plan
      caused by: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(rig.run(&["apply", "datamarts/project.toml", "--auto-approve"]), @"
    exit 1
    --- stderr
    error: datamarts/project.toml is not a saved plan: expected value at line 1 column 2
    help: write one with `datamart plan --out FILE`
    ");
    insta::assert_snapshot!(rig.run(&["plan", "--out", "no/such/folder.plan"]), @"
    exit 1
    --- stderr
    error: cannot write no/such/folder.plan
      caused by: No such file or directory (os error 2)
    ");
}

#[test]
fn a_stale_plan_names_what_moved() {
    let rig = Rig::shop();
    rig.run(&["plan", "--out", "shop.plan"]).done();
    rig.sql("ALTER TABLE orders ADD COLUMN note text");
    insta::assert_snapshot!(rig.run(&["apply", "shop.plan", "--auto-approve"]).ended(1).err(), @"
    error: the plan is stale: what it read has changed since
      caused by: public.orders changed
    help: plan again
    ");
    let json = rig.run(&["apply", "shop.plan", "--auto-approve", "--format", "json"]).ended(1);
    insta::assert_snapshot!(json.out(), @r#"
    {
      "error": {
        "kind": "stale",
        "message": "the plan is stale: what it read has changed since: public.orders changed",
        "file": null,
        "line": null,
        "column": null,
        "hint": "plan again",
        "problems": []
      }
    }
    "#);
    assert_eq!(rig.value("SELECT to_regclass('sales') IS NULL"), "true");
}

/// The marts a plan would create.
fn planned(rig: &Rig, selector: &str) -> String {
    let out = rig.run(&["plan", "--format", "json", "--select", selector]);
    let json = out.json();
    match json["error"]["message"].as_str() {
        Some(message) => {
            assert_eq!(out.code, Some(1));
            format!("error {}: {message}", json["error"]["kind"].as_str().expect("a kind"))
        }
        None => {
            let changes = json["changes"].as_array().expect("changes").iter();
            changes.map(|c| c["address"].as_str().expect("an address")).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn the_selector_language() {
    let rig = Rig::shop();
    let selectors = [
        "sales",
        "public.sales",
        "sal*",
        "*",
        "orders+",
        "public.orders+",
        "sales+",
        "+top",
        "+top+",
        "tag:daily",
        "tag:none",
        "tag:daily,tag:sales",
        "tag:daily tag:sales",
        "path:archive",
        "path:dashboard/top.toml",
        "path:dash*",
        "schema:public",
        "\"Sales 2024\"",
        "\"Sales 2024\" top",
        "state:new",
        "state:failed",
        "state:new,tag:sales",
        "events+,tag:daily",
        "orders",
        "salse",
        "schema:pub",
        "path:dashbord",
        "state:odd",
        "",
        "tag:",
        "\"Sales",
        "nothing+",
        "datamart",
    ];
    let told: String = selectors.iter().map(|s| format!("{s} → {}\n", planned(&rig, s))).collect();
    insta::assert_snapshot!(told, @r#"
    sales → public.sales
    public.sales → public.sales
    sal* → public.sales
    * → public."Sales 2024" public.event_counts public.sales public.top
    orders+ → public."Sales 2024" public.sales public.top
    public.orders+ → public."Sales 2024" public.sales public.top
    sales+ → public.sales public.top
    +top → public.sales public.top
    +top+ → public.sales public.top
    tag:daily → public.event_counts public.sales
    tag:none → 
    tag:daily,tag:sales → public.sales
    tag:daily tag:sales → public.event_counts public.sales public.top
    path:archive → public."Sales 2024"
    path:dashboard/top.toml → error plan: 1 problem with this database
    path:dash* → public.sales public.top
    schema:public → public."Sales 2024" public.event_counts public.sales public.top
    "Sales 2024" → public."Sales 2024"
    "Sales 2024" top → error plan: 1 problem with this database
    state:new → public."Sales 2024" public.event_counts public.sales public.top
    state:failed → 
    state:new,tag:sales → public.sales public.top
    events+,tag:daily → public.event_counts
    orders → error selector: orders is a source table, not a mart; orders+ is what reads it
    salse → error selector: no mart is called salse; did you mean sales?
    schema:pub → error selector: no mart is in schema:pub
    path:dashbord → error selector: no manifest is at path:dashbord; did you mean dashboard?
    state:odd → error selector: state:odd is unknown; there are new, changed, drifted, stale, failed
     → error selector: the selector is empty
    tag: → error selector: "tag:" has no value, or a quote in its middle
    "Sales → error selector: a double quote in "\"Sales" is not closed
    nothing+ → error selector: no mart is called nothing
    datamart → error selector: no mart is called datamart
    "#);
    insta::assert_snapshot!(rig.run(&["plan", "--select", "salse"]), @"
    exit 1
    --- stderr
    error: no mart is called salse; did you mean sales?
    ");
}

#[test]
fn states_select() {
    let rig = Rig::applied();
    rig.write("dashboard/top.toml", "type = \"view\"\nquery = \"SELECT product FROM sales GROUP BY product\"\n");
    rig.sql("DROP INDEX sales_day_product_idx; COMMENT ON MATERIALIZED VIEW sales IS 'mine'");
    let told: String = ["state:new", "state:changed", "state:drifted", "state:stale", "state:failed"]
        .iter()
        .map(|s| format!("{s} → {}\n", planned(&rig, s)))
        .collect();
    insta::assert_snapshot!(told, @"
    state:new → 
    state:changed → public.sales public.top
    state:drifted → public.sales
    state:stale → 
    state:failed →
    ");
}

#[test]
fn drift_is_2() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["drift"]), @"
    exit 0
    --- stdout
    No drift.
    ");
    insta::assert_snapshot!(rig.run(&["drift", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "drift": []
    }
    "#);
    insta::assert_snapshot!(rig.run(&["drift", "--format", "markdown"]), @"
    exit 0
    --- stdout
    **No drift.**
    ");
    rig.sql(
        "COMMENT ON MATERIALIZED VIEW sales IS 'mine'; CREATE INDEX mine ON \"Sales 2024\" (day);
         DROP INDEX sales_day_product_idx; DROP TABLE event_counts;
         CREATE OR REPLACE VIEW top AS SELECT product, sum(revenue) + 1 AS revenue FROM sales GROUP BY product",
    );
    insta::assert_snapshot!(rig.run(&["drift"]), @r#"
    exit 2
    --- stdout
    ! public."Sales 2024" (table): index mine was added
        --- as applied
        +++ in the database
        @@ -0,0 +1 @@
        +USING btree (day)

    ! public.event_counts (table): its relation was removed
        --- as applied
        +++ in the database
        @@ -1,4 +0,0 @@
        - SELECT kind,
        -    count(*) AS events
        -   FROM public.events
        -  GROUP BY kind;

    ! public.sales (materialized_view): description was changed
        --- as applied
        +++ in the database
        @@ -1 +1 @@
        -Sales by day and product
        +mine

    ! public.sales (materialized_view): index sales_day_product_idx was removed
        --- as applied
        +++ in the database
        @@ -1 +0,0 @@
        -CREATE UNIQUE INDEX sales_day_product_idx ON public.sales USING btree (day, product)

    ! public.top (view): query was changed
        --- as applied
        +++ in the database
        @@ -1,4 +1,4 @@
          SELECT product,
        -    sum(revenue) AS revenue
        +    (sum(revenue) + (1)::numeric) AS revenue
            FROM public.sales
           GROUP BY product;

    Drift: 5 differences in 4 marts; `datamart apply --heal` puts it back.
    "#);
    insta::assert_snapshot!(rig.run(&["drift", "--format", "markdown"]), @r#"
    exit 2
    --- stdout
    **Drift: 5 differences in 4 marts; `datamart apply --heal` puts it back.**

    - `public."Sales 2024"`: index mine was added
    - `public.event_counts`: its relation was removed
    - `public.sales`: description was changed
    - `public.sales`: index sales_day_product_idx was removed
    - `public.top`: query was changed
    "#);
    insta::assert_snapshot!(rig.run(&["drift", "--format", "json"]).ended(2).shape(), @"
    drift[].address: string
    drift[].type: string
    drift[].aspect: string
    drift[].message: string
    drift[].expected: null|string
    drift[].actual: null|string
    drift[].diff: string
    ");
    // What is there but different stays outside the plan's summary; what is gone is an ordinary change.
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode"]).ended(2).out(), @r#"
    Project shop, database DB on SOCKET

    + public.event_counts (table): missing in the database
        datamarts/event_counts.toml
        --- nothing
        +++ query
        @@ -0,0 +1 @@
        +SELECT kind, count(*) AS events FROM events GROUP BY kind

    ~ public.sales (materialized_view): index sales_day_product_idx is missing
        datamarts/dashboard/sales.toml
        --- indexes:sales_day_product_idx (now)
        +++ indexes:sales_day_product_idx (declared)
        @@ -0,0 +1 @@
        +UNIQUE USING btree (day, product)
        ! INDEX_BUILD: index sales_day_product_idx is built CONCURRENTLY over about 20 rows, 16 kB, under 0s by its size; its lock, SHARE UPDATE EXCLUSIVE, lets reads and writes go on

    Transaction 1
      BEGIN;
      SET LOCAL search_path = public;
      SET LOCAL TimeZone = 'UTC';
      CREATE TABLE public.event_counts AS
      SELECT kind, count(*) AS events FROM events GROUP BY kind;
      ANALYZE public.event_counts;
      COMMIT;
    Outside transactions
      CREATE UNIQUE INDEX CONCURRENTLY sales_day_product_idx ON public.sales USING btree (day, product);

    Drift (stays until `datamart apply --heal`)
      ! public."Sales 2024": index mine was added
          --- as applied
          +++ in the database
          @@ -0,0 +1 @@
          +USING btree (day)
      ! public.sales: description was changed
          --- as applied
          +++ in the database
          @@ -1 +1 @@
          -Sales by day and product
          +mine
      ! public.top: query was changed
          --- as applied
          +++ in the database
          @@ -1,4 +1,4 @@
            SELECT product,
          -    sum(revenue) AS revenue
          +    (sum(revenue) + (1)::numeric) AS revenue
              FROM public.sales
             GROUP BY product;

    Plan: 1 to add, 1 to change, 0 to replace, 0 to destroy.
    "#);
    rig.run(&["apply", "--auto-approve"]).done();
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode"]), @r#"
    exit 0
    --- stdout
    Drift (stays until `datamart apply --heal`)
      ! public."Sales 2024": index mine was added
          --- as applied
          +++ in the database
          @@ -0,0 +1 @@
          +USING btree (day)
      ! public.sales: description was changed
          --- as applied
          +++ in the database
          @@ -1 +1 @@
          -Sales by day and product
          +mine
      ! public.top: query was changed
          --- as applied
          +++ in the database
          @@ -1,4 +1,4 @@
            SELECT product,
          -    sum(revenue) AS revenue
          +    (sum(revenue) + (1)::numeric) AS revenue
              FROM public.sales
             GROUP BY product;

    No changes. 4 marts are up to date.
    "#);
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve", "--heal"]), @r#"
    exit 0
    --- stdout
    Project shop, database DB on SOCKET

    ~ public."Sales 2024" (table): drift: index mine removed
        datamarts/archive/sales_2024.toml
        --- indexes:mine (now)
        +++ indexes:mine (declared)
        @@ -1 +0,0 @@
        -USING btree (day)
        ! INDEX_DROPPED: index mine goes: 16 kB, never used

    ~ public.sales (materialized_view): drift: description changed
        datamarts/dashboard/sales.toml
        --- description (now)
        +++ description (declared)
        @@ -1 +1 @@
        -mine
        +Sales by day and product

    ~ public.top (view): drift: query changed
        datamarts/dashboard/top.toml
        --- definition (now)
        +++ definition (declared)
        @@ -1,4 +1,4 @@
          SELECT product,
        -    (sum(revenue) + (1)::numeric) AS revenue
        +    sum(revenue) AS revenue
            FROM public.sales
           GROUP BY product;

    Transaction 1
      BEGIN;
      SET LOCAL search_path = public;
      SET LOCAL TimeZone = 'UTC';
      CREATE OR REPLACE VIEW public.top AS
      SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product;
      COMMENT ON MATERIALIZED VIEW public.sales IS 'Sales by day and product';
      COMMIT;
    Outside transactions
      DROP INDEX CONCURRENTLY public.mine;

    Plan: 0 to add, 3 to change, 0 to replace, 0 to destroy.
    Applied: 0 added, 3 changed, 0 replaced, 0 destroyed.
    mart                 type               status  rows   size
    public."Sales 2024"  table              active  ~200  32 kB
    public.event_counts  table              active    ~3  16 kB
    public.sales         materialized_view  active   ~20  32 kB
    public.top           view               active     -      -
    "#);
    insta::assert_snapshot!(rig.run(&["drift"]), @"
    exit 0
    --- stdout
    No drift.
    ");
}
