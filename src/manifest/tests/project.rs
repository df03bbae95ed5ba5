//! `project.toml`, `--config` and the environment.

use std::collections::BTreeMap;

use chrono::NaiveTime;

use super::Folder;
use crate::manifest::{MaintenanceWindow, OnDrift, PauseWhen, Prune};

#[test]
fn everything_said() {
    let folder = Folder::new(&[
        (
            "project.toml",
            r#"
[project]
name = "shop"
schema = "marts"
owner = "mart_owner"
timezone = "America/Bogota"
registry_schema = "registry"
[database]
url = "postgres://u:${PW}@h/d"
direct_url = "${DIRECT}"
connections = 8
lock_timeout = "5s"
publish_lock_timeout = "250ms"
statement_timeout = "0"
[embedded]
seed = "seed.sql"
[limits]
maintenance_work_mem = "2 GB"
max_parallel_workers = 4
parallel_refreshes = 3
pause_when = { xmin_age = 500000000, replica_lag = "5m", active_backends = 80 }
[maintenance_window]
start = "22:30"
end = "24:00"
timezone = "UTC"
allow_blocking = false
[http]
read_role = "api_reader"
[[notifications]]
url = "https://h/${PW}"
on = ["drift", "stale"]
[[notifications]]
url = "http://localhost:8080/hook"
[indexes]
auto = false
[policy]
prune = false
allow_hazards = ["BLOCKS_WRITES"]
on_drift = "heal"
ignore_drift = ["indexes:adhoc_*"]
drift_interval = "10m"
[naming]
pattern = "^mv_"
severity = "error"
"#,
        ),
        ("seed.sql", "SELECT 1"),
    ])
    .with("PW", "secret")
    .with("DATAMART_MAX_PARALLEL_WORKERS", "9")
    .with("DATAMART_DEFAULT_SCHEMA", "ignored");
    let desired = folder.desired();
    assert!(desired.marts.is_empty() && desired.warnings.is_empty());
    let project = desired.project;
    assert_eq!((project.name.as_str(), project.schema.as_str()), ("shop", "marts"));
    assert_eq!(project.registry_schema, "registry");
    let database = project.database;
    assert_eq!(database.url.as_deref(), Some("postgres://u:secret@h/d"));
    assert_eq!((database.direct_url, database.unset), (None, vec!["DIRECT".to_owned()]));
    assert_eq!((database.connections, database.lock_timeout_ms, database.publish_lock_timeout_ms), (8, 5_000, 250));
    assert!(project.embedded.unwrap().seed.unwrap().ends_with("seed.sql"));
    assert_eq!(project.limits.maintenance_work_mem.as_deref(), Some("2GB"));
    assert_eq!(project.limits.max_parallel_workers, Some(4));
    assert_eq!((project.policy.prune, project.policy.on_drift), (Prune::Never, OnDrift::Heal));
    assert!(project.naming.unwrap().error);
    assert!(project.origins.is_empty());
    assert_eq!(project.policy.drift_interval, Some(600));
    let pause = PauseWhen { xmin_age: Some(500_000_000), replica_lag: Some(300), active_backends: Some(80) };
    assert_eq!(project.limits.pause_when, pause);
    let at = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    let window =
        MaintenanceWindow { start: at(22, 30), end: at(0, 0), timezone: chrono_tz::UTC, allow_blocking: false };
    assert_eq!(project.maintenance_window, Some(window));
    assert_eq!(project.http.read_role.as_deref(), Some("api_reader"));
    let urls: Vec<_> = project.notifications.iter().map(|told| told.url.as_deref()).collect();
    assert_eq!(urls, [Some("https://h/secret"), Some("http://localhost:8080/hook")]);
    assert_eq!(project.notifications[0].on, ["drift", "stale"]);
    assert_eq!(project.notifications[1].on.len(), 6);
    assert!(!format!("{:?}", project.notifications).contains("secret"));
}

#[test]
fn nothing_said() {
    let project = Folder::new(&[]).with("DATAMART_MAINTENANCE_WORK_MEM", "1GB").desired().project;
    assert_eq!((project.name.as_str(), project.schema.as_str()), ("default", "public"));
    assert!(project.embedded.is_none());
    assert!(project.maintenance_window.is_none() && project.notifications.is_empty());
    assert_eq!((project.http.read_role, project.limits.pause_when), (None, PauseWhen::default()));
    assert_eq!(project.limits.maintenance_work_mem.as_deref(), Some("1GB"));
    assert_eq!(project.origins["limits.maintenance_work_mem"], "DATAMART_MAINTENANCE_WORK_MEM");
}

