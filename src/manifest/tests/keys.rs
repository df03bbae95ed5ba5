//! Unknown keys, wrong types, what is not supported yet.

use super::{Folder, mart, table, told, view};
use crate::manifest::schema;
use crate::state::{Kind, Misfire, Publish, QName, Strategy, VersionOn, Versions};

#[test]
fn unknown_keys() {
    assert_eq!(
        told(&view("descr = 'x'\ntags = []\n")),
        ["m.toml:3:1 unknown key `descr` «descr» (did you mean `description`?)"]
    );
    assert_eq!(
        told(&view("tag = ['x']\nfrequency = 1\nschedule = '1h'\n[metadata]\nanything = 1\n")),
        [
            "m.toml:3:1 unknown key `tag` «tag» (did you mean `tags`?)",
            "m.toml:4:1 unknown key `frequency` «frequency» (known here: type, name, schema, description, query, \
             query_file, tags, owner, renamed_from, depends_on, prevent_destroy, primary_key, publish, tablespace, \
             with, session, columns, refresh, indexes, grants, freshness, \
             retention, checks, partition, versions, metadata)",
            "m.toml:5:1 unknown key `schedule` «schedule» (`schedule` belongs to [refresh])",
        ]
    );
    assert_eq!(
        told(&table(
            "[refresh]\ntags = []\ntimeuot = '1h'\n[[indexes]]\ncolumns = [{ column = 'a', ordre = 'asc' }]\n"
        )),
        [
            "m.toml:4:1 unknown key `refresh.tags` «tags» (`tags` belongs to the top of the file, before the first [section])",
            "m.toml:5:1 unknown key `refresh.timeuot` «timeuot» (did you mean `timeout`?)",
            "m.toml:7:28 unknown key `indexes[0].columns.ordre` «ordre» (did you mean `order`?)",
        ]
    );
}

#[test]
fn wrong_types() {
    assert_eq!(
        told(&table(
            "tags = 'x'\nprevent_destroy = 'yes'\nwith = 1\ndescription = ['a', 1]\nprimary_key = ['a', 1]\npublish = 'swop'\n\
             [refresh]\ntimeout = 60\nwarn_duration = 'soon'\nsuspend = 1\npriority = 9999999\nmisfire = true\n\
             [session]\na.b = 1\n"
        )),
        [
            "m.toml:3:8 `tags` takes a list, not a string «'x'» (write for example `tags = [\"dashboard\"]`)",
            "m.toml:4:19 `prevent_destroy` takes true or false, not a string «'yes'» (write for example `prevent_destroy = true`)",
            "m.toml:5:8 `with` takes a table, not an integer «1» (write for example `with = { fillfactor = 90 }`)",
            "m.toml:6:1 `description` takes a string, not a list «description» (write for example `description = \"Sales by day\"`)",
            "m.toml:7:21 `primary_key` takes a string, not an integer «1» (write for example `primary_key = [\"day\", \"category\"]`)",
            "m.toml:8:11 `publish` cannot be \"swop\" «'swop'» (did you mean \"swap\"?)",
            "m.toml:10:11 `refresh.timeout` takes a duration with its unit, not an integer «60» (write `timeout = \"60s\"` for seconds)",
            "m.toml:11:17 \"soon\" is not a duration «'soon'» (write for example `warn_duration = \"60s\"`)",
            "m.toml:12:11 `refresh.suspend` takes true or false, not an integer «1» (write for example `suspend = false`)",
            "m.toml:13:12 `refresh.priority` is between -1000000 and 1000000 «9999999» (write for example `priority = 0`)",
            "m.toml:14:11 `refresh.misfire` takes \"run\" or \"skip\", not a boolean «true» (write for example `misfire = \"run\"`)",
            "m.toml:16:1 `session.a` takes a string, a number or a boolean, not a table «a» (write for example `session = { work_mem = \"256MB\" }`)",
        ]
    );
}

#[test]
fn missing_keys() {
    assert_eq!(
        told("query = 'SELECT 1'\n[[indexes]]\nunique = true\n[[grants]]\nprivileges = ['SELECT']\n"),
        [
            "m.toml:1:1 `type` is missing «» (add `type = \"materialized_view\"`)",
            "m.toml:2:1 `indexes[0].columns` is missing «[[indexes]]» (add `columns = [\"day\", \"(lower(email))\"]`)",
            "m.toml:4:1 `grants[0].role` is missing «[[grants]]» (add `role = \"bi_reader\"`)",
        ]
    );
}

