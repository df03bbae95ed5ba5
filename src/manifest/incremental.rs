//! `[refresh.incremental]` of a mart over that of `[defaults.refresh]`, and the keys of `[refresh]` that belong to one strategy.

use std::ops::Range;

use super::names::check_name;
use super::report::Report;
use super::section::Section;
use crate::state::{Incremental, IncrementalMethod, Kind, RefreshPolicy, Schedule, Strategy, VersionOn, Versions};

/// A thousand years, in seconds: before that PostgreSQL's calendar ends somewhere.
const LONGEST: u64 = 1_000 * 365 * 86_400;

/// Quiet after a change, and the longest wait for it, where nothing is said: seconds.
const QUIET: (u64, u64) = (1, 30);

/// What one `[refresh.incremental]` says, valid values only.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    method: Option<IncrementalMethod>,
    time_column: Option<String>,
    lookback: Option<u64>,
    unique_key: Option<Vec<String>>,
    full_schedule: Option<String>,
    frozen_before: Option<u64>,
}

impl Said {
    /// Reads the section; `None` where there is none.
    pub fn read(section: &Section<'_>, report: &mut Report) -> Option<Self> {
        if !section.exists() {
            return None;
        }
        let time_column = section.text("time_column");
        if let Some(column) = &time_column {
            check_name(column, section.span("time_column"), &section.path("time_column"), report);
        }
        let lookback = section.duration("lookback");
        if lookback.is_some_and(|seconds| seconds > LONGEST) {
            let help = "refresh it whole with `strategy = \"full\"`";
            let message = "this is longer than a thousand years";
            report.error(section.span("lookback"), section.path("lookback"), message, help);
        }
        let full_schedule = section.text("full_schedule");
        if let Some(Err(error)) = full_schedule.as_deref().map(Schedule::parse) {
            let help = "write a cron expression such as \"0 2 * * *\", or an interval such as \"1d\"";
            report.error(section.span("full_schedule"), section.path("full_schedule"), error.0, help);
        }
        Some(Self {
            method: section.str("method").and_then(|word| match word {
                "changes" => Some(IncrementalMethod::Changes),
                "window" => Some(IncrementalMethod::Window),
                "append" => Some(IncrementalMethod::Append),
                "upsert" => Some(IncrementalMethod::Upsert),
                "partition" => Some(IncrementalMethod::Partition),
                _ => None,
            }),
            time_column,
            lookback: lookback.filter(|seconds| *seconds <= LONGEST),
            unique_key: section.has("unique_key").then(|| key(section, report)),
            full_schedule,
            frozen_before: section.duration("frozen_before").filter(|seconds| *seconds <= LONGEST),
        })
    }
}

fn key(section: &Section<'_>, report: &mut Report) -> Vec<String> {
    let path = section.path("unique_key");
    let mut columns: Vec<String> = Vec::new();
    for (column, span) in section.strings("unique_key") {
        check_name(column, span.clone(), &path, report);
        if columns.iter().any(|known| known == column) {
            report.error(span, path.as_str(), format!("{column} stands twice in the key"), "remove one of them");
        }
        columns.push(column.to_owned());
    }
    if section.value("unique_key").is_some_and(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty())) {
        report.error(section.span("unique_key"), path, "the key is empty", "remove it, or name the columns");
    }
    columns
}

