//! Relations into marts, one after the other.

use std::collections::HashMap;

use super::jobs::jobs;
use super::live::{self, kind};
use super::merge;
use super::place::Places;
use super::{Adoption, Adoptions, Findings, Note};
use crate::catalog::{ExtraKind, Relation};
use crate::manifest::DesiredMart;
use crate::state::{Kind, QName, Strategy};

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

/// What of a relation no manifest says.
fn notes(relation: &Relation, kind: Kind, notes: &mut Vec<Note>) {
    let mut note = |message: String| notes.push(Note { relation: relation.name.clone(), message });
    let table = kind == Kind::Table;
    for extra in &relation.extras {
        let kind = kind.sql().to_lowercase();
        let label = &extra.label;
        match extra.kind {
            // Grants are the manifest's business; what only a table's writers see is nobody's here.
            ExtraKind::OwnerRights => {}
            ExtraKind::Default | ExtraKind::Sequence | ExtraKind::Key if table => {}
            ExtraKind::Stays => {
                note(format!("{label} stays as it is; no manifest says it, and replacing the {kind} would lose it"))
            }
            _ => note(format!(
                "{label} stays as it is; no manifest says it, and it goes along where the {kind} is replaced"
            )),
        }
    }
    for (name, index) in relation.indexes.iter().filter(|(_, index)| !index.valid) {
        note(format!("index {name} is invalid ({}); it was left out", index.definition));
    }
}
