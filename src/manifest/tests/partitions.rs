//! `[partition]`: what is read of it, and what is refused.

use super::{mart, told};
use crate::state::{OnExpire, PartitionBy};

fn divided(partition: &str, more: &str) -> String {
    format!("type = 'partitioned_table'\nquery = 'SELECT 1 AS day, 2 AS n'\n{more}\n[partition]\n{partition}\n")
}

#[test]
fn ranges() {
    let text = "by = 'range'\ncolumn = 'day'\ninterval = '3 months'\ndefault = true\nstart = '2025-01-01 06:00'\npremake = 4\nretain = '2 years'\non_expire = 'detach'";
    let partition = mart(&divided(text, "")).mart.partition.expect("a partition");
    assert_eq!(partition.key(), "RANGE (day)");
    assert!(partition.default);
    let ranges = partition.ranges().expect("ranges").clone();
    assert_eq!(
        (ranges.interval.to_string(), ranges.premake, ranges.on_expire),
        ("3 months".into(), 4, OnExpire::Detach)
    );
    assert_eq!(ranges.start.map(|start| start.to_string()).as_deref(), Some("2025-01-01 06:00:00"));
    assert_eq!(ranges.retain.map(|retain| retain.to_string()).as_deref(), Some("2 years"));
}

#[test]
fn an_unknown_way_of_dividing_is_told_once() {
    let text = "by = 'rang'\ncolumn = 'day'\ninterval = '1 month'\nretain = '2 years'\npremake = 2";
    let told = told(&divided(text, ""));
    assert!(told.len() == 1 && told[0].contains("did you mean \"range\"?"), "{told:?}");
}

#[test]
fn lists_and_hashes() {
    let list =
        mart(&divided("by = 'list'\ncolumn = 'n'\nvalues = { one = [1, true], two = ['x'] }", "")).mart.partition;
    let PartitionBy::List { values } = list.expect("a partition").by else { panic!("no list") };
    assert_eq!(values["one"], ["1", "true"]);
    let hash = mart(&divided("by = 'hash'\ncolumn = 'n'\nmodulus = 8", "")).mart.partition.expect("a partition");
    assert_eq!(hash.by, PartitionBy::Hash { modulus: 8 });
}

#[test]
fn what_is_said_is_kept_in_the_registry() {
    for text in [
        "by = 'range'\ncolumn = 'day'\ninterval = '1 month'\nstart = '2025-01-01'\nretain = '1 year'",
        "by = 'list'\ncolumn = 'n'\nvalues = { one = [1] }\ndefault = true",
        "by = 'hash'\ncolumn = 'n'\nmodulus = 2",
    ] {
        let mart = mart(&divided(text, "")).mart;
        let json = serde_json::to_string(&mart).expect("JSON");
        assert_eq!(serde_json::from_str::<crate::state::Mart>(&json).expect("a mart"), mart, "{json}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let range = "by = 'range'\ncolumn = 'day'\ninterval = '1 month'";
    for (text, wanted) in [
        (divided("by = 'range'\ncolumn = 'day'", ""), "`by = \"range\"` needs `interval`"),
        (divided("by = 'range'\ncolumn = 'day'\ninterval = '5 hours'", ""), "partitions of 5 hours are not possible"),
        (divided("by = 'range'\ncolumn = 'day'\ninterval = 'monthly'", ""), "\"monthly\" is not a number of hours"),
        (divided(&format!("{range}\nmodulus = 2"), ""), "`modulus` is about `by = \"hash\"`"),
        (divided(&format!("{range}\nstart = 'soon'"), ""), "\"soon\" is neither a date nor a time"),
        (divided(&format!("{range}\non_expire = 'drop'"), ""), "older than `retain`"),
        (divided("by = 'hash'\ncolumn = 'n'\nmodulus = 2\ndefault = true", ""), "none is left for `default`"),
        (
            divided("by = 'list'\ncolumn = 'n'\nvalues = { default = [1] }\ndefault = true", ""),
            "makes a partition of that name",
        ),
        (
            divided("by = 'list'\ncolumn = 'n'\nvalues = { a = [1], b = [1] }", ""),
            "\"1\" is taken by the partition \"a\"",
        ),
        (divided("by = 'list'\ncolumn = 'n'", ""), "`by = \"list\"` needs `values`"),
        (divided(range, "primary_key = ['n']"), "the primary key of a partitioned table holds day"),
        (
            divided(range, "indexes = [{ columns = ['n'], unique = true }]"),
            "a unique index of a partitioned table holds day",
        ),
        (divided(range, "publish = 'swap'"), "a partitioned table cannot have `publish`"),
        (divided(range, "refresh = { fresh = true }"), "a partitioned table is refreshed"),
        (divided(range, "versions = { on = 'refresh' }"), "each refresh would copy every partition"),
        (
            divided(
                "by = 'list'\ncolumn = 'n'\nvalues = { a = [1] }",
                "refresh = { incremental = { method = 'upsert', unique_key = ['n'], time_column = 'n', frozen_before = '9d' } }",
            ),
            "history is kept by partitions of time",
        ),
        (
            divided(range, "refresh = { incremental = { method = 'partition', time_column = 'n', lookback = '1d' } }"),
            "partitions are told by day",
        ),
        (
            divided(
                "by = 'hash'\ncolumn = 'n'\nmodulus = 2",
                "refresh = { incremental = { method = 'partition', lookback = '1d' } }",
            ),
            "`lookback` is about partitions by range",
        ),
        ("type = 'partitioned_table'\nquery = 'SELECT 1 AS a'\n".to_owned(), "a partitioned table needs `[partition]`"),
        (
            "type = 'table'\nquery = 'SELECT 1 AS a'\n[partition]\nby = 'hash'\ncolumn = 'a'\nmodulus = 2\n".to_owned(),
            "only a partitioned table has",
        ),
        (
            "type = 'table'\nquery = 'SELECT 1 AS a'\n[refresh.incremental]\nmethod = 'partition'\nlookback = '1d'\n"
                .to_owned(),
            "`method = \"partition\"` needs partitions",
        ),
    ] {
        let problems = told(&text);
        assert!(problems.iter().any(|problem| problem.contains(wanted)), "{text}\n{problems:#?}");
    }
}
