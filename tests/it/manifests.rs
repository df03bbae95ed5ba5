//! Manifests as files: the sample project, the schemas for editors, and whatever an editor leaves behind.

mod damaged;
mod schemas;

use std::path::Path;

use datamart::manifest::{self, Desired, LoadOptions, ManifestError, Problem, schema};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datamarts");

fn load(dir: &Path) -> Result<Desired, ManifestError> {
    manifest::load(&LoadOptions { dir: dir.to_owned(), ..LoadOptions::default() })
}

/// What there is to tell about a folder, and whether it can be used.
fn told(dir: &Path) -> (bool, Vec<Problem>) {
    match load(dir) {
        Ok(desired) => (true, desired.warnings),
        Err(ManifestError::Invalid { problems }) => (false, problems),
        Err(error) => panic!("{error:?}"),
    }
}

fn files_of(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .filter(|name| name.ends_with(".toml"))
        .map(|name| (name.clone(), std::fs::read_to_string(dir.join(&name)).expect("a file")))
        .collect();
    files.sort();
    files
}

#[test]
fn the_sample_says_what_it_should() {
    let desired = match load(Path::new(SAMPLE)) {
        Ok(desired) => desired,
        Err(ManifestError::Invalid { problems }) => panic!("{}", manifest::render(&problems, false)),
        Err(error) => panic!("{error:?}"),
    };
    assert!(desired.warnings.is_empty(), "{}", manifest::render(&desired.warnings, false));
    let project = &desired.project;
    assert_eq!((project.name.as_str(), project.schema.as_str()), ("shop", "public"));
    let seed = project.embedded.as_ref().and_then(|e| e.seed.clone()).expect("a seed");
    assert!(seed.is_file());
    let lines: Vec<String> = desired
        .marts
        .iter()
        .map(|m| {
            let reads: Vec<&str> = m.reads.iter().map(|relation| relation.name.as_str()).collect();
            let upstream: Vec<&str> = m.upstream.iter().map(|name| name.name.as_str()).collect();
            let when = m.mart.refresh.schedule.join(", ");
            format!("{} {} [{when}] reads {reads:?} after {upstream:?}", m.mart.name, m.mart.kind.as_str())
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    public.customer_insights table [30 2 * * *] reads ["customers", "orders"] after []
    public.dashboard_customer_segments materialized_view [0 * * * *] reads ["orders"] after []
    public.dashboard_revenue_metrics materialized_view [0 * * * *] reads ["orders"] after []
    public.dashboard_revenue_trend view [] reads ["dashboard_revenue_metrics"] after ["dashboard_revenue_metrics"]
    public.dashboard_top_customers view [] reads ["customer_insights"] after ["customer_insights"]
    public.metrics_hourly materialized_view [0 * * * *] reads ["events"] after []
    public.metrics_daily materialized_view [0 1 * * *] reads ["metrics_hourly"] after ["metrics_hourly"]
    public.metrics_monthly materialized_view [0 2 1 * *] reads ["metrics_daily"] after ["metrics_daily"]
    public.sales_summary materialized_view [0 */4 * * *] reads ["orders"] after []
    "#);
}

#[test]
fn the_sample_s_schemas_are_ours() {
    for (name, ours) in [("mart", schema::mart()), ("project", schema::project())] {
        let file = Path::new(SAMPLE).join(format!(".schema/{name}.json"));
        let written = std::fs::read_to_string(&file).expect("a schema");
        let written: serde_json::Value = serde_json::from_str(&written).expect("JSON");
        assert!(written == ours, "{} is old: `datamart schema {name}` prints it anew", file.display());
    }
}

/// Everything a mart may say, in as many marts as that takes.
const MARTS: &[&str] = &[
    r#"
type = "table"
name = "everything"
schema = "marts"
description = "all keys"
query = "SELECT 1 AS day, 2 AS category, 3 AS total"
tags = ["a", "b"]
owner = "mart_owner"
renamed_from = ["anything"]
depends_on = ["plain"]
prevent_destroy = true
primary_key = ["day"]
publish = "merge"
tablespace = "fast"
with = { fillfactor = 90, autovacuum_enabled = true }
session = { work_mem = "256MB", jit = false, random_page_cost = 1.5 }
columns = { total = { description = "net", not_null = true } }

[refresh]
strategy = "scheduled"
schedule = ["0 */4 * * *", "30m"]
timezone = "America/Bogota"
misfire = "run"
start_deadline = "1h"
after = true
concurrent = true
fresh = false
timeout = "1h"
warn_duration = "60s"
priority = 7
suspend = true

[[indexes]]
columns = ["category", "(total + 1)", { column = "day", order = "desc", nulls = "last", opclass = "int4_ops", collation = "C" }]
name = "everything_idx"
unique = true
method = "btree"
include = ["total"]
where = "total > 0"
with = { fillfactor = 80 }
tablespace = "fast"
nulls_distinct = false

[[grants]]
role = "bi_reader"
privileges = ["SELECT"]
columns = ["day"]
grant_option = true

[freshness]
column = "day"
warn_after = "5m"
error_after = "10m"

[versions]
keep = 3
on = "change"
pin = 1

[retention]
column = "day"
keep = "90 days"

[[checks]]
name = "totals"
severity = "warn"
sql = "SELECT * FROM {this} WHERE total < 0"
[[checks]]
not_null = ["day"]
[[checks]]
unique = ["day", "category"]
[[checks]]
accepted = { column = "category", values = [2, "3", 4.5, true] }
[[checks]]
rows = { min = 1, max = 10 }
[[checks]]
fresh = { column = "day", within = "2 days" }

[metadata]
owner_team = "bi"
nested = { list = [1, "two", { three = 3.5 }] }
"#,
    "type = \"view\"\nname = \"plain\"\nquery_file = \"plain.sql\"\n",
    "type = \"table\"\nquery = \"SELECT 1 AS a\"\n[refresh]\nstrategy = \"full\"\ntarget_lag = \"15m\"\n",
    r#"
type = "table"
query = "SELECT 1 AS day"
[refresh]
strategy = "smart"
full_after = "1 day"
[refresh.incremental]
method = "window"
time_column = "day"
lookback = "2 days"
full_schedule = "0 2 * * *"
"#,
    r#"
type = "table"
query = "SELECT 1 AS a"
[refresh]
strategy = "triggered"
debounce = "1s"
max_wait = "30s"
channel = "loaded"
incremental = { method = "upsert", unique_key = ["a"] }
"#,
    r#"
type = "partitioned_table"
query = "SELECT 1 AS day"
[partition]
by = "range"
column = "day"
interval = "1 month"
default = true
start = "2025-01-01"
premake = 3
retain = "12 months"
on_expire = "detach"
[refresh.incremental]
method = "partition"
time_column = "day"
lookback = "2 days"
frozen_before = "90 days"
"#,
    r#"
type = "partitioned_table"
query = "SELECT 1 AS day"
[partition]
by = "list"
column = "day"
values = { one = [1, 2], other = ["3"] }
"#,
    r#"
type = "partitioned_table"
query = "SELECT 1 AS day"
[partition]
by = "hash"
column = "day"
modulus = 8
"#,
];

/// Everything a project may say, but for what goes with nothing else.
const PROJECT: &str = r#"
[project]
name = "shop"
schema = "public"
owner = "mart_owner"
timezone = "UTC"
registry_schema = "datamart"
[database]
url = "postgres://db/shop"
direct_url = "postgres://direct/shop"
connections = 4
lock_timeout = "3s"
publish_lock_timeout = "100ms"
statement_timeout = "0"
[embedded]
seed = "plain.sql"
[defaults.refresh]
schedule = "1d"
timeout = "1h"
strategy = "scheduled"
timezone = "UTC"
misfire = "run"
start_deadline = "1h"
after = false
concurrent = false
fresh = false
warn_duration = "1m"
priority = 0
suspend = false
[limits]
max_size = "100GB"
maintenance_work_mem = "2GB"
max_parallel_workers = 4
parallel_refreshes = 2
pause_when = { xmin_age = 500000000, replica_lag = "5m", active_backends = 80 }
[capture]
logged = true
max_log = "2GB"
[maintenance_window]
start = "02:00"
end = "05:00"
timezone = "UTC"
allow_blocking = true
[http]
read_role = "api_reader"
[[notifications]]
url = "https://host/hook"
on = ["drift", "slow"]
[indexes]
auto = false
[policy]
prune = "confirm"
allow_hazards = ["BLOCKS_WRITES"]
on_drift = "warn"
ignore_drift = ["indexes:adhoc_*"]
drift_interval = "5m"
[naming]
pattern = "^[a-z0-9_]+$"
severity = "warn"
"#;
const LAGGING: &str = r#"
[defaults.refresh]
target_lag = "1h"
debounce = "1s"
max_wait = "30s"
channel = "loaded"
full_after = "1 day"
[defaults.refresh.incremental]
method = "upsert"
time_column = "day"
lookback = "2 days"
unique_key = ["a"]
full_schedule = "0 2 * * *"
frozen_before = "90 days"
[defaults.versions]
keep = 2
"#;

const SQL: (&str, &str) = ("plain.sql", "SELECT 1 AS a");
