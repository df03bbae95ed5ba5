//! The commands that look.

use super::rig::{Rig, bare, finish, folder};

#[test]
fn before_the_first_apply() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run(&["status"]), @r#"
    exit 0
    --- stdout
    mart                 type               status    freshness
    public."Sales 2024"  table              creating  -
    public.event_counts  table              creating  -
    public.sales         materialized_view  creating  -
    public.top           view               creating  -
    "#);
    insta::assert_snapshot!(rig.run(&["list"]), @r#"
    exit 0
    --- stdout
    mart                 type               status    refresh  tags
    public."Sales 2024"  table              creating  manual   -
    public.event_counts  table              creating  manual   daily
    public.sales         materialized_view  creating  manual   daily,sales
    public.top           view               creating  manual   sales
    "#);
    insta::assert_snapshot!(rig.run(&["history"]), @"
    exit 0
    --- stdout
    No runs.
    ");
    insta::assert_snapshot!(rig.run(&["stats", "sales"]), @"
    exit 1
    --- stderr
    error: public.sales is not in the database
    help: `datamart apply` builds what is declared
    ");
    insta::assert_snapshot!(rig.run(&["preview", "sales"]), @"
    exit 1
    --- stderr
    error: public.sales is not in the database
    help: `datamart apply` builds what is declared
    ");
    insta::assert_snapshot!(rig.run(&["preview", "sales", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "missing",
        "message": "public.sales is not in the database",
        "file": null,
        "line": null,
        "column": null,
        "hint": "`datamart apply` builds what is declared",
        "problems": []
      }
    }
    "#);
    let explained = rig.run(&["explain", "event_counts"]).done().out();
    insta::assert_snapshot!(explained.lines().nth(1).unwrap_or_default(), @"method: none (not applied yet: `datamart apply` builds it)");
    insta::assert_snapshot!(rig.run(&["unlock"]), @"
    exit 0
    --- stdout
    Nobody holds a lock.
    ");
    insta::assert_snapshot!(rig.run(&["drift"]), @"
    exit 0
    --- stdout
    No drift.
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "--all"]), @"
    exit 0
    --- stdout
    Nothing to refresh.
    ");
}

#[test]
fn status_and_list() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["status"]), @r#"
    exit 0
    --- stdout
    mart                 type               status  freshness  snapshot age  rows   size
    public."Sales 2024"  table              active  fresh                0s  ~200  32 kB
    public.event_counts  table              active  fresh                0s    ~3  16 kB
    public.sales         materialized_view  active  fresh                0s   ~20  32 kB
    public.top           view               active  fresh                 -     -      -
    "#);
    insta::assert_snapshot!(rig.run(&["list"]), @r#"
    exit 0
    --- stdout
    mart                 type               status  refresh  tags
    public."Sales 2024"  table              active  manual   -
    public.event_counts  table              active  manual   daily
    public.sales         materialized_view  active  manual   daily,sales
    public.top           view               active  manual   sales
    "#);
    insta::assert_snapshot!(rig.run(&["list", "--stats"]), @r#"
    exit 0
    --- stdout
    mart                 type               status  refresh  tags         rows   size  columns  indexes  refreshed
    public."Sales 2024"  table              active  manual   -            ~200  32 kB        3        1  TIME
    public.event_counts  table              active  manual   daily          ~3  16 kB        2        0  TIME
    public.sales         materialized_view  active  manual   daily,sales   ~20  32 kB        4        1  TIME
    public.top           view               active  manual   sales           -      -        2        0  -
    "#);
    rig.run(&["refresh", "--all"]).done();
    insta::assert_snapshot!(rig.run(&["status", "--format", "json"]).done().shape(), @"
    marts[].name: string
    marts[].schema: string
    marts[].full_name: string
    marts[].type: string
    marts[].refresh_strategy: string
    marts[].status: string
    marts[].tags: []
    marts[].metadata: {}
    marts[].row_count: integer
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
    marts[].ages.run: integer|null
    marts[].freshness: string
    marts[].conditions[].type: string
    marts[].conditions[].status: string
    marts[].conditions[].reason: string
    marts[].conditions[].message: string
    marts[].last_run.run: integer
    marts[].last_run.mart: string
    marts[].last_run.method: string
    marts[].last_run.reason: string
    marts[].last_run.status: string
    marts[].last_run.started_at: string
    marts[].last_run.finished_at: string
    marts[].last_run.duration_ms: number
    marts[].last_run.rows_inserted: integer
    marts[].last_run.rows_updated: integer
    marts[].last_run.rows_deleted: integer
    marts[].last_run.row_count: integer
    marts[].last_run.size_bytes: integer
    marts[].last_run.newest: null
    marts[].last_run.revision: null
    marts[].last_run.checks: []
    marts[].last_run.error: null
    marts[].tags[]: string
    marts[].indexes: []
    marts[].metadata.owner_team: string
    marts[].description: string
    reconcile: null
    ");
    insta::assert_snapshot!(rig.run(&["list", "--format", "json"]).done().shape(), @"
    marts[].name: string
    marts[].schema: string
    marts[].full_name: string
    marts[].type: string
    marts[].refresh_strategy: string
    marts[].status: string
    marts[].tags: []
    marts[].metadata: {}
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
    marts[].ages.run: integer|null
    marts[].freshness: string
    marts[].conditions[].type: string
    marts[].conditions[].status: string
    marts[].conditions[].reason: string
    marts[].conditions[].message: string
    marts[].last_run.run: integer
    marts[].last_run.mart: string
    marts[].last_run.method: string
    marts[].last_run.reason: string
    marts[].last_run.status: string
    marts[].last_run.started_at: string
    marts[].last_run.finished_at: string
    marts[].last_run.duration_ms: number
    marts[].last_run.rows_inserted: integer
    marts[].last_run.rows_updated: integer
    marts[].last_run.rows_deleted: integer
    marts[].last_run.row_count: integer
    marts[].last_run.size_bytes: integer
    marts[].last_run.newest: null
    marts[].last_run.revision: null
    marts[].last_run.checks: []
    marts[].last_run.error: null
    marts[].tags[]: string
    marts[].indexes: []
    marts[].metadata.owner_team: string
    marts[].description: string
    ");
    assert_eq!(
        rig.run(&["list", "--stats", "--format", "json"]).done().shape() + "reconcile: null\n",
        rig.run(&["status", "--format", "json"]).done().shape()
    );
}

#[test]
fn stats_counts_one_mart() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["stats", "sales"]), @"
    exit 0
    --- stdout
    public.sales (materialized_view, active)
    Sales by day and product
      rows         20
      size         32 kB
      refreshed    TIME
      next run     -
      freshness    fresh
      age of data  -
      of snapshot  0s
      of last run  -

    column   type
    day      date
    product  text
    orders   bigint
    revenue  numeric

    index                  unique   size  scans  definition
    sales_day_product_idx  yes     16 kB      0  btree (day, product)
    ");
    insta::assert_snapshot!(rig.run(&["stats", "Sales 2024"]), @r#"
    exit 0
    --- stdout
    public."Sales 2024" (table, active)
      rows         200
      size         32 kB
      refreshed    TIME
      next run     -
      freshness    fresh
      age of data  -
      of snapshot  0s
      of last run  -

    column  type
    id      integer
    day     date
    amount  numeric(10,2)

    index            unique   size  scans  definition
    Sales 2024_pkey  yes     16 kB      0  btree (id)
    "#);
    insta::assert_snapshot!(rig.run(&["stats", "\"Sales 2024\""]).done().out().lines().next().unwrap_or_default(), @r#"public."Sales 2024" (table, active)"#);
    insta::assert_snapshot!(rig.run(&["stats", "public.top"]), @"
    exit 0
    --- stdout
    public.top (view, active)
      rows         4
      size         -
      refreshed    -
      next run     -
      freshness    fresh
      age of data  -
      of snapshot  -
      of last run  -

    column   type
    product  text
    revenue  numeric
    ");
    let json = rig.run(&["stats", "sales", "--format", "json"]).done();
    insta::assert_snapshot!(json.shape(), @"
    name: string
    schema: string
    full_name: string
    type: string
    refresh_strategy: string
    status: string
    tags[]: string
    metadata.owner_team: string
    description: string
    row_count: integer
    size_bytes: integer
    size: string
    column_count: integer
    columns[].name: string
    columns[].type: string
    indexes[].name: string
    indexes[].definition: string
    indexes[].unique: boolean
    indexes[].size_bytes: integer
    indexes[].size: string
    indexes[].scans: integer
    created_at: string
    last_refreshed: string
    next_run: null
    age_seconds: integer
    ages.data: null
    ages.snapshot: integer
    ages.run: null
    freshness: string
    conditions[].type: string
    conditions[].status: string
    conditions[].reason: string
    conditions[].message: string
    ");
    assert_eq!(json.json()["row_count"], 20);
    assert_eq!(json.json()["metadata"]["owner_team"], "bi");
    insta::assert_snapshot!(rig.run(&["stats", "slaes"]), @"
    exit 1
    --- stderr
    error: no mart is called slaes; did you mean sales?
    ");
    insta::assert_snapshot!(rig.run(&["stats", "orders"]), @"
    exit 1
    --- stderr
    error: no mart is called orders
    ");
}

#[test]
fn preview_shows_rows() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["preview", "Sales 2024", "--limit", "3"]), @"
    exit 0
    --- stdout
    id  day         amount
     1  2024-01-02    1.00
     2  2024-01-03    2.00
     3  2024-01-04    3.00

    3 rows of 200.
    ");
    insta::assert_snapshot!(rig.run(&["preview", "event_counts", "--limit", "0"]), @"
    exit 0
    --- stdout
    kind  events

    0 rows of 3.
    ");
    insta::assert_snapshot!(rig.run(&["preview", "Sales 2024", "--limit", "1", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "columns": [
        {
          "name": "id",
          "type": "integer"
        },
        {
          "name": "day",
          "type": "date"
        },
        {
          "name": "amount",
          "type": "numeric(10,2)"
        }
      ],
      "rows": [
        {"id":1,"day":"2024-01-02","amount":1.00}
      ],
      "preview_count": 1,
      "total_rows": 200
    }
    "#);
    insta::assert_snapshot!(rig.run(&["preview", "top", "--limit", "-1"]), @"
    exit 1
    --- stderr
    error: invalid value '-1' for '--limit <N>': -1 is not in 0..=10000

    For more information, try '--help'.
    ");
}

#[test]
fn preview_keeps_what_is_long_and_deep() {
    let rig = Rig::of(&[(
        "odd.toml",
        "type = \"table\"\nquery = \"SELECT 50 / 12.0 AS mean, 0.1::float8 + 0.2 AS sum, 1e400::numeric AS big, (repeat('[', 200) || repeat(']', 200))::jsonb AS deep, 'NaN'::float8 AS none\"\n",
    )]);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let told = rig.run(&["preview", "odd", "--format", "json"]).done().out();
    let row = told.lines().find(|line| line.contains("mean\":")).expect("the row").trim();
    let (big, deep) = (format!("1{}", "0".repeat(400)), format!("{}{}", "[".repeat(200), "]".repeat(200)));
    let expected = format!(
        "{{\"mean\":4.1666666666666667,\"sum\":0.30000000000000004,\"big\":{big},\"deep\":{deep},\"none\":\"NaN\"}}"
    );
    assert_eq!(row, expected);
}

#[test]
fn history_lists_runs() {
    let rig = Rig::applied();
    rig.run(&["refresh", "event_counts"]).done();
    rig.run(&["refresh", "sales"]).done();
    insta::assert_snapshot!(rig.run(&["history"]), @"
    exit 0
    --- stdout
    run  mart                 method        status   started                took  rows  why
      2  public.sales         concurrently  success  TIME  0.00s    20  unique index, readers go on
      1  public.event_counts  merge         success  TIME  0.00s     3  few rows
    ");
    insta::assert_snapshot!(rig.run(&["history", "sales"]), @"
    exit 0
    --- stdout
    run  mart          method        status   started                took  rows  why
      2  public.sales  concurrently  success  TIME  0.00s    20  unique index, readers go on
    ");
    insta::assert_snapshot!(rig.run(&["history", "Sales 2024"]), @"
    exit 0
    --- stdout
    No runs.
    ");
    insta::assert_snapshot!(rig.run(&["history", "sale"]), @"
    exit 1
    --- stderr
    error: no mart is called sale; did you mean sales?
    ");
    insta::assert_snapshot!(rig.run(&["history", "--format", "json"]).done().shape(), @"
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
    ");
    // A mart that is gone keeps its runs.
    rig.remove("event_counts.toml");
    rig.run(&["drop", "event_counts"]).done();
    assert_eq!(
        rig.run(&["history", "event_counts", "--format", "json"]).done().json()["runs"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn explain_tells_method_and_reason() {
    let rig = Rig::applied();
    let told = |name: &str| {
        let out = rig.run(&["explain", name]).done().out();
        out.lines().take(3).map(|line| format!("{line}\n")).collect::<String>()
    };
    let all: String = ["sales", "top", "Sales 2024", "event_counts"].map(told).concat();
    insta::assert_snapshot!(all, @r#"
    public.sales
    method: concurrently (unique index, readers go on)

    public.top
    method: none (a view has no rows of its own)

    public."Sales 2024"
    method: merge (or a swap, where many rows differ)

    public.event_counts
    method: merge (few rows)
    "#);
    let json = rig.run(&["explain", "sales", "--format", "json"]).done().json();
    let keys: Vec<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["mart", "method", "reason", "query", "plan"]);
    assert!(json["plan"][0]["Plan"]["Node Type"].is_string(), "{json}");
}

#[test]
fn schema_is_json() {
    let dir = folder(&[]);
    let of = |args: &[&str]| finish(bare(dir.path(), args), dir.path()).done().json();
    let (both, mart, project) =
        (of(&["schema"]), of(&["schema", "mart"]), of(&["schema", "project", "--format", "json"]));
    assert_eq!((&both["mart"], &both["project"]), (&mart, &project));
    assert_eq!(mart["additionalProperties"], false);
    assert!(mart["properties"]["query"].is_object() && project["properties"]["project"].is_object());
}

#[test]
fn url_and_psql() {
    let rig = Rig::applied();
    assert_eq!(rig.run(&["url"]).done().stdout.trim(), rig.url);
    assert_eq!(rig.run(&["url", "--format", "json"]).done().json()["url"], rig.url.as_str());
    insta::assert_snapshot!(rig.run(&["psql", "-Atc", "SELECT count(*) FROM sales"]), @"
    exit 0
    --- stdout
    20
    ");
    insta::assert_snapshot!(rig.run(&["psql", "-v", "ON_ERROR_STOP=1", "-c", "SELECT nothing"]), @r#"
    exit 1
    --- stderr
    ERROR:  column "nothing" does not exist
    LINE 1: SELECT nothing
                   ^
    "#);
}
