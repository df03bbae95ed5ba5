//! Metrics: what monitoring reads.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use datamart::observe::{Gauges, metrics, own_metrics};
use datamart::state::{Mart, Strategy};

use crate::cli::rig::Rig;
use crate::support::database::run;
use crate::support::project::load;

const MARTS: &[(&str, &str)] = &[
    ("project.toml", "[project]\nname = \"shop\"\n"),
    (
        "kept.toml",
        "type = \"materialized_view\"\nquery = \"SELECT id, amount FROM source\"\n[refresh]\nstrategy = \"scheduled\"\ntarget_lag = \"15m\"\n",
    ),
    (
        "odd.toml",
        "name = 'O\"d\\d'\ntype = \"table\"\nquery = \"SELECT id, 1 / amount AS part, now() AS at FROM source\"\n[freshness]\ncolumn = \"at\"\n",
    ),
    ("seen.toml", "type = \"view\"\nquery = \"SELECT 1 AS one FROM kept\"\n"),
];

fn gauges() -> Gauges {
    Gauges { up: true, leader: true, queue_depth: 3, running: 1, schedule_lag: 0.25, paused: false }
}

/// Every sample by its name and labels; panics where the text is no OpenMetrics.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let (mut families, mut family) = (Vec::new(), (String::new(), String::new()));
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    for line in text.lines() {
        if line == "# EOF" {
            break;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert!(!families.contains(&name), "{name} twice");
            families.push(name);
            family = (name.to_owned(), kind.to_owned());
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').expect("a unit");
            assert!(name == family.0 && name.ends_with(&format!("_{unit}")), "{line}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.starts_with(&format!("{} ", family.0)) && rest.ends_with('.'), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a value");
            let name = key.split('{').next().expect("a name");
            let ending =
                name.strip_prefix(family.0.as_str()).unwrap_or_else(|| panic!("{line} is not of {}", family.0));
            let endings: &[&str] = match family.1.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_count", "_sum"],
                "info" => &["_info"],
                _ => &[""],
            };
            assert!(endings.contains(&ending), "{line}");
            assert!(found.insert(key.to_owned(), value.parse().expect("a number")).is_none(), "{key} twice");
        }
    }
    found
}

fn told(rig: &Rig, now: DateTime<Utc>) -> BTreeMap<String, f64> {
    let text = run(async {
        let desired = load(&rig.folder.path().join("datamarts"));
        let declared: Vec<&Mart> = desired.marts.iter().map(|mart| &mart.mart).collect();
        let mut conn = rig.database.session().await;
        metrics(&mut conn, "datamart", "shop", &declared, &gauges(), now).await.expect("metrics")
    });
    samples(&text)
}