#[test]
fn limits_of_the_environment_are_told_of_what_stores_rows() {
    let table = "type = \"table\"\nquery = \"SELECT 1 AS one\"\n";
    let files = [("rows.toml", table), ("seen.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n")];
    let folder = Folder::new(&files).with("DATAMART_MAINTENANCE_WORK_MEM", "1GB");
    let desired = folder.with("DATAMART_MAX_SIZE_GB", "9").with("DATAMART_MAX_PARALLEL_WORKERS", "2").desired();
    let told =
        |name: &str| desired.marts.iter().find(|mart| mart.mart.name.name == name).map(|mart| mart.origins.clone());
    let limits = [
        ("limits.maintenance_work_mem", "DATAMART_MAINTENANCE_WORK_MEM"),
        ("limits.max_parallel_workers", "DATAMART_MAX_PARALLEL_WORKERS"),
        ("limits.max_size", "DATAMART_MAX_SIZE_GB"),
    ];
    assert_eq!(told("rows"), Some(limits.map(|(key, by)| (key.to_owned(), by.to_owned())).into()));
    assert_eq!(told("seen"), Some(BTreeMap::new()));
}

#[test]
fn timeouts_that_postgresql_does_not_take() {
    let project =
        "[database]\nlock_timeout = '2147483000ms'\nstatement_timeout = '30d'\n[defaults.refresh]\ntimeout = '30d'\n";
    assert_eq!(
        Folder::new(&[("project.toml", project)]).with("DATAMART_REFRESH_TIMEOUT_SECONDS", "2592000").told(),
        [
            " the environment variable DATAMART_REFRESH_TIMEOUT_SECONDS is \"2592000\", which is not a number of seconds, at most 24 days of them (change it, or unset it)",
            "project.toml:3:21 PostgreSQL takes no timeout above 24 days «'30d'» (write for example `statement_timeout = \"0\"`)",
            "project.toml:5:11 PostgreSQL takes no timeout above 24 days «'30d'» (leave it out where there is no limit)",
        ]
    );
}

#[test]
fn refused() {
    let folder = Folder::new(&[(
        "project.toml",
        r#"
[project]
timezone = "Mars"
registry_schema = "pg_x"
[database]
url = "postgres://u:secret@h/d"
lock_timeout = 5
statement_timeout = "5"
[embedded]
seed = "none.sql"
[defaults.refresh]
schedule = "0 0 30 2 *"
[defaults.versions]
keep = 0
[limits]
max_size = "99999999999TB"
maintenance_work_mem = "1kB"
pause_when = { xmin_age = 0 }
[capture]
max_log = "lots"
[http]
read_role = ""
[maintenance_window]
start = "2 am"
end = "25:00"
[[notifications]]
[[notifications]]
url = "ftp://h"
on = ["explosion"]
[[notifications]]
url = "${SECRET}"
on = []
[[notifications]]
url = "https://${SECRET_HOST}/${SECRET_TOKEN}"
[[notifications]]
url = "https://u:secret@h/services/T024BE7LD0/aBcD3fGhIjKlMnOpQr"
[indexes]
auto = true
[policy]
prune = "maybe"
allow_hazards = ["EXPLODES", "INDEX_BUILT"]
ignore_drift = ["adhoc", "index:zz_*", "bogus:*", "i*:ok", "description:*"]
drift_interval = "0s"
[naming]
pattern = "("
"#,
    )])
    .with("SECRET", "ftp://hidden");
    let told: Vec<String> = folder
        .told()
        .into_iter()
        .map(|t| t.trim_start_matches("project.toml:").split(" «").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        told,
        [
            "3:12 unknown time zone \"Mars\"",
            "4:19 the schema \"pg_x\" is PostgreSQL's own",
            "6:7 warning: a password stands in this file",
            "7:16 `database.lock_timeout` takes a time with its unit, not an integer",
            "8:21 \"5\" is not a time",
            "10:8 cannot read none.sql: no such file",
            "12:12 the schedule \"0 0 30 2 *\" never fires: no month it names has such a day",
            "14:8 `defaults.versions.keep` is between 1 and 1000",
            "16:12 \"99999999999TB\" is too large",
            "17:24 \"1kB\" is no memory that PostgreSQL takes",
            "18:27 `limits.pause_when.xmin_age` is between 1 and 2000000000",
            "20:11 \"lots\" is not a size",
            "22:13 `http.read_role` is empty",
            "24:9 \"2 am\" is not a time of day",
            "25:7 \"25:00\" is not a time of day",
            "26:1 `notifications[0].url` is missing",
            "28:7 this is no address of http:// or https://",
            "29:7 `notifications[1].on` cannot be \"explosion\"",
            "31:7 warning: what the environment gives is no address of http:// or https://: nobody is told",
            "32:6 the list of events is empty",
            "34:7 warning: SECRET_HOST, SECRET_TOKEN are not set in the environment: nobody is told",
            "36:7 warning: a secret stands in this file",
            "40:9 `policy.prune` cannot be \"maybe\"",
            "41:18 `policy.allow_hazards` cannot be \"EXPLODES\"",
            "41:30 `policy.allow_hazards` cannot be \"INDEX_BUILT\"",
            "42:17 \"adhoc\" is not an aspect and a glob",
            "42:26 no aspect of a mart that drifts is named \"index\"",
            "42:40 no aspect of a mart that drifts is named \"bogus\"",
            "43:18 drift cannot be looked for all the time",
            "45:11 this is not a regular expression: unclosed group",
        ]
    );
}