/// What a mart has: its own words, then the project's. A mart that says nothing of it has it only where its strategy needs it.
/// `inherited` is told which keys come from the project.
pub(super) fn settle(
    own: Option<&Said>,
    project: Option<&Said>,
    strategy: Strategy,
    fresh: bool,
    mut inherited: impl FnMut(&str),
) -> Option<Incremental> {
    // Both follow the changes, whatever the project asks of others.
    let follows = fresh || strategy == Strategy::OnCommit;
    let wanted = follows || own.is_some() || matches!(strategy, Strategy::Incremental | Strategy::Smart);
    let (none, project) = (Said::default(), project.filter(|_| wanted));
    let (own, project) = (own.unwrap_or(&none), project.unwrap_or(&none));
    let mut from = |key: &str, own: bool, theirs: bool| {
        if !own && theirs {
            inherited(key);
        }
    };
    if !wanted {
        return None;
    }
    let project_method = project.method.filter(|_| !follows);
    let method = own.method.or(project_method).unwrap_or(IncrementalMethod::Changes);
    from("method", own.method.is_some(), project_method.is_some());
    // What the project says of another method is not about this one.
    let frozen = own.frozen_before.or(project.frozen_before).is_some();
    let timed = matches!(method, IncrementalMethod::Window | IncrementalMethod::Append)
        || strategy == Strategy::Smart
        || frozen;
    let time_column = project.time_column.clone().filter(|_| timed);
    let recent = matches!(method, IncrementalMethod::Window | IncrementalMethod::Partition);
    let lookback = project.lookback.filter(|_| recent);
    let unique_key = project.unique_key.clone().filter(|_| method == IncrementalMethod::Upsert);
    let whole = matches!(strategy, Strategy::Manual | Strategy::Full | Strategy::OnCommit);
    let full_schedule = project.full_schedule.clone().filter(|_| !whole);
    from("time_column", own.time_column.is_some(), time_column.is_some());
    from("lookback", own.lookback.is_some(), lookback.is_some());
    from("unique_key", own.unique_key.is_some(), unique_key.is_some());
    from("frozen_before", own.frozen_before.is_some(), project.frozen_before.is_some());
    from("full_schedule", own.full_schedule.is_some(), full_schedule.is_some());
    Some(Incremental {
        method,
        time_column: own.time_column.clone().or(time_column),
        lookback: own.lookback.or(lookback),
        unique_key: own.unique_key.clone().or(unique_key).unwrap_or_default(),
        full_schedule: own.full_schedule.clone().or(full_schedule),
        frozen_before: own.frozen_before.or(project.frozen_before),
    })
}

/// A mart whose `[refresh]` is checked.
pub(super) struct Checked<'a> {
    pub kind: Kind,
    pub policy: &'a RefreshPolicy,
    pub primary_key: &'a [String],
    /// `freshness.column` is given.
    pub dated: bool,
    pub versions: Option<&'a Versions>,
}

/// What a mart's strategy, its incremental refresh and the mart itself must not say together.
pub(super) fn check(root: &Section<'_>, mart: &Checked<'_>, report: &mut Report) {
    let section = root.section("refresh");
    match mart.kind {
        Kind::View => return,
        Kind::MaterializedView => materialized_view(&section, report),
        Kind::Table | Kind::PartitionedTable => table(root, &section, mart, report),
    }
    of_strategy(&section, mart.policy, report);
}

/// PostgreSQL computes a materialized view whole, whatever is asked for.
fn materialized_view(section: &Section<'_>, report: &mut Report) {
    let help = "use `type = \"table\"`: PostgreSQL can only compute a materialized view whole";
    if section.has("incremental") {
        let message = "a materialized view cannot have `refresh.incremental`";
        report.error(section.key_span("incremental"), section.path("incremental"), message, help);
    }
    if section.bool("fresh") == Some(true) {
        let message = "a materialized view cannot have `fresh = true`";
        report.error(section.span("fresh"), section.path("fresh"), message, help);
    }
    if let Some(word @ ("incremental" | "smart" | "on_commit")) = section.str("strategy") {
        let message = format!("a materialized view cannot have `strategy = \"{word}\"`");
        report.error(section.span("strategy"), section.path("strategy"), message, help);
    }
}

/// Where a strategy is told about: itself, or the type of a mart that does not say it.
fn strategy_span(root: &Section<'_>, section: &Section<'_>) -> Range<usize> {
    if section.has("strategy") { section.span("strategy") } else { root.span("type") }
}