#[test]
fn everything_is_told_of_every_mart() {
    let rig = Rig::of(MARTS);
    rig.sql("CREATE TABLE source (id int, amount int); INSERT INTO source VALUES (1, 1), (2, 2)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let of =
        |samples: &BTreeMap<String, f64>, name: &str, labels: &str| samples.get(&format!("{name}{labels}")).copied();
    let kept = "{datamart=\"public.kept\"}";
    let odd = "{datamart=\"public.\\\"O\\\"\\\"d\\\\d\\\"\"}";
    // Applied, never refreshed: an apply's rows have an age, too.
    let first = told(&rig, Utc::now());
    assert_eq!(of(&first, "datamart_rows_total", kept), Some(2.0));
    assert_eq!(of(&first, "datamart_run_age_seconds", kept), None);
    assert!(of(&first, "datamart_age_seconds", kept).is_some_and(|age| age < 60.0));
    assert!(of(&first, "datamart_size_bytes", odd).is_some_and(|bytes| bytes > 0.0), "{first:#?}");

    rig.run(&["refresh", "--all", "-q"]).done();
    rig.sql("INSERT INTO source VALUES (3, 0)");
    rig.run(&["refresh", "--all", "-q"]).ended(1);
    rig.sql(
        "INSERT INTO datamart.reconciles (project, status, attempted_at, applied_at, drift)
         VALUES ('shop', 'pending', to_timestamp(1700000000), to_timestamp(1600000000.5), '[{}, {}]');
         INSERT INTO datamart.leaders (project, epoch, host, process, backend) VALUES ('shop', 7, 'here', 1, 1);
         INSERT INTO datamart.refreshes (project, schema, mart, status) VALUES ('shop', 'public', 'kept', 'queued')",
    );
    let later = told(&rig, Utc::now() + TimeDelta::minutes(20));
    let with = |labels: &str, more: &str| labels.replace('}', &format!(",{more}}}"));
    for (name, labels, expected) in [
        ("datamart_refreshes_total", with(kept, "status=\"success\""), 2.0),
        ("datamart_refreshes_total", with(odd, "status=\"success\""), 1.0),
        ("datamart_refreshes_total", with(odd, "status=\"failed\""), 1.0),
        ("datamart_refresh_duration_seconds_count", odd.to_owned(), 2.0),
        ("datamart_refresh_duration_seconds_bucket", with(odd, "le=\"+Inf\""), 2.0),
        ("datamart_refresh_duration_seconds_bucket", with(odd, "le=\"60.0\""), 2.0),
        ("datamart_rows_total", kept.to_owned(), 3.0),
        ("datamart_rows_total", odd.to_owned(), 2.0),
        ("datamart_target_lag_seconds", kept.to_owned(), 900.0),
        ("datamart_freshness", kept.to_owned(), 1.0),
        ("datamart_freshness", odd.to_owned(), 0.0),
        ("datamart_reconcile_result", "{result=\"pending\"}".to_owned(), 1.0),
        ("datamart_reconcile_result", "{result=\"applied\"}".to_owned(), 0.0),
        ("datamart_reconcile_attempted_timestamp_seconds", String::new(), 1_700_000_000.0),
        ("datamart_reconcile_applied_timestamp_seconds", String::new(), 1_600_000_000.5),
        ("datamart_drifted", String::new(), 2.0),
        ("datamart_leader_epoch", String::new(), 7.0),
        ("datamart_requests_waiting", String::new(), 1.0),
        ("datamart_queue_depth", String::new(), 3.0),
        ("datamart_schedule_lag_seconds", String::new(), 0.25),
        ("datamart_up", String::new(), 1.0),
    ] {
        assert_eq!(of(&later, name, &labels), Some(expected), "{name}{labels}");
    }
    let lag = of(&later, "datamart_lag_seconds", kept).expect("a lag");
    assert!((1200.0..1260.0).contains(&lag), "{lag}");
    assert_eq!(of(&later, "datamart_lag_seconds", odd), None);
    let bytes = rig.value("SELECT pg_total_relation_size('kept')").parse().ok();
    assert_eq!(of(&later, "datamart_size_bytes", kept), bytes);
    assert!(!later.keys().any(|key| key.contains("seen")), "a view has no rows to tell of");
}

/// Whoever commits brings it up to date: it is not as old as its last refresh.
#[test]
fn what_writers_keep_has_no_age() {
    let rig = Rig::of(MARTS);
    rig.sql("CREATE TABLE source (id int, amount int); INSERT INTO source VALUES (1, 1), (2, 2)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let mut desired = load(&rig.folder.path().join("datamarts"));
    let mut ages = || {
        let declared: Vec<&Mart> = desired.marts.iter().map(|mart| &mart.mart).collect();
        let later = Utc::now() + TimeDelta::days(3);
        let text = run(async {
            let mut conn = rig.database.session().await;
            metrics(&mut conn, "datamart", "shop", &declared, &gauges(), later).await.expect("metrics")
        });
        let told = samples(&text);
        let kept = |name: &str| told[&format!("{name}{{datamart=\"public.kept\"}}")];
        let found = (kept("datamart_age_seconds") > 0.0, kept("datamart_freshness"));
        desired.marts.iter_mut().for_each(|mart| mart.mart.refresh.strategy = Strategy::OnCommit);
        found
    };
    assert_eq!((ages(), ages()), ((true, 2.0), (false, 0.0)));
}

#[test]
fn a_daemon_without_a_database_tells_of_itself() {
    let own = samples(&own_metrics(&Gauges { up: false, ..gauges() }));
    assert_eq!((own["datamart_up"], own["datamart_leader"], own["datamart_running"]), (0.0, 1.0, 1.0));
    assert_eq!(own[&format!("datamart_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))], 1.0);
}

#[test]
fn a_mart_that_is_being_refreshed_holds_nothing_up() {
    let rig = Rig::of(MARTS);
    rig.sql("CREATE TABLE source (id int, amount int); INSERT INTO source VALUES (1, 1)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let held = rig.hold("REFRESH MATERIALIZED VIEW kept");
    let now = told(&rig, Utc::now());
    assert_eq!(now["datamart_rows_total{datamart=\"public.kept\"}"], 1.0);
    assert_eq!(rig.value("SELECT rows FROM datamart.status WHERE mart = 'kept'"), "1");
    held.release();
}
