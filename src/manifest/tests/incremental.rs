//! `[refresh.incremental]`, and the keys of `[refresh]` that belong to one strategy.

use super::{Folder, mart, matview, table, told};
use crate::manifest::save;
use crate::state::{Incremental, IncrementalMethod, Kind, Mart, RefreshPolicy, Strategy};

/// A table's file with what is under `[refresh]`.
fn refresh(lines: &str) -> String {
    table(&format!("[refresh]\n{lines}"))
}

#[test]
fn everything_said() {
    let window = "strategy = 'smart'\nschedule = '15m'\nfull_after = '2 days'\n\
         [refresh.incremental]\nmethod = 'window'\ntime_column = 'a'\nlookback = '2 days'\nfull_schedule = '0 2 * * *'\n";
    let policy = mart(&refresh(window)).mart.refresh;
    assert_eq!((policy.strategy, policy.full_after), (Strategy::Smart, Some(172_800)));
    let incremental = Incremental {
        method: IncrementalMethod::Window,
        time_column: Some("a".into()),
        lookback: Some(172_800),
        unique_key: Vec::new(),
        full_schedule: Some("0 2 * * *".into()),
        frozen_before: None,
    };
    assert_eq!(policy.incremental, Some(incremental));

    let triggered = "strategy = 'triggered'\ndebounce = '2s'\nmax_wait = '1m'\nchannel = 'loaded'\n\
         [refresh.incremental]\nmethod = 'upsert'\nunique_key = ['a']\n";
    let policy = mart(&refresh(triggered)).mart.refresh;
    assert_eq!((policy.strategy, policy.debounce, policy.max_wait), (Strategy::Triggered, Some(2), Some(60)));
    assert_eq!(policy.channel.as_deref(), Some("loaded"));
    let incremental = policy.incremental.unwrap();
    assert_eq!((incremental.method, incremental.unique_key), (IncrementalMethod::Upsert, vec!["a".to_owned()]));

    // Nobody has to say when, nor a key twice.
    let append = "[refresh]\nstrategy = 'incremental'\nincremental = { method = 'append', time_column = 'a' }\n";
    let upsert = "primary_key = ['a']\n[refresh]\nincremental = { method = 'upsert' }\n";
    for (text, strategy) in [(append, Strategy::Incremental), (upsert, Strategy::Manual)] {
        let policy = mart(&table(text)).mart.refresh;
        assert_eq!((policy.strategy, policy.incremental.is_some()), (strategy, true), "{text}");
    }
}

