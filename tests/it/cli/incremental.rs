//! `refresh --incremental`, `--smart`, `--full`, source tables; `explain`, `validate` and `plan` of marts that are refreshed in part.

use super::rig::Rig;

const DAILY: &str = r#"
type = "table"
query = "SELECT day, sum(amount)::int AS total FROM events GROUP BY 1"
primary_key = ["day"]

[refresh]
strategy = "smart"
schedule = "1h"
full_after = "3 days"

[refresh.incremental]
method = "window"
time_column = "day"
lookback = "2 days"
full_schedule = "0 2 * * *"
"#;

const TOTAL: &str = r#"
type = "materialized_view"
query = "SELECT sum(total) AS total FROM daily"
[refresh]
concurrent = false
"#;

const KINDS: &str = r#"
type = "table"
query = "SELECT kind, count(*) AS n FROM recent GROUP BY 1"
primary_key = ["kind"]
[refresh.incremental]
method = "upsert"
"#;

/// A table that marts read, one of them through views that are nobody's marts.
const EVENTS: &str = "CREATE TABLE events (day date, kind text, amount int);
    INSERT INTO events SELECT date '2026-01-01' + d, 'k' || d % 2, 1 FROM generate_series(0, 9) AS d;
    CREATE VIEW clean AS SELECT * FROM events WHERE amount > 0;
    CREATE VIEW recent AS SELECT * FROM clean WHERE day > date '2025-01-01';
    CREATE TABLE apart (n int);";

fn applied() -> Rig {
    let apart = "type = \"table\"\nquery = \"SELECT n FROM apart\"\n";
    let rig = Rig::of(&[("daily.toml", DAILY), ("total.toml", TOTAL), ("kinds.toml", KINDS), ("other.toml", apart)]);
    rig.sql(EVENTS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

#[test]
fn a_refresh_does_as_it_is_told() {
    let rig = applied();
    rig.sql("INSERT INTO events VALUES ('2026-01-10', 'k1', 5)");
    insta::assert_snapshot!(rig.run(&["refresh", "daily", "--incremental"]), @"
    exit 0
    --- stdout
    mart          status   method  rows  changed    took  why
    public.daily  success  window    10  +0 ~1 -0  0.00s  day from 2026-01-08 on
    Refreshed 1 mart in 0.0 s, 10 rows.
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "daily", "--incremental", "--days", "1"]), @"
    exit 0
    --- stdout
    mart          status   method  rows  changed    took  why
    public.daily  success  window    10  +0 ~0 -0  0.00s  day from 2026-01-09 on
    Refreshed 1 mart in 0.0 s, 10 rows.
    ");
    // The newest day is long ago.
    let json = rig.run(&["refresh", "daily", "--smart", "--format", "json"]).done().json();
    let reason = json["runs"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("the newest data is ") && reason.contains(", full_after is 3d; "), "{reason}");
    insta::assert_snapshot!(rig.run(&["refresh", "daily", "--full"]), @"
    exit 0
    --- stdout
    mart          status   method  rows  changed    took  why
    public.daily  success  merge     10  +0 ~0 -0  0.00s  all rows were asked for; not exchanged: the materialized view public.to…
    Refreshed 1 mart in 0.0 s, 10 rows.
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "total", "--incremental"]), @"
    exit 0
    --- stdout
    mart          status   method  rows  changed   took  why
    public.total  success  plain      1  -        0.00s  whole, for want of [refresh.incremental]; concurrent = false
    Refreshed 1 mart in 0.0 s, 1 row.
    ");
    let json = rig.run(&["refresh", "daily", "--incremental", "--format", "json"]).done().json();
    assert_eq!((&json["runs"][0]["method"], &json["summary"]["refreshed"]), (&"window".into(), &1.into()));
    for bad in [
        &["--full", "--smart"][..],
        &["--days", "2"],
        &["--smart", "--incremental"],
        &["--incremental", "--days", "-1"],
    ] {
        rig.run(&[&["refresh", "daily"], bad].concat()).ended(1);
    }
}

