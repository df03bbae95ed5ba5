//! The way back: what a database has, as marts. Pure; `manifest::save` writes them.
//!
//! A relation without a manifest becomes one. Where there is a manifest, only what changed in the database is taken over: what was written by
//! hand stays.

mod index;
mod live;
mod merge;
mod place;
mod schedule;

use std::collections::{BTreeMap, HashMap};

use crate::catalog::{Actual, CronJob, Relation};
use crate::compile::Restated;
use crate::manifest::{Desired, DesiredMart, Project};
use crate::state::{Kind, Mart, QName, Strategy};

use live::kind;
pub use live::zone;
use place::Places;
use schedule::Means;

/// What there is to go by.
#[derive(Debug, Clone, Copy)]
pub struct Findings<'a> {
    /// The manifests there are.
    pub desired: &'a Desired,
    /// The defaults that new manifests are written against.
    pub project: &'a Project,
    /// The database, with every relation that is to be taken over.
    pub actual: &'a Actual,
    /// The settled text of each relation's query.
    pub live: &'a BTreeMap<QName, Restated>,
    /// The settled text of each manifest's query, where the server takes it.
    pub declared: &'a BTreeMap<QName, Restated>,
    /// pg_cron's jobs.
    pub jobs: &'a [CronJob],
    /// The time zone that the database's sessions have.
    pub timezone: &'a str,
    /// Paths below the manifests' folder that are not to be written over.
    pub taken: &'a [String],
}

/// A relation as a mart.
#[derive(Debug, Clone)]
pub struct Adoption<'a> {
    /// What its manifest is to say.
    pub mart: Mart,
    /// Its manifest, where there is one.
    pub known: Option<&'a DesiredMart>,
    /// Where its manifest stands, or is to stand, below the folder.
    pub path: String,
}

/// Something a user should know, about one relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Which.
    pub relation: QName,
    /// What.
    pub message: String,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Adoptions<'a> {
    /// By name.
    pub marts: Vec<Adoption<'a>>,
    /// What stays outside of the manifests.
    pub notes: Vec<Note>,
}

/// The marts that the relations of `findings.live` are.
pub fn manifests<'a>(findings: &Findings<'a>) -> Adoptions<'a> {
    let mut found = Adoptions::default();
    let known: HashMap<&QName, &DesiredMart> = findings.desired.marts.iter().map(|d| (&d.mart.name, d)).collect();
    let mut places = Places::default();
    let manifests = findings.desired.marts.iter().map(|desired| &desired.path);
    for path in manifests.chain(findings.taken) {
        places.take(path);
    }
    let mut schedules = schedules(findings, &mut found.notes);
    for (name, settled) in findings.live {
        let Some(relation) = findings.actual.relations.get(name) else { continue };
        let Some(kind) = kind(relation.kind) else { continue };
        notes(relation, kind, &mut found.notes);
        let mut mart = live::mart(relation, kind, settled, findings, &mut found.notes);
        mart.refresh.schedule = schedules.remove(name).unwrap_or_default();
        match mart.refresh.schedule.is_empty() {
            true => mart.refresh.after = kind.has_data(),
            false => mart.refresh.strategy = Strategy::Scheduled,
        }
        match known.get(name) {
            Some(desired) if desired.mart.kind != kind => {
                let message = format!(
                    "{} declares it as a {}: that stays",
                    desired.file.display(),
                    desired.mart.kind.as_str().replace('_', " ")
                );
                found.notes.push(Note { relation: name.clone(), message });
            }
            Some(desired) => {
                let mart = merge::merge(desired, mart, relation, findings);
                found.marts.push(Adoption { mart, known: Some(*desired), path: desired.path.clone() });
            }
            None => found.marts.push(Adoption { path: places.of(name), mart, known: None }),
        }
    }
    found.notes.sort();
    found
}

/// What pg_cron does to which relation.
fn schedules(findings: &Findings<'_>, notes: &mut Vec<Note>) -> BTreeMap<QName, Vec<String>> {
    let mut schedules: BTreeMap<QName, Vec<String>> = BTreeMap::new();
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
                    let times = schedules.entry(relation.clone()).or_default();
                    if !times.contains(&schedule) {
                        times.push(schedule.clone());
                    }
                    let mut message = format!(
                        "{title} refreshes it: its schedule is in the manifest; once datamart refreshes it, SELECT cron.unschedule({})",
                        job.id
                    );
                    let clock = schedule.contains(' ') || schedule.starts_with('@');
                    if clock && live::zone(&job.zone) != live::zone(findings.timezone) {
                        message.push_str(&format!("; pg_cron means {}, the manifest {}", job.zone, findings.timezone));
                    }
                    note(relation, message);
                }
            }
            Means::Unclear(why) => {
                let command = job.command.to_lowercase();
                let meant = known.clone().filter(|name| command.contains(&name.name.to_lowercase()));
                for relation in meant {
                    note(relation, format!("{title} refreshes it, but {why}: no schedule was made of it"));
                }
            }
            Means::Other => {}
        }
    }
    schedules
}

/// What of a relation no manifest says.
fn notes(relation: &Relation, kind: Kind, notes: &mut Vec<Note>) {
    let mut note = |message: String| notes.push(Note { relation: relation.name.clone(), message });
    for extra in &relation.extras {
        note(format!(
            "{extra} stays as it is; no manifest says it, and replacing the {} would lose it",
            kind.sql().to_lowercase()
        ));
    }
    for (name, index) in relation.indexes.iter().filter(|(_, index)| !index.valid) {
        note(format!("index {name} is invalid ({}); it was left out", index.definition));
    }
}
