//! Where a daemon's files are: a folder that is watched, or a work tree that is fetched.

use std::time::Duration;

use tokio::time::Instant;

use super::GitError;
use super::git::{Repository, WorkTree};
use super::source::{Reason, Source};
use super::watch::Watch;
use crate::database::retry::Backoff;
use crate::manifest::{Desired, LoadOptions};

/// A repository out of reach is asked for at least so often, or as often as it is anyway.
const UNREACHED: Duration = Duration::from_secs(600);

/// Where the files are.
pub(super) enum Files {
    Folder(Box<Watch>),
    Git { repository: Box<Repository>, tree: Option<WorkTree>, interval: Duration, failures: u32, next: Instant },
}

impl Files {
    /// Nothing is read or fetched yet.
    ///
    /// # Errors
    /// A repository, branch or path that cannot be one.
    pub fn new(source: &Source, load: &LoadOptions) -> Result<Self, GitError> {
        let repository = Repository::new(source, &load.environment)?;
        Ok(match (repository, source) {
            (Some(repository), Source::Git { interval, .. }) => {
                let next = Instant::now() + *interval;
                Self::Git { repository: Box::new(repository), tree: None, interval: *interval, failures: 0, next }
            }
            _ => Self::Folder(Box::new(Watch::new())),
        })
    }

    /// Resolves when there is a reason to look; may be dropped and called again.
    pub async fn changed(&mut self) -> Reason {
        match self {
            Self::Folder(watch) => {
                watch.changed().await;
                Reason::Files
            }
            Self::Git { next, interval, .. } => {
                tokio::time::sleep_until(*next).await;
                // Where nobody fetches now, it is not asked for at once again.
                *next = Instant::now() + *interval;
                Reason::Git
            }
        }
    }

    /// Brings the work tree to the branch's newest commit, and says when to look again. The folder with the manifests is filled in.
    ///
    /// # Errors
    /// What git says; the work tree stays as it is.
    pub async fn fetch(&mut self, load: &mut LoadOptions) -> Result<(), GitError> {
        let Self::Git { repository, tree, interval, failures, next } = self else { return Ok(()) };
        let fetched = match tree {
            Some(tree) => tree.update().await,
            None => {
                let opened = tree.insert(repository.open()?);
                load.dir = opened.folder();
                load.within = Some(opened.root().to_owned());
                opened.update().await
            }
        };
        *failures = if fetched.is_ok() { 0 } else { failures.saturating_add(1) };
        // Many daemons do not ask one repository in step.
        let pause = |first: Duration, longest| Backoff { attempts: u32::MAX, first, longest }.pause((*failures).max(1));
        let pause = match &fetched {
            Ok(_) => interval.mul_f64(0.9) + pause(*interval / 5, *interval / 5),
            Err(_) => pause(*interval * 2, UNREACHED.max(*interval * 2)),
        };
        *next = Instant::now() + pause;
        fetched.map(drop)
    }

    /// Whether there are files, of whatever age.
    pub async fn is_there(&self) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Git { tree: Some(tree), .. } => tree.is_there().await,
            Self::Git { tree: None, .. } => false,
        }
    }

    /// Watches what the project consists of now.
    pub fn watch(&mut self, load: &LoadOptions, before: Option<&Desired>) {
        if let Self::Folder(watch) = self {
            watch.sync(load, before);
        }
    }
}