#[test]
fn not_supported_yet() {
    let told = told(&table("[timescale]\n"));
    let lines: Vec<&str> = told.iter().map(|t| t.trim_start_matches("m.toml:").split(" «").next().unwrap()).collect();
    assert_eq!(lines, ["3:2 `timescale` is not supported yet"]);
    for kind in ["temporary", "continuous_aggregate"] {
        assert_eq!(
            super::told(&format!("type = '{kind}'\nquery = 'SELECT 1'")),
            [format!(
                "m.toml:1:8 `type = \"{kind}\"` is not supported yet «'{kind}'» (write \"view\", \"materialized_view\", \"table\" or \"partitioned_table\")"
            )]
        );
    }
}

#[test]
fn broken_toml_is_told_with_the_rest() {
    let told = told("type = \"view\nquery = 'SELECT 1'\ntgas = []\n");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("m.toml:1:"), "{told:#?}");
    assert_eq!(told[1], "m.toml:3:1 unknown key `tgas` «tgas» (did you mean `tags`?)");
}

#[test]
fn the_big_example() {
    let text = r#"
type = "table"
name = "sales_summary"
schema = "reporting"
description = "90-day sales by product category"
query = """
SELECT date_trunc('day', order_date) AS date, product_category, sum(amount) AS total_amount
FROM orders GROUP BY 1, 2;
"""
tags = ["dashboard", "a", "dashboard"]
owner = "mart_owner"
renamed_from = ["old", "other.older"]
depends_on = ["customers"]
prevent_destroy = true
primary_key = ["date", "product_category"]
publish = "merge"
tablespace = "fast"
with = { fillfactor = 90, "toast.autovacuum_enabled" = false }
session = { work_mem = "256MB", jit = false, seq_page_cost = 1.5 }
columns = { total_amount = { description = "net of returns", not_null = true } }

[refresh]
strategy = "scheduled"
schedule = ["0 */4 * * *", "1d"]
timezone = "America/Bogota"
misfire = "run"
start_deadline = "1h"
after = true
concurrent = true
fresh = false
timeout = "1h"
warn_duration = "60s"
priority = 5
suspend = true

[[indexes]]
columns = ["product_category", "(lower(product_category))", { column = "date", order = "desc", nulls = "last", opclass = "date_ops", collation = "C" }]
unique = true
name = "by_category"
method = "btree"
include = ["total_amount"]
where = "total_amount > 0"
with = { fillfactor = 90 }
tablespace = "fast"
nulls_distinct = false

[[grants]]
role = "bi_reader"
privileges = ["select", "INSERT"]
columns = ["date"]
grant_option = true

[versions]
keep = 5
on = "refresh"
pin = 2

[freshness]
column = "date"
warn_after = "5m"
error_after = "10m"

[retention]
column = "date"
keep = "90 days"

[[checks]]
name = "no_negative_revenue"
severity = "warn"
sql = "SELECT * FROM {this} WHERE total_amount < 0"
[[checks]]
not_null = ["date"]
[[checks]]
accepted = { column = "product_category", values = ["toys"] }
[[checks]]
rows = { min = 1, max = 1000000 }
[[checks]]
fresh = { column = "date", within = "2 days" }

[metadata]
owner_team = "bi"
since = 2024-01-01
nested = { list = [1, 2.5, true] }
"#;
    let desired = mart(text);
    let mart = &desired.mart;
    assert_eq!(mart.name, QName::new("reporting", "sales_summary"));
    assert_eq!(mart.kind, Kind::Table);
    assert!(mart.query.starts_with("SELECT date_trunc") && mart.query.ends_with("GROUP BY 1, 2"));
    assert_eq!(mart.tags, ["a", "dashboard"]);
    assert_eq!(mart.renamed_from, [QName::new("reporting", "old"), QName::new("other", "older")]);
    assert_eq!(mart.publish, Publish::Merge);
    assert_eq!(mart.with["toast.autovacuum_enabled"], "false");
    assert_eq!(mart.session["seq_page_cost"], "1.5");
    assert_eq!(mart.search_path, ["reporting", "public"]);
    assert!(mart.columns["total_amount"].not_null);
    let refresh = &mart.refresh;
    assert_eq!(refresh.strategy, Strategy::Scheduled);
    assert_eq!(refresh.schedule, ["0 */4 * * *", "1d"]);
    assert_eq!(refresh.misfire, Misfire::Run);
    assert_eq!((refresh.timeout, refresh.warn_duration), (Some(3_600), Some(60)));
    assert_eq!((refresh.concurrent, refresh.after, refresh.suspend), (Some(true), true, true));
    assert_eq!(mart.timezone, "America/Bogota");
    let index = &mart.indexes[0];
    assert_eq!((index.name.as_str(), index.method.as_str(), index.keys.len()), ("by_category", "btree", 3));
    assert!(index.unique && index.nulls_not_distinct && index.keys[1].expression && index.keys[2].descending);
    assert_eq!(index.keys[2].nulls_first, Some(false));
    let grant = &mart.grants.as_ref().unwrap()[0];
    assert_eq!(grant.privileges, ["INSERT", "SELECT"]);
    let checks: Vec<&str> = mart.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(checks, ["no_negative_revenue", "not_null_date", "accepted_product_category", "rows", "fresh_date"]);
    assert_eq!(mart.versions, Some(Versions { keep: 5, on: VersionOn::Refresh, pin: Some(2) }));
    assert_eq!(mart.metadata["since"], "2024-01-01");
    assert_eq!(mart.metadata["nested"]["list"][1], 2.5);
    assert!(desired.origins.is_empty());

    // Every key of the schema stands in the example, but those that exclude others: see also `incremental.rs`.
    let mut keys = Vec::new();
    names(&schema::mart(), &mut keys);
    keys.retain(|key| !text.contains(key.as_str()));
    keys.sort();
    let apart = "channel debounce default frozen_before full_after full_schedule incremental interval lookback max_wait modulus \
                 on_expire partition premake query_file retain target_lag time_column unique_key";
    assert_eq!(keys.join(" "), apart);
}

