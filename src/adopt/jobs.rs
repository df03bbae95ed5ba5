//! Jobs of pg_cron, by what they refresh.

use std::collections::BTreeMap;

use super::live::{self, kind};
use super::schedule::{self, Means};
use super::{Findings, Note};
use crate::state::{Kind, QName};

/// A job that refreshes a relation and does nothing else.
pub(super) struct Job {
    id: i64,
    title: String,
    /// As manifests write it.
    pub(super) schedule: String,
    zone: String,
}

impl Job {
    /// What there is to know, where the manifest has these times.
    pub(super) fn told(&self, scheduled: &[String], timezone: &str) -> String {
        let Self { id, title, schedule, zone } = self;
        if !scheduled.contains(schedule) {
            return format!("{title} refreshes it at {schedule:?}, which its manifest does not say");
        }
        let mut told = format!(
            "{title} refreshes it: its schedule is in the manifest; once datamart refreshes it, SELECT cron.unschedule({id})"
        );
        let clock = schedule.contains(' ') || schedule.starts_with('@');
        if clock && live::zone(zone) != live::zone(timezone) {
            told.push_str(&format!("; pg_cron means {zone}, the manifest {timezone}"));
        }
        told
    }
}

/// What pg_cron does to which relation.
pub(super) fn jobs(findings: &Findings<'_>, notes: &mut Vec<Note>) -> BTreeMap<QName, Vec<Job>> {
    let mut jobs: BTreeMap<QName, Vec<Job>> = BTreeMap::new();
    let materialized = |name: &&QName| {
        let relation = findings.actual.relations.get(*name);
        relation.is_some_and(|relation| kind(relation.kind) == Some(Kind::MaterializedView))
    };
    let known = findings.live.keys().filter(materialized);
    for job in findings.jobs {
        let mut note = |relation: &QName, message: String| {
            notes.push(Note { relation: relation.clone(), message });
        };
        let title = match &job.name {
            Some(name) => format!("pg_cron's job {} ({name})", job.id),
            None => format!("pg_cron's job {}", job.id),
        };
        match schedule::read(job) {
            Means::Refreshes { names, schedule } => {
                for relation in names.iter().filter_map(|name| schedule::resolve(name, known.clone())) {
                    if !job.active {
                        note(relation, format!("{title} refreshes it, but is not active: no schedule was made of it"));
                        continue;
                    }
                    let (title, schedule, zone) = (title.clone(), schedule.clone(), job.zone.clone());
                    jobs.entry(relation.clone()).or_default().push(Job { id: job.id, title, schedule, zone });
                }
            }
            Means::Unclear { names, why } => {
                for relation in names.iter().filter_map(|name| schedule::resolve(name, known.clone())) {
                    note(relation, format!("{title} refreshes it, but {why}: no schedule was made of it"));
                }
            }
            Means::Other => {}
        }
    }
    jobs
}
