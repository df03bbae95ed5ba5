//! The sample project of `datamarts/`, as a user meets it: on the embedded server.

use std::path::Path;

use crate::cli::rig::{bare, finish, folder};

#[test]
fn the_sample_is_applied_looked_at_and_refreshed() {
    let dir = folder(&[]);
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("datamarts"), &dir.path().join("datamarts"));
    let run = |args: &[&str]| finish(bare(dir.path(), args), dir.path());
    let applied = run(&["apply", "--auto-approve"]).done();
    let table: Vec<&str> = applied.stdout.lines().skip_while(|line| !line.starts_with("mart ")).skip(1).collect();
    assert_eq!(table.len(), 9, "{applied}");
    let rows = |name: &str| -> i64 {
        let line =
            table.iter().find(|line| line.starts_with(&format!("public.{name} "))).unwrap_or_else(|| panic!("{name}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        words[3].trim_start_matches('~').replace(',', "").parse().unwrap_or(-1)
    };
    for (name, least) in [
        ("sales_summary", 500),
        ("customer_insights", 10_000),
        ("dashboard_revenue_metrics", 5_000),
        ("dashboard_customer_segments", 5_000),
        ("metrics_hourly", 10_000),
        ("metrics_daily", 1_000),
        ("metrics_monthly", 100),
    ] {
        assert!(rows(name) >= least, "{name} has {} rows", rows(name));
    }
    assert_eq!(rows("dashboard_revenue_trend"), -1, "a view has no rows of its own");
    insta::assert_snapshot!(run(&["plan", "--detailed-exitcode", "-q"]), @"
    exit 0
    --- stdout
    No changes. 9 marts are up to date.
    ");
    let runs = run(&["refresh", "--all", "-q", "--format", "json"]).done().json();
    let told: String = runs["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|r| format!("{} {} {}\n", r["mart"], r["status"], r["method"]))
        .collect();
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    "public.customer_insights" "success" "merge"
    "public.dashboard_customer_segments" "success" "concurrently"
    "public.dashboard_revenue_metrics" "success" "concurrently"
    "public.metrics_daily" "success" "concurrently"
    "public.metrics_hourly" "success" "concurrently"
    "public.metrics_monthly" "success" "concurrently"
    "public.sales_summary" "success" "concurrently"
    "#);
    insta::assert_snapshot!(run(&["drift", "-q"]), @"
    exit 0
    --- stdout
    No drift.
    ");
    // An average above a level is right: from sums, not from averages.
    let wrong = "SELECT count(*) FROM metrics_daily AS d JOIN (SELECT date_trunc('day', event_timestamp) AS day, product_id, region, \
                 round(avg(session_duration), 1) AS exact FROM events GROUP BY 1, 2, 3) AS e USING (day, product_id, region) \
                 WHERE d.avg_session_duration <> e.exact AND day > current_date - 29";
    insta::assert_snapshot!(run(&["psql", "-Atqc", wrong]).done().stdout, @"0");
    let stats = run(&["stats", "sales_summary", "-q", "--format", "json"]).done().json();
    assert_eq!(stats["freshness"], "fresh", "{stats}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