/// All names of properties in a schema.
fn names(schema: &serde_json::Value, out: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                out.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| names(value, out));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, out)),
        _ => {}
    }
}

#[test]
fn schemas_tell_what_is_supported() {
    let mart = schema::mart();
    assert_eq!(mart["additionalProperties"], false);
    assert_eq!(mart["required"], serde_json::json!(["type"]));
    assert_eq!(
        mart["properties"]["type"]["enum"],
        serde_json::json!(["view", "materialized_view", "table", "partitioned_table"])
    );
    assert!(mart["properties"]["type"]["description"].is_string());
    assert!(mart["properties"].get("timescale").is_none());
    assert_eq!(mart["properties"]["refresh"]["properties"]["fresh"]["type"], "boolean");
    assert_eq!(mart["properties"]["indexes"]["items"]["properties"]["columns"]["items"]["anyOf"][0]["type"], "string");
    let project = schema::project();
    assert_eq!(
        project["properties"]["policy"]["properties"]["prune"]["enum"],
        serde_json::json!([true, false, "confirm"])
    );
    assert!(project["properties"].get("capture").is_some());
}

#[test]
fn several_files_in_one_run() {
    let folder = Folder::new(&[
        ("project.toml", "[project]\nschmea = 'x'\n"),
        ("a.toml", "type = 'view'\n"),
        ("sub/b.toml", "type = 'viw'\nquery = 'SELEC 1'\n"),
        ("sub/c.toml", "type = 'view'\nquery_file = 'c.sql'\n"),
        ("sub/c.sql", "SELECT *\nFROM\n"),
        ("d.toml", "type = 'view'\nquery = 'SELECT 1'\n[refresh]\nschedule = 'often'\n"),
    ]);
    assert_eq!(
        folder.told(),
        [
            "a.toml:1:1 `query` is missing «type» (add `query = \"\"\"…\"\"\"`, or `query_file = \"….sql\"`)",
            "d.toml:3:2 a view cannot have `refresh` «refresh» (a view is always up to date; remove it, or use another type)",
            "d.toml:4:12 \"often\" is neither an interval nor a cron expression «'often'» (write a cron expression such as \"0 */4 * * *\", or an interval such as \"30m\")",
            "project.toml:2:1 unknown key `project.schmea` «schmea» (did you mean `schema`?)",
            "sub/b.toml:1:8 `type` cannot be \"viw\" «'viw'» (did you mean \"view\"?)",
            "sub/b.toml:2:10 syntax error: expected command, found a name «SELEC»",
            "sub/c.sql:2:1 syntax error: expected from item, got the end of the query «FROM»",
        ]
    );
}