#[test]
fn what_cannot_be_together() {
    let incremental =
        |lines: &str| format!("schedule = '1h'\nstrategy = 'incremental'\n[refresh.incremental]\n{lines}");
    let window = "method = 'window'\ntime_column = 'a'\nlookback = '1h'\n";
    for (lines, wanted) in [
        (
            incremental("lookback = '1h'\n"),
            "7:1 `lookback` is about `method = \"window\"` and `\"partition\"`, and this is `method = \"changes\"` «lookback» (remove it)".to_owned(),
        ),
        (
            incremental("frozen_before = '30 days'\n"),
            "7:1 `frozen_before` needs `time_column` «frozen_before» (add for example `time_column = \"day\"`: the column that \
             says how old a row is)"
                .to_owned(),
        ),
        (
            incremental("method = 'window'\nlookback = '1h'\n"),
            "6:10 `method = \"window\"` needs `time_column` «incremental» (add for example `time_column = \"day\"`)".into(),
        ),
        (
            incremental("method = 'window'\ntime_column = 'a'\n"),
            "6:10 `method = \"window\"` needs `lookback` «incremental» (add for example `lookback = \"2 days\"`)".into(),
        ),
        (
            incremental("method = 'append'\n"),
            "6:10 `method = \"append\"` needs `time_column` «incremental» (add for example `time_column = \"day\"`)".into(),
        ),
        (
            incremental("method = 'upsert'\n"),
            "6:10 `method = \"upsert\"` needs `unique_key` «incremental» (add for example `unique_key = [\"customer_id\"]`, \
             or a `primary_key`)"
                .into(),
        ),
        (
            incremental("method = 'append'\ntime_column = 'a'\nlookback = '1h'\n"),
            "9:1 `lookback` is about `method = \"window\"` and `\"partition\"`, and this is `method = \"append\"` «lookback» (remove it)".into(),
        ),
        (
            incremental("method = 'upsert'\nunique_key = ['a']\ntime_column = 'a'\n"),
            "9:1 `time_column` is about `method = \"window\"` and `\"append\"`, and this is `method = \"upsert\"` \
             «time_column» (remove it)"
                .into(),
        ),
        (
            incremental(&format!("{window}unique_key = ['a', 'a']\n")),
            "10:1 `unique_key` is about `method = \"upsert\"`, and this is `method = \"window\"` «unique_key» (remove it)|\
             10:20 a stands twice in the key «'a'» (remove one of them)"
                .into(),
        ),
        (
            incremental("method = 'upsert'\nunique_key = []\n"),
            "8:14 the key is empty «[]» (remove it, or name the columns)".into(),
        ),
        (
            incremental("method = 'window'\ntime_column = ''\nlookback = '400000 days'\nfull_schedule = 'often'\n"),
            "8:15 `refresh.incremental.time_column` is empty «''» (choose another name)|\
             9:12 this is longer than a thousand years «'400000 days'» (refresh it whole with `strategy = \"full\"`)|\
             10:17 \"often\" is neither an interval nor a cron expression «'often'» (write a cron expression such as \
             \"0 2 * * *\", or an interval such as \"1d\")"
                .into(),
        ),
        (
            "strategy = 'smart'\nincremental = { method = 'upsert', unique_key = ['a'] }\n".into(),
            "5:1 `strategy = \"smart\"` needs to know how new the data is «incremental» (add `time_column` to \
             [refresh.incremental], or [freshness] with a `column`)"
                .into(),
        ),
        (
            format!("strategy = 'full'\n[refresh.incremental]\n{window}full_schedule = '1d'\n"),
            "9:1 a mart with `strategy = \"full\"` has no `full_schedule` «full_schedule» (every refresh of it is whole: \
             name the times in `schedule`)"
                .into(),
        ),
        (
            format!("[refresh.incremental]\n{window}full_schedule = '1d'\n"),
            "8:1 a mart with `strategy = \"manual\"` has no `full_schedule` «full_schedule» (add for example \
             `strategy = \"incremental\"`, or remove it)"
                .into(),
        ),
        (
            "debounce = '1s'\nfull_after = '1d'\n".into(),
            "4:1 `debounce` is about `strategy = \"triggered\"` «debounce» (add `strategy = \"triggered\"`, or remove it)|\
             5:1 `full_after` is about `strategy = \"smart\"` «full_after» (add `strategy = \"smart\"`, or remove it)"
                .into(),
        ),
        (
            "strategy = 'triggered'\ndebounce = '1m'\n".into(),
            "5:12 `debounce` is longer than `max_wait` «'1m'» (`max_wait` is 30s here)".into(),
        ),
        (
            "strategy = 'triggered'\nchannel = ''\n".into(),
            "5:11 `refresh.channel` is empty «''» (choose another name)".into(),
        ),
    ] {
        let wanted: Vec<String> = wanted.split('|').map(|line| format!("m.toml:{line}")).collect();
        assert_eq!(told(&refresh(&lines)), wanted, "{lines}");
    }
    let text = format!("{}[versions]\non = 'refresh'\n", refresh(&incremental(window)));
    assert_eq!(
        told(&text),
        ["m.toml:6:10 every refresh of this mart is a version of its own, which is computed whole «incremental» (use \
          `on = \"change\"` in [versions], or remove it)"]
    );
}

#[test]
fn a_materialized_view_is_computed_whole() {
    let text = matview(
        "[refresh]\nconcurrent = false\nstrategy = 'smart'\n[refresh.incremental]\nmethod = 'append'\ntime_column = 'a'\n",
    );
    let help = "(use `type = \"table\"`: PostgreSQL can only compute a materialized view whole)";
    assert_eq!(
        told(&text),
        [
            format!("m.toml:5:12 a materialized view cannot have `strategy = \"smart\"` «'smart'» {help}"),
            format!("m.toml:6:10 a materialized view cannot have `refresh.incremental` «incremental» {help}"),
        ]
    );
    let triggered = mart(&matview("[refresh]\nconcurrent = false\nstrategy = 'triggered'\n")).mart.refresh;
    assert_eq!((triggered.strategy, triggered.after), (Strategy::Triggered, true));
}

