//! What a job of pg_cron does to which materialized view, and when.

use std::sync::LazyLock;

use regex::Regex;

use crate::catalog::CronJob;
use crate::sql::parse_qualified_name;
use crate::state::{QName, Schedule};

static REFRESH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?s)^\s*(?i-u:REFRESH)\s+(?i-u:MATERIALIZED)\s+(?i-u:VIEW)\s+(?:(?i-u:CONCURRENTLY)\s+)?(.+?)(?:\s+(?i-u:WITH)\s+(?i-u:DATA))?\s*$",
    )
    .ok()
});

/// What a job means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// It refreshes these and does nothing else, at a time that manifests can say.
    Refreshes {
        /// As the job names them; an unqualified name has no schema.
        names: Vec<(Option<String>, String)>,
        /// As manifests write it.
        schedule: String,
    },
    /// It refreshes these, in a way that manifests cannot say; why.
    Unclear {
        /// As the job names them.
        names: Vec<(Option<String>, String)>,
        /// Why.
        why: String,
    },
    /// Something else.
    Other,
}

/// Reads a job.
pub(super) fn read(job: &CronJob) -> Means {
    let command = without_comments(&job.command);
    let statements: Vec<&str> = command.split(';').filter(|text| !text.trim().is_empty()).collect();
    let found: Vec<Option<_>> = statements.iter().map(|text| name(text)).collect();
    let more = found.iter().any(Option::is_none);
    let names: Vec<_> = found.into_iter().flatten().collect();
    match (names.is_empty(), more, schedule(&job.schedule)) {
        (true, ..) => Means::Other,
        (false, true, _) => Means::Unclear { names, why: "it does more than refresh".to_owned() },
        (false, false, Some(schedule)) => Means::Refreshes { names, schedule },
        (false, false, None) => {
            Means::Unclear { names, why: format!("its schedule {:?} is not understood", job.schedule) }
        }
    }
}

/// A command without `--` and `/* */`, which pg_cron's users write in front; within a string they would not be comments, but then it is no
/// REFRESH either.
fn without_comments(command: &str) -> String {
    let lines: Vec<&str> = command.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let mut rest = lines.join("\n");
    while let Some(start) = rest.find("/*") {
        let end = rest[start..].find("*/").map_or(rest.len(), |end| start + end + 2);
        rest.replace_range(start..end, " ");
    }
    rest
}

fn name(statement: &str) -> Option<(Option<String>, String)> {
    let pattern = LazyLock::force(&REFRESH).as_ref()?;
    let text = pattern.captures(statement)?.get(1)?.as_str();
    match parse_qualified_name(text.trim())?.as_slice() {
        [name] => Some((None, name.clone())),
        [schema, name] => Some((Some(schema.clone()), name.clone())),
        _ => None,
    }
}

/// pg_cron's `30 seconds` is our `30s`; everything else is cron's.
fn schedule(text: &str) -> Option<String> {
    let text = text.trim();
    let seconds = text.to_ascii_lowercase();
    let seconds = seconds.strip_suffix("seconds").or_else(|| seconds.strip_suffix("second")).map(str::trim);
    let schedule = match seconds.and_then(|number| number.parse::<u32>().ok()) {
        Some(seconds) => format!("{seconds}s"),
        None => text.to_owned(),
    };
    Schedule::parse(&schedule).is_ok().then_some(schedule)
}

/// The relation a job means: as it names it or, without a schema, the one in `public`, else the only one of that name.
pub(super) fn resolve<'a>(
    name: &(Option<String>, String),
    known: impl Iterator<Item = &'a QName> + Clone,
) -> Option<&'a QName> {
    let mut named = known.filter(|known| known.name == name.1);
    match &name.0 {
        Some(schema) => named.find(|known| known.schema == *schema),
        None => {
            let mut rest = named.clone();
            let public = named.find(|known| known.schema == "public");
            public.or_else(|| rest.next().filter(|_| rest.next().is_none()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(schedule: &str, command: &str) -> CronJob {
        CronJob {
            id: 1,
            name: None,
            schedule: schedule.into(),
            command: command.into(),
            active: true,
            zone: "GMT".into(),
        }
    }

    #[test]
    fn refreshes_are_understood() {
        let names = |command: &str| match read(&job("*/5 * * * *", command)) {
            Means::Refreshes { names, .. } => names,
            other => panic!("{other:?}"),
        };
        assert_eq!(names("-- nightly\nrefresh materialized view sales"), [(None, "sales".to_owned())]);
        assert_eq!(
            names("REFRESH MATERIALIZED VIEW CONCURRENTLY \"S 1\".\"Top\" WITH DATA; refresh materialized view b ;"),
            [(Some("S 1".to_owned()), "Top".to_owned()), (None, "b".to_owned())]
        );
    }

    #[test]
    fn times_are_translated_or_not_understood() {
        let schedule = |text: &str| match read(&job(text, "REFRESH MATERIALIZED VIEW a")) {
            Means::Refreshes { schedule, .. } => Some(schedule),
            _ => None,
        };
        assert_eq!(schedule("30 seconds").as_deref(), Some("30s"));
        assert_eq!(schedule("0 3 * * 1-5").as_deref(), Some("0 3 * * 1-5"));
        assert_eq!(schedule("0 0 $ * *"), None);
    }

    #[test]
    fn what_does_more_is_nobody_s_schedule() {
        assert!(matches!(
            read(&job("@daily", "-- nightly\nREFRESH  MATERIALIZED\nVIEW a; /* then */ SELECT 1")),
            Means::Unclear { names, .. } if names == [(None, "a".to_owned())]
        ));
        assert_eq!(read(&job("@daily", "VACUUM")), Means::Other);
        assert_eq!(read(&job("@daily", "")), Means::Other);
    }

    #[test]
    fn a_name_alone_is_in_public_or_the_only_one() {
        let known = [
            QName::new("a", "x"),
            QName::new("public", "x"),
            QName::new("a", "y"),
            QName::new("b", "z"),
            QName::new("c", "z"),
        ];
        let find = |name: &str| resolve(&(None, name.to_owned()), known.iter()).map(ToString::to_string);
        assert_eq!(find("x").as_deref(), Some("public.x"));
        assert_eq!(find("y").as_deref(), Some("a.y"));
        assert_eq!(find("z"), None);
    }
}