#[test]
fn what_reads_a_source_table_is_refreshed() {
    let rig = applied();
    rig.sql("INSERT INTO events VALUES ('2026-01-10', 'k7', 5)");
    insta::assert_snapshot!(rig.run(&["refresh", "--select", "events+", "--incremental", "--wait"]), @"
    exit 0
    --- stdout
    mart          status   method  rows  changed    took  why
    public.daily  success  window    10  +0 ~1 -0  0.00s  day from 2026-01-08 on
    public.kinds  success  upsert     3  +1 ~0 -0  0.00s  by kind
    public.total  success  plain      1  -         0.00s  whole, for want of [refresh.incremental]; concurrent = false
    Refreshed 3 marts in 0.0 s, 14 rows.
    ");
    assert_eq!(rig.value("SELECT string_agg(kind || n, ',' ORDER BY kind) FROM kinds"), "k05,k15,k71");
    // Views in between are sources, too, and marts are found behind them.
    let marts = |selector: &str| {
        let json = rig.run(&["refresh", "--select", selector, "--format", "json"]).done().json();
        let runs = json["runs"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = runs.iter().filter_map(|run| run["mart"].as_str().map(str::to_owned)).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(marts("recent+"), "public.kinds");
    assert_eq!(marts("clean+"), "public.kinds");
    assert_eq!(marts("public.events+,total"), "public.total");
    assert_eq!(marts("apart+"), "public.other");
    insta::assert_snapshot!(rig.run(&["refresh", "--select", "events"]), @"
    exit 1
    --- stderr
    error: events is a source table, not a mart; events+ is what reads it
    ");
}

#[test]
fn the_method_is_told_before() {
    let rig = applied();
    insta::assert_snapshot!(rig.run(&["validate"]), @"
    exit 0
    --- stdout
    4 marts are valid.
      public.daily is refreshed in part: window on day, 2d back
      public.kinds is refreshed in part: upsert by the primary key
    ");
    let json = rig.run(&["validate", "--format", "json"]).done().json();
    assert_eq!(json["methods"], serde_json::json!({ "public.daily": "window", "public.kinds": "upsert" }));
    let text = rig.run(&["explain", "kinds"]).done().out();
    assert!(text.starts_with("public.kinds\nmethod: upsert (by kind)\n"), "{text}");
    let text = rig.run(&["explain", "daily"]).done().out();
    assert!(text.contains("\nmethod: merge (the newest data is "), "{text}");
    rig.sql("INSERT INTO events VALUES (current_date, 'k1', 1)");
    rig.run(&["refresh", "daily", "--full", "-q"]).done();
    let json = rig.run(&["explain", "daily", "--format", "json"]).done().json();
    assert_eq!(json["method"], "window");
    // The restriction is planned below the aggregate.
    let plan = json["plan"].to_string();
    assert!(plan.contains("\"Node Type\":\"Seq Scan\"") && plan.contains("day >= "), "{plan}");
    rig.write("daily.toml", &DAILY.replace("2 days", "3 days").replace("AS total", "AS totals"));
    rig.write("total.toml", &TOTAL.replace("sum(total)", "sum(totals)"));
    let plan = rig.run(&["plan"]).done().out();
    assert!(plan.contains("\n    refreshed in part: window on day, 3d back\n"), "{plan}");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // What the query of another definition gives is never mixed with the old rows.
    assert_eq!(rig.value("SELECT sum(totals) FROM daily"), rig.value("SELECT sum(amount) FROM events"));
    // Whether a query can follow changes is not known of its words alone.
    let all =
        "type = \"table\"\nquery = \"SELECT count(*) AS n FROM events\"\n[refresh.incremental]\nmethod = \"changes\"\n";
    rig.write("events_in_all.toml", all);
    let text = rig.run(&["validate"]).done().out();
    assert!(
        text.contains("  public.events_in_all is to follow what changes; `plan` says whether its query can\n"),
        "{text}"
    );
    let said = rig.run(&["plan"]).ended(1).err();
    assert!(said.contains("public.events_in_all cannot follow what changes: without GROUP BY"), "{said}");
    assert!(said.contains("error: 1 declaration cannot be applied"), "{said}");
}

#[test]
fn columns_that_say_no_time_are_refused() {
    let manifest = DAILY.replace("time_column = \"day\"", "time_column = \"total\"");
    let rig = Rig::of(&[
        ("daily.toml", &manifest),
        ("kinds.toml", &KINDS.replace("\"upsert\"", "\"upsert\"\nunique_key = [\"kinds\"]")),
    ]);
    rig.sql(EVENTS);
    insta::assert_snapshot!(rig.run(&["plan"]), @r#"
    exit 1
    --- stderr
    error: public.daily: "total" is of type integer, which does not say how new a row is
      --> datamarts/daily.toml:13:1
       |
    13 | time_column = "total"
       | ^^^^^^^^^^^
       |
       = help: name a column of type date, timestamp or timestamp with time zone

    error: public.kinds: the query has no column "kinds"
     --> datamarts/kinds.toml:7:1
      |
    7 | unique_key = ["kinds"]
      | ^^^^^^^^^^
      |
      = help: its columns are kind, n

    error: 2 problems with this database
    "#);
}

/// Whoever locks one mart keeps nobody from refreshing the others, and the history says what became of each.
#[test]
fn a_lock_on_one_mart_stops_no_other() {
    let mart = "type = \"table\"\nquery = \"SELECT count(*) AS n FROM orders\"\n";
    let project = "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"200ms\"\n";
    let rig = Rig::of(&[("project.toml", project), ("locked.toml", mart), ("other.toml", mart)]);
    rig.sql("CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("INSERT INTO orders VALUES (2)");
    let held = rig.hold("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE");
    let told = rig.run(&["refresh", "--all", "--format", "json"]).ended(1).json();
    held.release();
    assert_eq!(rig.value("SELECT n FROM other"), "2", "{told:#}");
    let ended = "SELECT string_agg(mart || ' ' || (status = 'success'), ' ' ORDER BY mart) FROM datamart.refreshes";
    assert_eq!(rig.value(ended), "locked false other true", "{told:#}");
}
