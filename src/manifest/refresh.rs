//! `[refresh]` of a mart over `[defaults.refresh]` of the project over the environment.

use std::collections::BTreeMap;
use std::ops::Range;

use super::incremental;
use super::names::check_name;
use super::nearest::nearest;
use super::report::Report;
use super::section::Section;
use super::units::TOO_LONG;
use crate::state::{Kind, MOST_SECONDS, Misfire, RefreshPolicy, Schedule, Strategy};

/// What one `[refresh]` says, valid values only.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    strategy: Option<Strategy>,
    schedule: Option<Vec<String>>,
    target_lag: Option<u64>,
    pub timezone: Option<String>,
    misfire: Option<Misfire>,
    start_deadline: Option<u64>,
    after: Option<bool>,
    pub concurrent: Option<bool>,
    pub timeout: Option<u64>,
    warn_duration: Option<u64>,
    priority: Option<i64>,
    suspend: Option<bool>,
    incremental: Option<incremental::Said>,
    debounce: Option<u64>,
    max_wait: Option<u64>,
    channel: Option<String>,
    full_after: Option<u64>,
    pub fresh: Option<bool>,
    /// Of `[defaults.versions]` and the environment, which are no part of a mart's `[refresh]`.
    pub keep_versions: Option<u32>,
}

impl Said {
    /// Reads the section; a schedule that cannot be and an unknown time zone are told where they stand.
    pub fn read(section: &Section<'_>, report: &mut Report) -> Self {
        for (text, span) in section.strings("schedule") {
            if let Err(error) = Schedule::parse(text) {
                report.error(
                    span,
                    section.path("schedule"),
                    error.0,
                    "write a cron expression such as \"0 */4 * * *\", or an interval such as \"30m\"",
                );
            }
        }
        let schedule = section.names("schedule");
        let list = section.value("schedule").and_then(|value| value.get_ref().as_array());
        if list.is_some_and(|list| list.is_empty()) {
            report.error(
                section.span("schedule"),
                section.path("schedule"),
                "the schedule is empty",
                "remove it, or name a time",
            );
        }
        if section.has("schedule") && section.has("target_lag") {
            report.error(
                section.key_span("target_lag"),
                section.path("target_lag"),
                "both `schedule` and `target_lag` are given",
                "keep one of them: a lag stands instead of a schedule",
            );
        }
        if section.str("misfire") == Some("skip") && section.has("start_deadline") {
            report.error(
                section.key_span("start_deadline"),
                section.path("start_deadline"),
                "`start_deadline` is about missed runs that are made up, and `misfire = \"skip\"` drops them",
                "keep one of them",
            );
        }
        let timeout = section.duration("timeout");
        if timeout.is_some_and(|seconds| seconds > MOST_SECONDS) {
            report.error(
                section.span("timeout"),
                section.path("timeout"),
                TOO_LONG,
                "leave it out where there is no limit",
            );
        }
        let channel = section.text("channel");
        if let Some(channel) = &channel {
            check_name(channel, section.span("channel"), &section.path("channel"), report);
        }
        Self {
            strategy: section.str("strategy").and_then(|word| match word {
                "manual" => Some(Strategy::Manual),
                "scheduled" => Some(Strategy::Scheduled),
                "triggered" => Some(Strategy::Triggered),
                "incremental" => Some(Strategy::Incremental),
                "full" => Some(Strategy::Full),
                "smart" => Some(Strategy::Smart),
                "on_commit" => Some(Strategy::OnCommit),
                _ => None,
            }),
            schedule: section.has("schedule").then_some(schedule),
            target_lag: section.duration("target_lag"),
            timezone: timezone(section, report),
            misfire: section.str("misfire").and_then(|word| match word {
                "run" => Some(Misfire::Run),
                "skip" => Some(Misfire::Skip),
                _ => None,
            }),
            start_deadline: section.duration("start_deadline"),
            after: section.bool("after"),
            concurrent: section.bool("concurrent"),
            timeout,
            warn_duration: section.duration("warn_duration"),
            priority: section.integer("priority"),
            suspend: section.bool("suspend"),
            incremental: incremental::Said::read(&section.section("incremental"), report),
            debounce: section.duration("debounce"),
            max_wait: section.duration("max_wait"),
            channel,
            full_after: section.duration("full_after"),
            fresh: section.bool("fresh"),
            keep_versions: None,
        }
    }
}

