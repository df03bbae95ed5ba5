//! `project.toml`, and the file given with `--config`, into [`Project`].

use std::path::Path;

use globset::Glob;
use regex::Regex;

use super::environment::{Environment, expand, has_password};
use super::names::{check_name, check_schema};
use super::nearest::nearest;
use super::operate;
use super::refresh::{Said, timezone};
use super::report::Report;
use super::section::Section;
use super::units::{parse_bytes, parse_memory, parse_milliseconds, parse_size};
use super::{DatabaseConfig, EmbeddedConfig, Limits, Naming, OnDrift, Policy, Project, Prune};

impl Project {
    /// Notes that a value comes from an environment variable.
    pub(super) fn record(&mut self, key: &str, variable: &str) {
        self.origins.insert(key.to_owned(), variable.to_owned());
    }

    /// Notes that a value is stated after all.
    fn stated(&mut self, key: &str) {
        self.origins.remove(key);
    }
}

/// Reads `[project]`, `[embedded]`, `[defaults]`, `[indexes]`, `[naming]`, `[maintenance_window]` and `[http]`; the defaults of
/// refreshes.
pub(super) fn read(
    root: &Section<'_>,
    dir: &Path,
    is_file: &dyn Fn(&Path) -> bool,
    project: &mut Project,
    report: &mut Report,
) -> Said {
    let section = root.section("project");
    if let Some(name) = section.text("name") {
        check_name(&name, section.span("name"), "project.name", report);
        project.name = name;
    }
    if let Some(schema) = section.text("schema") {
        check_schema(&schema, section.span("schema"), "project.schema", report);
        project.schema = schema;
        project.stated("schema");
    }
    if let Some(owner) = section.text("owner") {
        check_name(&owner, section.span("owner"), "project.owner", report);
        project.owner = Some(owner);
    }
    if let Some(zone) = timezone(&section, report) {
        project.timezone = zone;
    }
    if let Some(schema) = section.text("registry_schema") {
        let span = section.span("registry_schema");
        check_schema(&schema, span, "project.registry_schema", report);
        project.registry_schema = schema;
    }
    let embedded = root.section("embedded");
    if embedded.exists() {
        project.embedded = Some(read_embedded(&embedded, dir, is_file, report));
    }
    if let Some(auto) = root.section("indexes").bool("auto") {
        project.auto_index = auto;
        project.stated("indexes.auto");
    }
    let capture = root.section("capture");
    project.capture.logged = capture.bool("logged").unwrap_or_default();
    project.capture.max_log = bytes(&capture, "max_log", "write for example \"1GB\"", report).flatten();
    project.naming = naming(&root.section("naming"), report);
    project.maintenance_window = operate::window(&root.section("maintenance_window"), &project.timezone, report);
    project.http = operate::http(&root.section("http"), report);
    let defaults = root.section("defaults");
    let mut said = Said::read(&defaults.section("refresh"), report);
    said.keep_versions = defaults.section("versions").integer("keep").and_then(|keep| u32::try_from(keep).ok());
    said
}

/// Reads `[database]`, `[limits]`, `[policy]` and `[[notifications]]`, which `--config` replaces.
pub(super) fn read_operation(
    root: &Section<'_>,
    environment: &Environment,
    project: &mut Project,
    report: &mut Report,
) {
    database(&root.section("database"), environment, &mut project.database, report);
    let section = root.section("limits");
    let key = "maintenance_work_mem";
    if let Some(text) = section.str(key).filter(|text| parse_size(text).is_some()) {
        project.limits.maintenance_work_mem = parse_memory(text);
        project.stated("limits.maintenance_work_mem");
        if project.limits.maintenance_work_mem.is_none() {
            let message = format!("{text:?} is no memory that PostgreSQL takes");
            let help = "write a size from \"1MB\" on, and below \"2TB\"";
            report.error(section.span(key), section.path(key), message, help);
        }
    }
    if let Some(bytes) = bytes(&section, "max_size", "leave it out where there is no limit", report) {
        project.limits.max_size = bytes;
        project.stated("limits.max_size");
    }
    if let Some(workers) = number(&section, "max_parallel_workers") {
        project.limits.max_parallel_workers = Some(workers);
        project.stated("limits.max_parallel_workers");
    }
    let limits: &mut Limits = &mut project.limits;
    limits.parallel_refreshes = number(&section, "parallel_refreshes").unwrap_or(limits.parallel_refreshes);
    limits.pause_when = operate::pause(&section.section("pause_when"));
    policy(&root.section("policy"), &mut project.policy, report);
    project.notifications = operate::notifications(root, environment, report);
}

fn number(section: &Section<'_>, key: &str) -> Option<u32> {
    u32::try_from(section.integer(key)?).ok()
}

fn database(section: &Section<'_>, environment: &Environment, database: &mut DatabaseConfig, report: &mut Report) {
    database.url = url(section, "url", environment, &mut database.unset, report);
    database.direct_url = url(section, "direct_url", environment, &mut database.unset, report);
    database.connections = number(section, "connections").unwrap_or(database.connections);
    let time = |key, default| {
        let text = section.str(key);
        text.and_then(parse_milliseconds).unwrap_or(default)
    };
    database.lock_timeout_ms = time("lock_timeout", database.lock_timeout_ms);
    database.publish_lock_timeout_ms = time("publish_lock_timeout", database.publish_lock_timeout_ms);
    database.statement_timeout_ms = time("statement_timeout", database.statement_timeout_ms);
}

