//! The manifests before and after: what is read, what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use datamart::adopt::Adoption;
use datamart::manifest::save::{self, FileText};
use datamart::manifest::{self, Desired, LoadOptions, ManifestError, Problem, Project, Severity};

use datamart::state::Mart;

use super::super::args::Globals;
use super::super::context::environment;
use super::super::error::{CommandError, Result};
use super::super::report::import::{Imported, Left};

/// The file of the project.
const PROJECT: &str = "project.toml";

/// Reads the manifests there are; a folder that is not there yet has none.
///
/// # Errors
/// Every problem of every file: what is broken is not written into.
pub fn read(globals: &Globals) -> Result<Desired> {
    let mut options = options(globals);
    if !globals.dir.exists() {
        options.overlay.insert(PROJECT.to_owned(), String::new());
    }
    let desired = manifest::load(&options).map_err(|error| {
        CommandError::from(error).help("repair the manifests there are first: `datamart import` adds to them")
    })?;
    Ok(desired)
}

fn options(globals: &Globals) -> LoadOptions {
    LoadOptions {
        dir: globals.dir.clone(),
        config: globals.config.clone(),
        environment: environment(),
        overlay: BTreeMap::new(),
        within: None,
    }
}

/// Writes what is new or differs, all of it or nothing. Gives the marts that were taken over, and the manifests as they are now.
///
/// # Errors
/// What the file system says, or manifests that what is new cannot stand beside.
pub fn write<'a, 'b>(
    adoptions: &'b [Adoption<'a>],
    new_project: Option<&Project>,
    globals: &Globals,
    told: &mut Imported,
) -> Result<(Vec<&'b Adoption<'a>>, Desired)> {
    let mut options = options(globals);
    let mut files: Vec<FileText> = Vec::new();
    if let Some(project) = new_project {
        let owner = project.owner.as_deref();
        let zone = Some(project.timezone.as_str()).filter(|zone| *zone != Project::default().timezone);
        if (owner.is_some() || zone.is_some()) && !adoptions.is_empty() {
            told.created.push(PROJECT.to_owned());
            files.push(FileText::new(PROJECT, save::project(owner, zone)));
        }
    }
    if !globals.dir.exists() {
        options.overlay.insert(PROJECT.to_owned(), String::new());
    }
    options.overlay.extend(overlay(&files));
    let defaults = manifest::load(&options).map_err(CommandError::from)?;
    let mut taken: Vec<(&Adoption<'a>, Vec<FileText>)> = Vec::new();
    for adoption in adoptions {
        let texts = match adoption.known {
            Some(known) => save::revise(known, &adoption.mart, &defaults)?,
            None => save::create(&adoption.mart, &adoption.path, &defaults),
        };
        taken.push((adoption, texts));
    }
    let after = loop {
        let mut options = LoadOptions { overlay: options.overlay.clone(), ..options.clone() };
        options.overlay.extend(taken.iter().flat_map(|(_, texts)| overlay(texts)));
        match manifest::load(&options) {
            Ok(after) => break after,
            Err(ManifestError::Invalid { problems }) => set_aside(&mut taken, problems, globals, told)?,
            Err(error) => return Err(error.into()),
        }
    };
    for (adoption, texts) in &taken {
        let paths = texts.iter().map(|file| file.path.clone());
        match (texts.is_empty(), adoption.known) {
            (true, _) => told.unchanged += 1,
            (false, None) => {
                told.new += 1;
                told.created.extend(paths);
            }
            (false, Some(_)) => {
                told.changed += 1;
                told.updated.extend(paths);
            }
        }
        files.extend(texts.iter().cloned());
    }
    save::write(&globals.dir, &files)?;
    Ok((taken.into_iter().map(|(adoption, _)| adoption).collect(), after))
}

/// Writes drafts of manifests; one that is there already stays. Gives their paths.
///
/// # Errors
/// What the file system says.
pub fn drafts(marts: &[(Mart, String)], desired: &Desired, dir: &Path) -> Result<Vec<String>> {
    let drafts = marts.iter().map(|(mart, path)| save::draft(mart, path, desired));
    let new: Vec<FileText> = drafts.filter(|draft| !dir.join(&draft.path).exists()).collect();
    save::write(dir, &new)?;
    Ok(new.into_iter().map(|draft| draft.path).collect())
}

fn overlay(files: &[FileText]) -> BTreeMap<String, String> {
    files.iter().map(|file| (file.path.clone(), file.text.clone())).collect()
}

/// Takes out what manifests cannot say, with the reason.
fn set_aside(
    taken: &mut Vec<(&Adoption<'_>, Vec<FileText>)>,
    problems: Vec<Problem>,
    globals: &Globals,
    told: &mut Imported,
) -> Result<()> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let by_file: BTreeMap<PathBuf, &Problem> = errors.map(|problem| (problem.file.clone(), problem)).collect();
    let mut out = BTreeSet::new();
    for (at, (adoption, texts)) in taken.iter().enumerate() {
        let found = texts.iter().find_map(|text| by_file.get(&globals.dir.join(&text.path)));
        if let Some(problem) = found {
            let kind = adoption.mart.kind.sql().to_lowercase();
            // The same reason stands once for all.
            let mut reason = problem.message.replace(&format!("{:?} ", adoption.mart.name.name), "");
            if let Some(help) = &problem.help {
                reason.push_str(&format!("; {help}"));
            }
            told.left.push(Left::new(&adoption.mart.name, &kind, reason));
            out.insert(at);
        }
    }
    if out.is_empty() {
        return Err(ManifestError::Invalid { problems }.into());
    }
    let mut at = 0;
    taken.retain(|_| {
        at += 1;
        !out.contains(&(at - 1))
    });
    Ok(())
}