fn table(root: &Section<'_>, section: &Section<'_>, mart: &Checked<'_>, report: &mut Report) {
    let own = section.section("incremental");
    let strategy = mart.policy.strategy;
    let Some(incremental) = &mart.policy.incremental else { return };
    let place = if own.exists() { own.own_span() } else { strategy_span(root, section) };
    let method = incremental.method.as_str();
    let mut needs = |key: &str, missing: bool, help: &str| {
        // What cannot be read was told about where it stands.
        if missing && !own.has(key) {
            let message = format!("`method = \"{method}\"` needs `{key}`");
            report.error(place.clone(), own.path(key), message, help);
        }
    };
    let timed = matches!(incremental.method, IncrementalMethod::Window | IncrementalMethod::Append);
    needs("time_column", timed && incremental.time_column.is_none(), "add for example `time_column = \"day\"`");
    let window = incremental.method == IncrementalMethod::Window;
    let partition = incremental.method == IncrementalMethod::Partition;
    let help = "add for example `lookback = \"2 days\"`";
    needs("lookback", window && incremental.lookback.is_none(), help);
    let keyless = incremental.unique_key.is_empty() && mart.primary_key.is_empty();
    let help = "add for example `unique_key = [\"customer_id\"]`, or a `primary_key`";
    let upsert = incremental.method == IncrementalMethod::Upsert;
    needs("unique_key", upsert && keyless, help);
    let frozen = incremental.frozen_before.is_some();
    if own.has("frozen_before") && frozen && incremental.time_column.is_none() && !own.has("time_column") {
        let help = "add for example `time_column = \"day\"`: the column that says how old a row is";
        report.error(
            own.key_span("frozen_before"),
            own.path("time_column"),
            "`frozen_before` needs `time_column`",
            help,
        );
    }
    let smart = strategy == Strategy::Smart;
    let mut only = |key: &str, unfit: bool, whose: &str| {
        if unfit && own.has(key) {
            let message = format!("`{key}` is about {whose}, and this is `method = \"{method}\"`");
            report.error(own.key_span(key), own.path(key), message, "remove it");
        }
    };
    only("time_column", !timed && !partition && !smart && !frozen, "`method = \"window\"` and `\"append\"`");
    only("lookback", !window && !partition, "`method = \"window\"` and `\"partition\"`");
    only("unique_key", !upsert, "`method = \"upsert\"`");
    if smart && incremental.time_column.is_none() && !timed && !partition && !mart.dated {
        let message = "`strategy = \"smart\"` needs to know how new the data is";
        let help = "add `time_column` to [refresh.incremental], or [freshness] with a `column`";
        report.error(place.clone(), own.path("time_column"), message, help);
    }
    if matches!(strategy, Strategy::Manual | Strategy::Full | Strategy::OnCommit) && own.has("full_schedule") {
        let message = format!("a mart with `strategy = \"{}\"` has no `full_schedule`", strategy.as_str());
        let help = match strategy {
            Strategy::Full | Strategy::OnCommit => "every refresh of it is whole: name the times in `schedule`",
            _ => "add for example `strategy = \"incremental\"`, or remove it",
        };
        report.error(own.key_span("full_schedule"), own.path("full_schedule"), message, help);
    }
    if partition && mart.kind != Kind::PartitionedTable {
        let message = "`method = \"partition\"` needs partitions";
        let help = "use `type = \"partitioned_table\"`, or `method = \"window\"`";
        report.error(place.clone(), own.path("method"), message, help);
    }
    if mart.versions.is_some_and(|versions| versions.on == VersionOn::Refresh) {
        let message = "every refresh of this mart is a version of its own, which is computed whole";
        let help = "use `on = \"change\"` in [versions], or remove it";
        report.error(place, section.path("incremental"), message, help);
    }
}

/// Keys that mean something under one strategy only.
fn of_strategy(section: &Section<'_>, policy: &RefreshPolicy, report: &mut Report) {
    let triggered = policy.strategy == Strategy::Triggered;
    let smart = policy.strategy == Strategy::Smart;
    for (key, whose, fits) in [
        ("debounce", "triggered", triggered),
        ("max_wait", "triggered", triggered),
        ("channel", "triggered", triggered),
        ("full_after", "smart", smart),
    ] {
        if section.has(key) && !fits {
            let message = format!("`{key}` is about `strategy = \"{whose}\"`");
            let help = format!("add `strategy = \"{whose}\"`, or remove it");
            report.error(section.key_span(key), section.path(key), message, help);
        }
    }
    let (debounce, max_wait) = (policy.debounce.unwrap_or(QUIET.0), policy.max_wait.unwrap_or(QUIET.1));
    if triggered && debounce > max_wait {
        let key = if section.has("debounce") { "debounce" } else { "max_wait" };
        let message = "`debounce` is longer than `max_wait`";
        let help = format!("`max_wait` is {} here", crate::state::format_duration(max_wait));
        report.error(section.span(key), section.path(key), message, help);
    }
}