#[test]
fn the_operator_s_file_replaces_sections() {
    let operator = Folder::new(&[(
        "config.toml",
        "[policy]\non_drift = 'off'\n[limits]\nparallel_refreshes = 1\n[http]\nread_role = 'theirs'\n",
    )]);
    let project = "[project]\nname = 'p'\n[policy]\nprune = true\n[database]\nurl = 'postgres://u:x@h/d'\n[limits]\nmax_parallel_workers = 7\n[[notifications]]\nurl = 'http://h'\n[http]\nread_role = 'ours'\n";
    let mut folder = Folder::new(&[("project.toml", project)]);
    folder.options.config = Some(operator.dir.path().join("config.toml"));
    let desired = folder.desired();
    let project = desired.project;
    assert_eq!((project.policy.prune, project.policy.on_drift), (Prune::Confirm, OnDrift::Off));
    assert_eq!((project.database.url, project.limits.max_parallel_workers), (None, None));
    assert_eq!((project.name.as_str(), project.limits.parallel_refreshes), ("p", 1));
    assert!(project.notifications.is_empty());
    assert_eq!(project.http.read_role.as_deref(), Some("theirs"));
    assert!(desired.warnings.is_empty());

    std::fs::write(operator.dir.path().join("config.toml"), "[project]\nname = 'x'\n").unwrap();
    let told = folder.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("config.toml:1:2 unknown key `project`"), "{told:?}");
}

#[test]
fn environment() {
    let told = Folder::new(&[])
        .with("DATAMART_REFRESH_TIMEOUT_SECONDS", "soon")
        .with("DATAMART_CONCURRENT_REFRESH", "maybe")
        .with("DATAMART_MAINTENANCE_WORK_MEM", "512kB")
        .with("DATAMART_DEFAULT_SCHEMA", "pg_catalog")
        .with("DATAMART_MAX_PARALLEL_WORKERS", "-1")
        .with("DATAMART_MAX_SIZE_GB", "much")
        .with("DATAMART_AUTO_INDEX", "perhaps")
        .with("DATAMART_KEEP_VERSIONS", "0")
        .told();
    assert_eq!(
        told,
        [
            " the environment variable DATAMART_DEFAULT_SCHEMA: the schema \"pg_catalog\" is PostgreSQL's own (choose another schema, or unset it)",
            " the environment variable DATAMART_REFRESH_TIMEOUT_SECONDS is \"soon\", which is not a number of seconds, at most 24 days of them (change it, or unset it)",
            " the environment variable DATAMART_CONCURRENT_REFRESH is \"maybe\", which is not true or false (change it, or unset it)",
            " the environment variable DATAMART_KEEP_VERSIONS is \"0\", which is not a number of versions, at least 1 (change it, or unset it)",
            " the environment variable DATAMART_MAINTENANCE_WORK_MEM is \"512kB\", which is not a size such as 2GB, at least 1MB (change it, or unset it)",
            " the environment variable DATAMART_MAX_SIZE_GB is \"much\", which is not a number of gigabytes (change it, or unset it)",
            " the environment variable DATAMART_MAX_PARALLEL_WORKERS is \"-1\", which is not a number of processes (change it, or unset it)",
            " the environment variable DATAMART_AUTO_INDEX is \"perhaps\", which is not true or false (change it, or unset it)",
        ]
    );
}