/// A known time zone at `timezone`.
pub(super) fn timezone(section: &Section<'_>, report: &mut Report) -> Option<String> {
    let text = section.str("timezone")?;
    if let Ok(zone) = text.parse::<chrono_tz::Tz>() {
        return Some(zone.name().to_owned());
    }
    let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let help = match nearest(text, zones) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "write an IANA name such as \"America/Bogota\" or \"UTC\"".to_owned(),
    };
    report.error(section.span("timezone"), section.path("timezone"), format!("unknown time zone {text:?}"), help);
    None
}

/// What stands behind a mart's own words: the project's, then the environment's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Defaults {
    pub project: Said,
    /// `timeout` and `concurrent`.
    pub environment: Said,
}

impl Defaults {
    /// The policy of a mart that says no more than its strategy, if that.
    pub fn policy(&self, strategy: Option<Strategy>) -> RefreshPolicy {
        let said = Said { strategy, ..Said::default() };
        Layers { defaults: self, origins: &mut BTreeMap::new() }.policy(&said, None)
    }
}

/// A mart's policy, put together.
pub(super) struct Layers<'a> {
    pub defaults: &'a Defaults,
    pub origins: &'a mut BTreeMap<String, String>,
}

impl Layers<'_> {
    /// The mart's own value, else the project's; the latter is recorded.
    fn pick<T: Clone>(&mut self, key: &str, own: Option<T>, project: &Option<T>) -> Option<T> {
        own.or_else(|| {
            let value = project.clone()?;
            self.record(key, "project.toml");
            Some(value)
        })
    }

    fn record(&mut self, key: &str, origin: &str) {
        self.origins.insert(format!("refresh.{key}"), origin.to_owned());
    }

    fn environment<T: Clone>(
        &mut self,
        key: &str,
        value: Option<T>,
        environment: &Option<T>,
        variable: &str,
    ) -> Option<T> {
        value.or_else(|| {
            let value = environment.clone()?;
            self.record(key, variable);
            Some(value)
        })
    }

    /// The policy of a mart that stores rows.
    pub fn policy(&mut self, own: &Said, kind: Option<Kind>) -> RefreshPolicy {
        let defaults = self.defaults;
        let project = &defaults.project;
        // What the project asks of marts, a materialized view can only have whole.
        let table = kind != Some(Kind::MaterializedView);
        let whole = |strategy| match strategy {
            Strategy::Incremental | Strategy::Smart | Strategy::OnCommit if !table => Strategy::Full,
            strategy => strategy,
        };
        let strategy = self.pick("strategy", own.strategy, &project.strategy.map(whole)).unwrap_or_default();
        let timed = own.schedule.is_some() || own.target_lag.is_some();
        let (schedule, target_lag) = if timed || strategy == Strategy::Manual {
            (own.schedule.clone(), own.target_lag)
        } else {
            (self.pick("schedule", None, &project.schedule), self.pick("target_lag", None, &project.target_lag))
        };
        let schedule = schedule.unwrap_or_default();
        let untimed = schedule.is_empty() && target_lag.is_none();
        let timeout = self.pick("timeout", own.timeout, &project.timeout);
        let inherited = self.pick("concurrent", None, &project.concurrent.filter(|_| own.concurrent.is_none()));
        let inherited = if own.concurrent.is_some() {
            None
        } else {
            self.environment("concurrent", inherited, &defaults.environment.concurrent, "DATAMART_CONCURRENT_REFRESH")
        };
        let triggered = strategy == Strategy::Triggered;
        let smart = strategy == Strategy::Smart;
        let fresh = self.pick("fresh", own.fresh, &project.fresh.filter(|_| table && strategy != Strategy::OnCommit));
        let fresh = fresh.unwrap_or_default();
        let (theirs, mut taken) = (project.incremental.as_ref().filter(|_| table), Vec::new());
        let incremental =
            incremental::settle(own.incremental.as_ref(), theirs, strategy, fresh, |key| taken.push(key.to_owned()));
        taken.iter().for_each(|key| self.record(&format!("incremental.{key}"), "project.toml"));
        RefreshPolicy {
            strategy,
            schedule,
            target_lag,
            misfire: self.pick("misfire", own.misfire, &project.misfire).unwrap_or_default(),
            start_deadline: self.pick("start_deadline", own.start_deadline, &project.start_deadline),
            after: self.pick("after", own.after, &project.after).unwrap_or(untimed),
            // An inherited `true` is a preference, which is what `None` means.
            concurrent: own.concurrent.or(inherited.filter(|concurrent| !concurrent)),
            timeout: self.environment(
                "timeout",
                timeout,
                &defaults.environment.timeout,
                "DATAMART_REFRESH_TIMEOUT_SECONDS",
            ),
            warn_duration: self.pick("warn_duration", own.warn_duration, &project.warn_duration),
            priority: self.pick("priority", own.priority, &project.priority).unwrap_or_default(),
            suspend: self.pick("suspend", own.suspend, &project.suspend).unwrap_or_default(),
            incremental,
            debounce: self.pick("debounce", own.debounce, &project.debounce.filter(|_| triggered)),
            max_wait: self.pick("max_wait", own.max_wait, &project.max_wait.filter(|_| triggered)),
            channel: self.pick("channel", own.channel.clone(), &project.channel.clone().filter(|_| triggered)),
            fresh,
            full_after: self.pick("full_after", own.full_after, &project.full_after.filter(|_| smart)),
        }
    }
}

