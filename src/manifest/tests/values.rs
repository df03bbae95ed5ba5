//! `[refresh]`, and where its values come from.

use super::{Folder, mart, table, told};
use crate::state::Strategy;

fn refresh(lines: &str) -> Vec<String> {
    told(&table(&format!("[refresh]\n{lines}\n")))
}

#[test]
fn schedules_and_zones() {
    let help = "write a cron expression such as \"0 */4 * * *\", or an interval such as \"30m\"";
    assert_eq!(
        refresh("strategy = 'scheduled'\nschedule = ['0 25 * * *', '0 0 31 2 *', '1h']\ntimezone = 'America/Bogata'"),
        [
            format!("m.toml:5:13 hour \"25\" is not between 0 and 23 «'0 25 * * *'» ({help})"),
            format!(
                "m.toml:5:27 the schedule \"0 0 31 2 *\" never fires: no month it names has such a day «'0 0 31 2 *'» ({help})"
            ),
            "m.toml:6:12 unknown time zone \"America/Bogata\" «'America/Bogata'» (did you mean \"America/Bogota\"?)"
                .to_owned(),
        ]
    );
    assert_eq!(
        refresh("strategy = 'scheduled'\nschedule = []"),
        ["m.toml:5:12 the schedule is empty «[]» (remove it, or name a time)"]
    );
    let told = |schedule: &str| refresh(&format!("strategy = 'scheduled'\nschedule = {schedule}"));
    assert_eq!((told("3600").len(), told("[3600]").len()), (1, 1), "{:?}", told("3600"));
    // PostgreSQL counts a timeout's milliseconds in an `int`.
    assert!(refresh("timeout = '24 days'").is_empty());
    assert_eq!(
        refresh("timeout = '25 days'"),
        ["m.toml:4:11 PostgreSQL takes no timeout above 24 days «'25 days'» (leave it out where there is no limit)"]
    );
}

#[test]
fn what_does_not_go_together() {
    assert_eq!(
        refresh("schedule = '1h'"),
        [
            "m.toml:4:1 a mart with `strategy = \"manual\"` has no `schedule` «schedule» (add `strategy = \"scheduled\"`, or remove it)"
        ]
    );
    assert_eq!(
        refresh("strategy = 'scheduled'"),
        [
            "m.toml:4:12 `strategy = \"scheduled\"` needs `schedule` or `target_lag` «'scheduled'» (add for example `schedule = \"0 */4 * * *\"`)"
        ]
    );
    assert_eq!(
        refresh("strategy = 'full'\nschedule = '1h'\ntarget_lag = '5m'\nmisfire = 'skip'\nstart_deadline = '1h'"),
        [
            "m.toml:6:1 both `schedule` and `target_lag` are given «target_lag» (keep one of them: a lag stands instead of a schedule)",
            "m.toml:8:1 `start_deadline` is about missed runs that are made up, and `misfire = \"skip\"` drops them «start_deadline» (keep one of them)",
        ]
    );
    assert!(refresh("strategy = 'full'").is_empty());
}

#[test]
fn after_follows_the_schedule() {
    let after = |lines: &str| mart(&table(&format!("[refresh]\n{lines}\n"))).mart.refresh.after;
    assert!(after(""));
    assert!(!after("strategy = 'scheduled'\nschedule = '1h'"));
    assert!(!after("strategy = 'scheduled'\ntarget_lag = '1h'"));
    assert!(after("strategy = 'scheduled'\nschedule = '1h'\nafter = true"));
    assert!(!after("after = false"));
}

#[test]
fn the_project_stands_behind_a_mart_and_the_environment_behind_the_project() {
    let folder = Folder::new(&[
        (
            "project.toml",
            "[project]\nowner = 'boss'\ntimezone = 'Europe/Berlin'\n\
             [defaults.refresh]\nstrategy = 'scheduled'\nschedule = '1h'\nwarn_duration = '10s'\npriority = 3\n",
        ),
        ("a.toml", "type = 'table'\nquery = 'SELECT 1'\n"),
        (
            "b.toml",
            "type = 'table'\nquery = 'SELECT 1'\nschema = 's'\nowner = 'me'\n[refresh]\nstrategy = 'manual'\ntimeout = '5s'\n\
             timezone = 'UTC'\nconcurrent = true\npriority = 1\nwarn_duration = '1s'\n",
        ),
        ("c.toml", "type = 'view'\nquery = 'SELECT 1'\n"),
        ("d.toml", "type = 'table'\nquery = 'SELECT 1'\n[refresh]\ntarget_lag = '5m'\n"),
    ])
    .with("DATAMART_DEFAULT_SCHEMA", "env_schema")
    .with("DATAMART_REFRESH_TIMEOUT_SECONDS", "90")
    .with("DATAMART_CONCURRENT_REFRESH", "false");
    let desired = folder.desired();
    let find = |name: &str| desired.marts.iter().find(|m| m.mart.name.name == name).unwrap();
    let origins = |name: &str| {
        let origins = find(name).origins.iter();
        origins.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>()
    };
    let a = &find("a").mart;
    assert_eq!((a.name.schema.as_str(), a.owner.as_deref()), ("env_schema", Some("boss")));
    assert_eq!(a.search_path, ["env_schema", "public"]);
    assert_eq!(a.timezone, "Europe/Berlin");
    assert_eq!((a.refresh.strategy, a.refresh.schedule.join(" ").as_str()), (Strategy::Scheduled, "1h"));
    assert_eq!((a.refresh.timeout, a.refresh.concurrent, a.refresh.after), (Some(90), Some(false), false));
    assert_eq!(
        origins("a"),
        [
            "owner=project.toml",
            "refresh.concurrent=DATAMART_CONCURRENT_REFRESH",
            "refresh.priority=project.toml",
            "refresh.schedule=project.toml",
            "refresh.strategy=project.toml",
            "refresh.timeout=DATAMART_REFRESH_TIMEOUT_SECONDS",
            "refresh.timezone=project.toml",
            "refresh.warn_duration=project.toml",
            "schema=DATAMART_DEFAULT_SCHEMA",
        ]
    );
    let b = &find("b").mart;
    assert_eq!(b.search_path, ["s", "env_schema", "public"]);
    assert!(b.refresh.schedule.is_empty() && b.refresh.after);
    assert_eq!((b.refresh.timeout, b.refresh.concurrent, b.timezone.as_str()), (Some(5), Some(true), "UTC"));
    assert!(origins("b").is_empty());
    assert_eq!(find("c").mart.refresh, Default::default());
    let d = &find("d").mart;
    assert_eq!((d.refresh.target_lag, d.refresh.schedule.len()), (Some(300), 0));
}
