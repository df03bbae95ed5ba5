//! What the user wants: TOML files, read and validated into [`Desired`], with every problem of every file at once.

mod among;
mod check;
mod checks;
mod declare;
mod environment;
mod files;
mod fresh;
mod grants;
mod incremental;
mod indexes;
mod kinds;
mod load;
mod names;
mod nearest;
mod operate;
mod operation;
mod order;
mod partition;
mod problem;
mod project;
mod query;
mod refresh;
mod render;
mod report;
mod retention;
mod revision;
pub mod save;
pub mod schema;
mod section;
mod settings;
mod source;
mod spec;
#[cfg(test)]
mod tests;
mod together;
mod units;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

pub use files::{beside, content, folders};
pub use load::{load, project_alone};
pub(crate) use names::qualified;
pub use operation::{HttpConfig, MaintenanceWindow, Notification, PauseWhen};
pub use problem::{Place, Problem, Severity};
pub use project::{DatabaseConfig, EmbeddedConfig, Limits, Naming, OnDrift, Policy, Project, Prune};
pub use render::render;
pub use revision::revision;
pub use versions::{stable_mart, version_mart};

use crate::state::{Mart, Part, QName, ShownBy};

/// Everything a folder of manifests says, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The folder, as given.
    pub dir: PathBuf,
    /// `project.toml` and its defaults.
    pub project: Project,
    /// What refreshes take from it and from the environment.
    defaults: refresh::Defaults,
    /// The marts, upstream first; by name among those that do not depend on each other.
    pub marts: Vec<DesiredMart>,
    /// What is not an error: naming, plain refreshes, a literal password.
    pub warnings: Vec<Problem>,
}

/// One mart and where it was said.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredMart {
    /// The declaration.
    pub mart: Mart,
    /// Its manifest, for people: `dir` joined with the path below it.
    pub file: PathBuf,
    /// The path below the folder, with `/`.
    pub path: String,
    /// All of the manifest, as it was loaded: with `\n` at the ends of its lines.
    pub text: Arc<str>,
    /// Relations the query names (CTEs left out), as the query names them; see `sql::Query`.
    pub reads: Vec<crate::sql::RelationRef>,
    /// Marts it depends on directly: read by the query, or named in `depends_on`.
    pub upstream: BTreeSet<QName>,
    /// Which values did not come from the manifest, and where they came from:
    /// `"refresh.timeout" → "project.toml"`, `"schema" → "DATAMART_DEFAULT_SCHEMA"`.
    pub origins: BTreeMap<String, String>,
    /// Where the query stands, so that a position in it can be shown in its file.
    pub query_source: QuerySource,
    /// Where this is not a whole mart but the view or a version of a versioned one; see `plan::parts`.
    pub part: Option<Part>,
    /// Of the view of a fresh mart, its text: more than the query, which selects the rows that are stored; see `plan::fresh`.
    pub view: Option<ShownBy>,
}

/// The file a query stands in and, for each of its characters, the byte there.
#[derive(Debug, Clone, PartialEq)]
pub struct QuerySource {
    /// The manifest, or the `query_file`.
    pub file: PathBuf,
    /// Byte offset in `file` of the query's first character.
    pub start: usize,
    /// `None`: characters follow each other as in the file; else byte offsets in the file by character index.
    pub offsets: Option<Vec<usize>>,
    /// The file's whole text, as it was loaded: with `\n` at the ends of its lines.
    pub text: Arc<str>,
}

impl DesiredMart {
    /// Whether a manifest says it. What follows marts and is none has no file, and its text is somebody else's.
    pub fn is_declared(&self) -> bool {
        !self.path.is_empty()
    }

    /// Where in which file a character of the mart's query is; `position` counts from 1, as PostgreSQL's errors do.
    pub fn place_of(&self, position: usize) -> Option<(PathBuf, Place)> {
        let source = &self.query_source;
        let place = source.place(&self.mart.query, position)?;
        Some((source.file.clone(), place))
    }
}

/// What `load` needs beside the files.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The folder with the manifests.
    pub dir: PathBuf,
    /// `--config FILE`: replaces `[database]`, `[policy]`, `[limits]` and `[[notifications]]`; and `[http]` where it has that.
    pub config: Option<PathBuf>,
    /// The environment: `DATAMART_…` defaults and `${NAME}` in `[database]` and `[[notifications]]`.
    pub environment: BTreeMap<String, String>,
    /// Files that are not written yet: the path below the folder, with `/`, and the text. They are read instead of, or
    /// beside, what is in the folder.
    pub overlay: BTreeMap<String, String>,
    /// Only what lies in this folder is read, wherever a path or a link of the manifests leads: whoever writes to a repository does not
    /// read the files of the machine that it is fetched to.
    pub within: Option<PathBuf>,
}

/// Why a folder of manifests could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file or the folder could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written; what had been replaced was put back.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what was loaded from it.
    #[error("{path} was changed meanwhile")]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// A file is to be new, and something stands there.
    #[error("{path} is there already")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Two texts for one file.
    #[error("{path} would be written twice")]
    Twice {
        /// Which.
        path: PathBuf,
    },
    /// The files say something that cannot be: every problem found, errors and warnings.
    #[error("{} in the manifests", crate::state::count(errors(problems), "problem"))]
    Invalid {
        /// All of them, by file and position.
        problems: Vec<Problem>,
    },
}

fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.severity == Severity::Error).count()
}
