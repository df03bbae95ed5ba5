//! Whole folders, loaded.

mod checks;
mod files;
mod fresh;
mod incremental;
mod keys;
mod marts;
mod neighbours;
mod partitions;
mod project;
mod queries;
mod revise;
mod round_trip;
mod save;
mod values;

use std::path::Path;

use super::{Desired, DesiredMart, LoadOptions, ManifestError, Problem, Severity, load};

/// A folder of manifests.
struct Folder {
    dir: tempfile::TempDir,
    options: LoadOptions,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let options = LoadOptions { dir: dir.path().to_owned(), ..LoadOptions::default() };
        Self { dir, options }
    }

    fn with(mut self, variable: &str, value: &str) -> Self {
        self.options.environment.insert(variable.into(), value.into());
        self
    }

    fn load(&self) -> Result<Desired, ManifestError> {
        load(&self.options)
    }

    /// Everything there is to tell, a line each.
    fn told(&self) -> Vec<String> {
        let problems = match self.load() {
            Ok(desired) => desired.warnings,
            Err(ManifestError::Invalid { problems }) => problems,
            Err(error) => panic!("{error}"),
        };
        problems.iter().map(|p| line(p, self.dir.path())).collect()
    }

    fn desired(&self) -> Desired {
        match self.load() {
            Ok(desired) => desired,
            Err(_) => panic!("{:#?}", self.told()),
        }
    }
}

/// `file:line:column [warning] message «underlined» (help)`
fn line(problem: &Problem, dir: &Path) -> String {
    let file = problem.file.strip_prefix(dir).unwrap_or(&problem.file);
    let mut out = file.display().to_string();
    let mut marked = String::new();
    if let Some(place) = &problem.place {
        out.push_str(&format!(":{}:{}", place.line, place.column));
        marked = format!(" «{}»", &place.text[place.span.clone()]);
    }
    if problem.severity == Severity::Warning {
        out.push_str(" warning:");
    }
    let help = problem.help.as_ref().map_or(String::new(), |h| format!(" ({h})"));
    let dir = format!("{}/", dir.display());
    format!("{out} {}{marked}{help}", problem.message).replace(&dir, "")
}

/// What one mart's file `m.toml` gets told.
fn told(text: &str) -> Vec<String> {
    Folder::new(&[("m.toml", text)]).told()
}

/// The mart of one file `m.toml`.
fn mart(text: &str) -> DesiredMart {
    Folder::new(&[("m.toml", text)]).desired().marts.remove(0)
}

/// A view's file, with more lines.
fn view(more: &str) -> String {
    format!("type = \"view\"\nquery = \"SELECT 1 AS a\"\n{more}")
}

/// A table's file, with more lines.
fn table(more: &str) -> String {
    format!("type = \"table\"\nquery = \"SELECT 1 AS a\"\n{more}")
}

/// A materialized view's file that refreshes plainly, with more lines.
fn matview(more: &str) -> String {
    format!("type = \"materialized_view\"\nquery = \"SELECT 1 AS a\"\n{more}")
}