#[test]
fn a_build_has_a_largest_size() {
    let max = |folder: Folder| folder.desired().project.max_size();
    let said = [("project.toml", "[limits]\nmax_size = '3 MB'\n")];
    assert_eq!(max(Folder::new(&[])), None);
    assert_eq!(max(Folder::new(&said)), Some((3 << 20, "[limits] max_size".into())));
    let variable = Some((100 << 30, "DATAMART_MAX_SIZE_GB".into()));
    assert_eq!(max(Folder::new(&[]).with("DATAMART_MAX_SIZE_GB", "100")), variable);
    assert_eq!(
        max(Folder::new(&said).with("DATAMART_MAX_SIZE_GB", "100")),
        Some((3 << 20, "[limits] max_size".into()))
    );
}

#[test]
fn a_table_may_get_an_index_by_itself() {
    let grouped =
        |more: &str| format!("type = 'table'\nquery = 'SELECT a, b, sum(c) AS c FROM t GROUP BY 1, 2'\n{more}");
    let files = |project: &'static str| {
        Folder::new(&[
            ("project.toml", project),
            ("auto.toml", &grouped("")),
            ("declared.toml", &grouped("[[indexes]]\ncolumns = ['c']\n")),
            ("keyed.toml", &grouped("primary_key = ['a', 'b']\n")),
            ("none.toml", &grouped("indexes = []\n")),
            (
                "other.toml",
                "type = 'materialized_view'\nquery = 'SELECT DISTINCT a FROM t'\nrefresh = { concurrent = false }\n",
            ),
            ("whole.toml", "type = 'table'\nquery = 'SELECT a FROM t'\n"),
        ])
    };
    let indexes = |folder: Folder| {
        let of = |mart: &crate::manifest::DesiredMart| {
            let names: Vec<String> =
                mart.mart.indexes.iter().map(|index| format!("{} {}", index.name, index.unique)).collect();
            format!(
                "{}: {}{}",
                mart.mart.name.name,
                names.join(", "),
                mart.origins.get("indexes").map_or(String::new(), |from| format!(" from {from}"))
            )
        };
        let mut marts: Vec<String> = folder.desired().marts.iter().map(of).collect();
        marts.sort();
        marts
    };
    let none = ["auto: ", "declared: declared_c_idx false", "keyed: ", "none: ", "other: ", "whole: "];
    let with = |origin: &str| {
        let mut wanted = none.map(str::to_owned);
        wanted[0] = format!("auto: auto_a_b_idx true from {origin}, on its grouping keys");
        wanted
    };
    assert_eq!(indexes(files("")), none);
    assert_eq!(indexes(files("[indexes]\nauto = true\n")), with("project.toml"));
    assert_eq!(indexes(files("").with("DATAMART_AUTO_INDEX", "true")), with("DATAMART_AUTO_INDEX"));
    assert_eq!(indexes(files("[indexes]\nauto = false\n").with("DATAMART_AUTO_INDEX", "true")), none);
}

#[test]
fn naming() {
    let project = |severity: &str| format!("[naming]\npattern = '^mv_'\nseverity = '{severity}'\n");
    let mart = "type = 'view'\nquery = 'SELECT 1'\n";
    let told = |severity: &str| {
        Folder::new(&[("project.toml", &project(severity)), ("mv_a.toml", mart), ("b.toml", mart)]).told()
    };
    let rest = "the name \"b\" does not match the project's pattern «'view'» (names match \"^mv_\" ([naming] in project.toml))";
    assert_eq!(told("warn"), [format!("b.toml:1:8 warning: {rest}")]);
    assert_eq!(told("error"), [format!("b.toml:1:8 {rest}")]);
}
