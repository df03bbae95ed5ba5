//! The way back: what a database has, as marts. Pure; `manifest::save` writes them.
//!
//! A relation without a manifest becomes one. Where there is a manifest, only what changed in the database is taken over: what was written by
//! hand stays.

mod divided;
mod index;
mod jobs;
mod live;
mod make;
mod merge;
mod place;
mod schedule;

use std::collections::BTreeMap;

use crate::catalog::{Actual, CronJob};
use crate::compile::Restated;
use crate::manifest::{Desired, DesiredMart, Project};
use crate::state::{Mart, QName};

pub use divided::{Drafts, drafts};
pub use live::{settings, zone};
pub use make::manifests;

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
