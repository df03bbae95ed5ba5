//! What to change: the difference between what is declared and what is there, in order, with its hazards and its SQL.
//!
//! Pure: no clock, no connection. `plan` is never a mode of `apply`.

mod added;
mod along;
mod alter;
mod aside;
mod aspect;
mod assemble;
mod beside;
mod builder;
mod capture;
pub(crate) mod carry;
mod clash;
mod consequence;
mod decision;
mod declared;
mod depends;
mod difference;
mod divided;
mod drift;
mod exchange;
mod expire;
mod fold;
mod follower;
mod following;
mod fresh;
mod gone;
mod grants;
mod hazard;
mod indexes;
mod keep;
mod keeper_function;
mod kept;
mod log;
mod log_function;
mod log_type;
pub(crate) mod lost;
mod make;
mod mend;
mod model;
mod moved;
mod order;
mod orphan;
mod partitions;
mod parts;
mod place;
mod passing;
mod problem;
mod rename;
mod renaming;
mod retention;
mod schedule;
mod scope;
mod shares;
mod shown;
mod statement;
mod taken;
mod target;
mod trial;
mod version;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use globset::GlobMatcher;

pub use capture::watched;
pub use drift::unified;
pub use following::{Following, following};
pub use gone::gone;
pub(crate) use grants::same as same_grants;
pub use hazard::{Hazard, HazardKind};
pub(crate) use log::files as log_files;
pub use log::{attach_log, create_log, detach_log, drop_log, poison_log};
pub use log_function::function as log_function;
pub use make::plan;
pub use model::{
    Action, Adopted, Change, Drift, Orphan, PartRow, Plan, Read, Record, RecordRow, Refusal, Step, Summary, Undo,
};
pub use moved::{moved, read_scope};
pub use parts::{Parts, file_fingerprint, parts};
pub(crate) use rename::one as renamed;
pub use scope::{concerned, scope};
pub use statement::rename_back;
pub(crate) use statement::{create, with};
pub(crate) use version::{Expired, expired};

use crate::state::QName;

/// Which drift a plan puts back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Heal {
    /// None: it is shown.
    #[default]
    Nothing,
    /// All but indexes that someone added, and partitions, whose rows would go with them.
    ButAdded,
    /// All.
    All,
}

/// What the caller wants of a plan, beyond the manifests.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Hazards that are allowed, beside the policy's.
    pub allow: BTreeSet<HazardKind>,
    /// Marts without a file go.
    pub prune: bool,
    /// Which drift is put back.
    pub heal: Heal,
    /// Only these marts; what must follow them comes along.
    pub select: Option<BTreeSet<QName>>,
    /// The git revision of the manifests.
    pub revision: Option<String>,
    /// Host and database, for people.
    pub database: String,
    /// `ignore_drift`, compiled.
    pub ignore: Vec<GlobMatcher>,
    /// Relations that are taken over as they are: their rows of the registry are written, nothing of theirs is changed. The text is that of
    /// the relation's query, settled (see `compile::restate`), where the manifest asks for another one.
    pub adopt: BTreeMap<QName, Option<String>>,
    /// Of relations that do not read as they were applied, whether they say the same (see `compile::respelled`).
    pub respelled: BTreeMap<QName, bool>,
}

impl Options {
    /// Whether drift of an aspect is nobody's business.
    pub(crate) fn ignores(&self, aspect: &str) -> bool {
        // `description:*` is the relation's own description, too.
        let whole = (!aspect.contains(':')).then(|| format!("{aspect}:"));
        self.ignore
            .iter()
            .any(|glob| glob.is_match(aspect) || whole.as_ref().is_some_and(|aspect| glob.is_match(aspect)))
    }
}

/// Something the manifests say that this database or this query does not have.
#[derive(Debug, Clone)]
pub struct PlanProblem {
    /// The mart.
    pub mart: QName,
    /// Its manifest.
    pub file: PathBuf,
    /// The key it is about.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Manifests ask for what is not there, or for names that are taken.
    #[error("{}", problems.first().map_or_else(String::new, |p| format!("{}: {}", p.mart, p.message)))]
    Problems {
        /// All of them.
        problems: Vec<PlanProblem>,
        /// What differs all the same from what was applied.
        drift: Vec<Drift>,
    },
}