fn url(
    section: &Section<'_>,
    key: &str,
    environment: &Environment,
    unset: &mut Vec<String>,
    report: &mut Report,
) -> Option<String> {
    let text = section.str(key)?;
    if has_password(text) {
        report.warning(
            section.span(key),
            section.path(key),
            "a password stands in this file",
            "take it from the environment: \"postgres://user:${PGPASSWORD}@host/database\"",
        );
    }
    match expand(text, environment) {
        Ok(url) => Some(url).filter(|url| !url.is_empty()),
        Err(names) => {
            for name in names {
                if !unset.contains(&name) {
                    unset.push(name);
                }
            }
            None
        }
    }
}

fn read_embedded(
    section: &Section<'_>,
    dir: &Path,
    is_file: &dyn Fn(&Path) -> bool,
    report: &mut Report,
) -> EmbeddedConfig {
    let Some(seed) = section.str("seed") else {
        return EmbeddedConfig::default();
    };
    let path = dir.join(seed);
    if !is_file(&path) {
        report.error(
            section.span("seed"),
            "embedded.seed",
            format!("cannot read {}: no such file", path.display()),
            "the path is relative to the folder of project.toml",
        );
    }
    EmbeddedConfig { seed: Some(path) }
}

/// A size in bytes; `Some(None)` where it is none that can be.
fn bytes(section: &Section<'_>, key: &str, help: &str, report: &mut Report) -> Option<Option<u64>> {
    let text = section.str(key).filter(|text| parse_size(text).is_some())?;
    let bytes = parse_bytes(text);
    if bytes.is_none() {
        report.error(section.span(key), section.path(key), format!("{text:?} is too large"), help);
    }
    Some(bytes)
}

fn policy(section: &Section<'_>, policy: &mut Policy, report: &mut Report) {
    policy.prune = match (section.bool("prune"), section.str("prune")) {
        (Some(true), _) => Prune::Always,
        (Some(false), _) => Prune::Never,
        (None, Some("confirm")) => Prune::Confirm,
        (None, _) => policy.prune,
    };
    policy.on_drift = match section.str("on_drift") {
        Some("off") => OnDrift::Off,
        Some("warn") => OnDrift::Warn,
        Some("heal") => OnDrift::Heal,
        _ => policy.on_drift,
    };
    policy.allow_hazards = section.names("allow_hazards");
    for (pattern, span) in section.strings("ignore_drift") {
        if let Err((message, help)) = ignored(pattern) {
            report.error(span, "policy.ignore_drift", message, help);
        }
    }
    policy.ignore_drift = section.names("ignore_drift");
    policy.drift_interval = section.duration("drift_interval");
    if policy.drift_interval == Some(0) {
        let help = "write for example \"5m\"; `on_drift = \"off\"` looks for none";
        let message = "drift cannot be looked for all the time";
        report.error(section.span("drift_interval"), section.path("drift_interval"), message, help);
    }
}

/// What drifts, as `policy.ignore_drift` names it.
const ASPECTS: [&str; 15] = [
    "capture",
    "columns",
    "commit",
    "definition",
    "description",
    "grants",
    "indexes",
    "options",
    "owner",
    "partition",
    "partition_grants",
    "partitions",
    "primary_key",
    "relation",
    "tablespace",
];

/// Why a pattern of `policy.ignore_drift` would protect nothing, and what to write.
fn ignored(pattern: &str) -> Result<(), (String, String)> {
    let Some((aspect, glob)) = pattern.split_once(':').filter(|(_, glob)| Glob::new(glob).is_ok()) else {
        let message = format!("{pattern:?} is not an aspect and a glob");
        return Err((message, "write for example \"indexes:adhoc_*\"".to_owned()));
    };
    // An aspect may be a pattern, too.
    let aspects = Glob::new(aspect).map(|aspects| aspects.compile_matcher());
    if aspects.is_ok_and(|aspects| ASPECTS.iter().any(|known| aspects.is_match(known))) {
        return Ok(());
    }
    let help = match nearest(aspect, ASPECTS) {
        Some(near) => format!("did you mean \"{near}:{glob}\"?"),
        None => format!("known here: {}", ASPECTS.join(", ")),
    };
    Err((format!("no aspect of a mart that drifts is named {aspect:?}"), help))
}

fn naming(section: &Section<'_>, report: &mut Report) -> Option<Naming> {
    let pattern = section.text("pattern")?;
    if let Err(error) = Regex::new(&pattern) {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or("").trim();
        report.error(
            section.span("pattern"),
            "naming.pattern",
            format!("this is not a regular expression: {}", reason.trim_start_matches("error: ")),
            "write for example `pattern = \"^(report|cache)_[a-z0-9_]+$\"`",
        );
        return None;
    }
    Some(Naming { pattern, error: section.str("severity") == Some("error") })
}
