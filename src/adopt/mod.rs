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
pub use live::{settings, zone};
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
    let renamed: HashMap<&QName, &DesiredMart> =
        findings.desired.marts.iter().flat_map(|d| d.mart.renamed_from.iter().map(move |old| (old, d))).collect();
    let jobs = jobs(findings, &mut found.notes);
    let none = Vec::new();
    for (name, settled) in findings.live {
        let Some(relation) = findings.actual.relations.get(name) else { continue };
        let Some(kind) = kind(relation.kind) else { continue };
        notes(relation, kind, &mut found.notes);
        let mut note = |message: String| found.notes.push(Note { relation: name.clone(), message });
        if let (None, Some(desired)) = (known.get(name), renamed.get(name)) {
            note(format!("{} renames it to {}: apply that first", desired.file.display(), desired.mart.name));
            continue;
        }
        if let Some((old, file)) = earlier_name(relation, findings).filter(|_| !known.contains_key(name)) {
            note(format!(
                "it was renamed from {old}, which {file} declares: remove that file, or name its mart {}",
                name.name
            ));
        }
        let mut mart = live::mart(relation, kind, settled, findings, &mut found.notes);
        let jobs = jobs.get(name).unwrap_or(&none);
        mart.refresh.schedule = jobs.iter().map(|job| job.schedule.clone()).collect();
        mart.refresh.schedule.dedup();
        match mart.refresh.schedule.is_empty() {
            true => mart.refresh.after = kind.has_data(),
            false => mart.refresh.strategy = Strategy::Scheduled,
        }
        match known.get(name) {
            Some(desired) if desired.mart.kind != kind && recorded_kind(name, findings) == Some(desired.mart.kind) => {
                let mart = merge::of_another_kind(&desired.mart, mart);
                found.marts.push(Adoption { mart, known: Some(*desired), path: desired.path.clone() });
            }
            Some(desired) if desired.mart.kind != kind => {
                let declared = desired.mart.kind.sql().to_lowercase();
                let message = format!("{} declares it as a {declared}: that stays", desired.file.display());
                found.notes.push(Note { relation: name.clone(), message });
            }
            Some(desired) => {
                let mart = merge::merge(desired, mart, relation, findings, &mut found.notes);
                found.marts.push(Adoption { mart, known: Some(*desired), path: desired.path.clone() });
            }
            None => found.marts.push(Adoption { path: places.of(name), mart, known: None }),
        }
        let adopted = found.marts.last().filter(|adoption| adoption.mart.name == *name);
        let scheduled = adopted.map(|adoption| adoption.mart.refresh.schedule.as_slice()).unwrap_or_default();
        let told =
            jobs.iter().map(|job| Note { relation: name.clone(), message: job.told(scheduled, findings.timezone) });
        found.notes.extend(told);
    }
    found.notes.sort();
    found
}

/// The kind that the registry knows a mart of.
fn recorded_kind(name: &QName, findings: &Findings<'_>) -> Option<Kind> {
    findings.actual.recorded.get(name).map(|recorded| recorded.mart.kind)
}

/// The name under which the registry knows a relation that has no row under its own, and the manifest of that name.
fn earlier_name(relation: &Relation, findings: &Findings<'_>) -> Option<(QName, String)> {
    let recorded = &findings.actual.recorded;
    let row = recorded.iter().find(|(name, row)| row.relation == Some(relation.oid) && **name != relation.name);
    let (old, _) = row.filter(|_| !recorded.contains_key(&relation.name))?;
    let desired = findings.desired.marts.iter().find(|desired| desired.mart.name == *old)?;
    Some((old.clone(), desired.file.display().to_string()))
}

/// A job that refreshes a relation and does nothing else.
struct Job {
    id: i64,
    title: String,
    /// As manifests write it.
    schedule: String,
    zone: String,
}

impl Job {
    /// What there is to know, where the manifest has these times.
    fn told(&self, scheduled: &[String], timezone: &str) -> String {
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
fn jobs(findings: &Findings<'_>, notes: &mut Vec<Note>) -> BTreeMap<QName, Vec<Job>> {
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