#[test]
fn the_project_says_it_for_all() {
    let project = "[defaults.refresh]\nstrategy = 'smart'\nschedule = '1h'\nfull_after = '2d'\ndebounce = '5s'\n\
         [defaults.refresh.incremental]\nmethod = 'window'\ntime_column = 'a'\nlookback = '2d'\nfull_schedule = '1d'\n";
    let folder = Folder::new(&[
        ("project.toml", project),
        ("all.toml", &table("")),
        ("some.toml", &refresh("incremental = { lookback = '3d' }\n")),
        ("other.toml", &refresh("incremental = { method = 'upsert', unique_key = ['a'] }\nfull_after = '1h'\n")),
        ("manual.toml", &refresh("strategy = 'manual'\n")),
        ("triggered.toml", &refresh("strategy = 'triggered'\n")),
        ("view.toml", &super::view("")),
        ("whole.toml", &matview("[refresh]\nconcurrent = false\n")),
    ]);
    let told = folder.told();
    assert_eq!(told, Vec::<String>::new());
    let desired = folder.desired();
    let of = |name: &str| {
        let mart = desired.marts.iter().find(|mart| mart.mart.name.name == name).unwrap();
        let policy = &mart.mart.refresh;
        let incremental = policy
            .incremental
            .as_ref()
            .map(|said| format!("{} {:?} {:?}", said.method.as_str(), said.time_column.as_deref(), said.lookback));
        let incremental = incremental.unwrap_or_default();
        format!("{} {incremental} {:?} {:?}", policy.strategy.as_str(), policy.full_after, policy.debounce)
    };
    assert_eq!(of("all"), "smart window Some(\"a\") Some(172800) Some(172800) None");
    assert_eq!(of("some"), "smart window Some(\"a\") Some(259200) Some(172800) None");
    assert_eq!(of("other"), "smart upsert Some(\"a\") None Some(3600) None");
    assert_eq!(of("manual"), "manual  None None");
    assert_eq!(of("triggered"), "triggered  None Some(5)");
    assert_eq!(of("view"), "manual  None None");
    assert_eq!(of("whole"), "full  None None");
    let some = desired.marts.iter().find(|mart| mart.mart.name.name == "some").unwrap();
    assert_eq!(some.origins["refresh.incremental.method"], "project.toml");
    assert!(!some.origins.contains_key("refresh.incremental.lookback"));
}

#[test]
fn a_manifest_says_it_again() {
    let written = [
        "",
        "strategy = 'triggered'\ndebounce = '90s'\nmax_wait = '2h'\nchannel = 'a\"b'\n",
        "strategy = 'smart'\nfull_after = '2 days'\n[refresh.incremental]\nmethod = 'window'\ntime_column = 'a'\nlookback = '0s'\n",
        "incremental = { method = 'upsert', unique_key = ['a', 'b c'] }\nstrategy = 'incremental'\n",
        "strategy = 'smart'\nschedule = '1h'\n[refresh.incremental]\nmethod = 'append'\ntime_column = 'a'\nfull_schedule = '@daily'\n",
    ];
    let project = "[defaults.refresh]\nstrategy = 'smart'\n[defaults.refresh.incremental]\nmethod = 'append'\ntime_column = 'a'\n";
    for defaults in ["", project] {
        let policy = |text: &str| Folder::new(&[("project.toml", defaults), ("m.toml", text)]).desired();
        for old in written {
            let before = policy(&refresh(old));
            let old_mart = &before.marts[0];
            let created = save::create(&old_mart.mart, "m.toml", &before);
            assert_eq!(policy(&created[0].text).marts[0].mart, old_mart.mart, "{}", created[0].text);
            let whole = |mart: &Mart| Mart { kind: Kind::MaterializedView, ..mart.clone() };
            let concurrent = Some(false);
            let plain = RefreshPolicy { strategy: Strategy::Full, after: true, concurrent, ..Default::default() };
            let news = written.iter().map(|new| policy(&refresh(new)).marts[0].mart.clone());
            for new in news.chain([Mart { refresh: plain, ..whole(&old_mart.mart) }]) {
                let revised = save::revise(old_mart, &new, &before).unwrap();
                let text = revised.first().map_or(old_mart.text.as_ref(), |file| &file.text);
                assert_eq!(policy(text).marts[0].mart, new, "{text}");
            }
        }
    }
}