/// What the parts of a policy must not say together.
pub(super) fn check(root: &Section<'_>, policy: &RefreshPolicy, report: &mut Report) {
    let section = root.section("refresh");
    if policy.strategy == Strategy::Manual {
        for key in ["schedule", "target_lag"] {
            if section.has(key) {
                report.error(
                    section.key_span(key),
                    section.path(key),
                    format!("a mart with `strategy = \"manual\"` has no `{key}`"),
                    "add `strategy = \"scheduled\"`, or remove it",
                );
            }
        }
    }
    let untimed = policy.schedule.is_empty() && policy.target_lag.is_none();
    if policy.strategy == Strategy::Scheduled && untimed && !section.has("schedule") {
        let place: Range<usize> = if section.has("strategy") { section.span("strategy") } else { root.span("type") };
        report.error(
            place,
            section.path("schedule"),
            "`strategy = \"scheduled\"` needs `schedule` or `target_lag`",
            "add for example `schedule = \"0 */4 * * *\"`",
        );
    }
}

/// Whether REFRESH … CONCURRENTLY can be had: an error where it is asked for, else a warning.
pub(super) fn check_concurrent(
    root: &Section<'_>,
    concurrent: Option<bool>,
    possible: bool,
    candidates: &[String],
    report: &mut Report,
) {
    if possible || concurrent == Some(false) {
        return;
    }
    let section = root.section("refresh");
    let columns = if candidates.is_empty() {
        "…".to_owned()
    } else {
        candidates.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ")
    };
    let help = format!(
        "add an index on columns that tell rows apart, without `where` and expressions: \
         `[[indexes]]` with `columns = [{columns}]` and `unique = true`"
    );
    if concurrent == Some(true) {
        report.error(
            section.span("concurrent"),
            section.path("concurrent"),
            "`concurrent = true` needs a unique index",
            help,
        );
    } else {
        report.warning(
            root.span("type"),
            "refresh.concurrent",
            "without a unique index refreshes are plain and block readers",
            help,
        );
    }
}
