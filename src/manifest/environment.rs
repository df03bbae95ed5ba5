//! Defaults from the environment, and `${NAME}`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::names::schema_problem;
use super::refresh::Said;
use super::units::{parse_bytes, parse_memory};
use super::{Problem, Project, Severity};
use crate::state::MOST_SECONDS;

/// The variables of the process, as `LoadOptions` hands them over.
pub(super) type Environment = BTreeMap<String, String>;

/// Puts the environment's defaults into a project that is still at its built-in ones; what they say about refreshes.
pub(super) fn apply(environment: &Environment, project: &mut Project, problems: &mut Vec<Problem>) -> Said {
    let mut reader = Reader { environment, problems };
    let mut said = Said::default();
    let key = "DATAMART_DEFAULT_SCHEMA";
    if let Some(schema) = reader.get(key).map(str::to_owned) {
        if let Some(message) = schema_problem(&schema, key) {
            let message = format!("the environment variable {key}: {message}");
            reader.push(Severity::Error, key, message, "choose another schema, or unset it");
        }
        project.schema = schema;
        project.record("schema", key);
    }
    said.timeout =
        reader.read("DATAMART_REFRESH_TIMEOUT_SECONDS", "a number of seconds, at most 24 days of them", |text| {
            text.parse().ok().filter(|seconds| *seconds <= MOST_SECONDS)
        });
    said.concurrent = reader.read("DATAMART_CONCURRENT_REFRESH", "true or false", boolean);
    said.keep_versions = reader.read("DATAMART_KEEP_VERSIONS", "a number of versions, at least 1", |text| {
        text.parse().ok().filter(|keep| (1..=1_000).contains(keep))
    });
    let key = "DATAMART_MAINTENANCE_WORK_MEM";
    if let Some(size) = reader.read(key, "a size such as 2GB, at least 1MB", parse_memory) {
        project.limits.maintenance_work_mem = Some(size);
        project.record("limits.maintenance_work_mem", key);
    }
    let key = "DATAMART_MAX_SIZE_GB";
    let bytes = |text: &str| parse_bytes(&format!("{text}GB"));
    if let Some(size) = reader.read(key, "a number of gigabytes", bytes) {
        project.limits.max_size = Some(size);
        project.record("limits.max_size", key);
    }
    let key = "DATAMART_MAX_PARALLEL_WORKERS";
    if let Some(workers) = reader.read(key, "a number of processes", |t| t.parse().ok()) {
        project.limits.max_parallel_workers = Some(workers);
        project.record("limits.max_parallel_workers", key);
    }
    let key = "DATAMART_AUTO_INDEX";
    if let Some(auto) = reader.read(key, "true or false", boolean) {
        project.auto_index = auto;
        project.record("indexes.auto", key);
    }
    said
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

struct Reader<'a> {
    environment: &'a Environment,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// A variable that is set to something.
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.environment.get(key)?.trim();
        (!value.is_empty()).then_some(value)
    }

    fn read<T>(&mut self, key: &str, what: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.get(key)?;
        let value = parse(text);
        if value.is_none() {
            let message = format!("the environment variable {key} is {text:?}, which is not {what}");
            self.push(Severity::Error, key, message, "change it, or unset it");
        }
        value
    }

    fn push(&mut self, severity: Severity, key: &str, message: String, help: &str) {
        self.problems.push(Problem {
            severity,
            file: PathBuf::new(),
            place: None,
            key: Some(key.to_owned()),
            message,
            help: Some(help.to_owned()),
        });
    }
}

/// A text with `${NAME}` replaced, or the names that are not set.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, Vec<String>> {
    let mut out = String::with_capacity(text.len());
    let mut unset = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let tail = &rest[at + 2..];
        let Some(end) = tail.find('}') else {
            break;
        };
        out.push_str(&rest[..at]);
        let name = &tail[..end];
        match environment.get(name) {
            Some(value) => out.push_str(value),
            None => unset.push(name.to_owned()),
        }
        rest = &tail[end + 1..];
    }
    out.push_str(rest);
    if unset.is_empty() { Ok(out) } else { Err(unset) }
}

/// Whether a URL has a password of its own, not one from the environment.
pub(super) fn has_password(url: &str) -> bool {
    let literal = |text: &str| !text.is_empty() && !text.contains("${");
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let in_user = user.split_once(':').is_some_and(|(_, p)| literal(p));
    let in_query = rest.split(['?', '&']).skip(1).filter_map(|pair| pair.strip_prefix("password=")).any(literal);
    in_user || in_query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_found() {
        for url in ["postgres://u:secret@h/d", "postgres://h/d?user=u&password=secret", "postgres://${USER}:secret@h/d"]
        {
            assert!(has_password(url), "{url}");
        }
        for url in ["postgres://u@h/d", "postgres://u:${P}@h/d", "${URL}", "postgres://h:5432/d", ""] {
            assert!(!has_password(url), "{url}");
        }
    }
}
