//! Watching a project's files: the kernel tells what changes, and several changes in a row are one.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use crate::manifest::{self, Desired, LoadOptions};

/// Files are looked at once nothing happened for so long …
const QUIET: Duration = Duration::from_millis(250);
/// … or, where something goes on happening, after so long.
const LONGEST: Duration = Duration::from_secs(3);
/// Between two looks, where the kernel does not tell.
const POLL: Duration = Duration::from_secs(5);
/// Folders may come and go while they are being watched; what is missed is told by one of those that are.
const ROUNDS: usize = 5;

/// What is watched. Each folder by itself, not the tree: below a hidden one may stand a whole database.
#[derive(Debug, Default, PartialEq, Eq)]
struct Targets {
    /// Everything in these folders counts.
    folders: BTreeSet<PathBuf>,
    /// Of these folders only the entries named here.
    entries: BTreeSet<(PathBuf, OsString)>,
}

impl Targets {
    fn of(options: &LoadOptions, before: Option<&Desired>) -> Self {
        let mut targets = Self::default();
        let below = manifest::folders(options).into_iter().flatten();
        targets.folders.extend(below.filter_map(|folder| folder.canonicalize().ok()));
        // That the folder goes and comes, or becomes another link, is told by the one it stands in.
        targets.entry(&options.dir);
        for file in manifest::beside(options, before) {
            targets.entry(&file);
        }
        targets
    }

    /// Watches one path: in the nearest folder above it that is there.
    fn entry(&mut self, path: &Path) {
        let Ok(path) = std::path::absolute(path) else { return };
        let mut below = path.as_path();
        while let (Some(folder), Some(name)) = (below.parent(), below.file_name()) {
            if let Ok(real) = folder.canonicalize() {
                self.entries.insert((real, name.to_owned()));
                return;
            }
            below = folder;
        }
    }

    fn all(&self) -> BTreeSet<&PathBuf> {
        self.folders.iter().chain(self.entries.iter().map(|(folder, _)| folder)).collect()
    }

    /// Whether what happened to this path is ours.
    fn concern(&self, path: &Path) -> bool {
        if self.folders.contains(path) {
            return true;
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let among = self.folders.contains(folder) || self.entries.contains(&(folder.to_owned(), name.to_owned()));
        // A mounted ConfigMap changes by one link, `..data`, through which all of its files lead.
        let switched = name == OsStr::new("..data") && self.entries.iter().any(|(entry, _)| entry == folder);
        (among && (!hidden(name) || name == OsStr::new("..data"))) || switched
    }
}

fn hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Tells when a project's files changed, and are quiet.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    happened: UnboundedReceiver<()>,
    targets: Arc<Mutex<Targets>>,
    /// Since when, and when last, something happened that was not told yet.
    pending: Option<(Instant, Instant)>,
    /// The kernel does not tell: the next look.
    poll: Option<Instant>,
}

impl Watch {
    pub fn new() -> Self {
        let targets = Arc::new(Mutex::new(Targets::default()));
        let (sender, happened) = unbounded_channel();
        let concerned = targets.clone();
        let tell = move |event: notify::Result<Event>| {
            let ours = match &event {
                // What the kernel lost may have been ours.
                Err(_) => true,
                Ok(event) => {
                    let targets = concerned.lock().unwrap_or_else(PoisonError::into_inner);
                    changes(&event.kind) && (event.need_rescan() || event.paths.iter().any(|p| targets.concern(p)))
                }
            };
            if ours {
                // Nobody listens once the daemon ends.
                let _ = sender.send(());
            }
        };
        let watcher = notify::recommended_watcher(tell);
        let poll = watcher.as_ref().err().map(fallback);
        Self { watcher: watcher.ok(), happened, targets, pending: None, poll }
    }

    /// Watches what the project consists of now. To be called before the files are read, so that nothing is missed in between.
    pub fn sync(&mut self, options: &LoadOptions, before: Option<&Desired>) {
        let Some(watcher) = &mut self.watcher else { return };
        for _ in 0..ROUNDS {
            let targets = Targets::of(options, before);
            let mut known = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            let gone: Vec<PathBuf> = known.all().difference(&targets.all()).map(|folder| (*folder).clone()).collect();
            let same = *known == targets;
            let all: Vec<PathBuf> = targets.all().into_iter().cloned().collect();
            *known = targets;
            drop(known);
            for folder in gone {
                // It may be gone, and its watch with it.
                let _ = watcher.unwatch(&folder);
            }
            for folder in all {
                // Also those that are watched: another folder may stand there now.
                if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive)
                    && folder.exists()
                    && self.poll.is_none()
                {
                    self.poll = Some(fallback(&error));
                }
            }
            if same {
                return;
            }
        }
    }

    /// Resolves when files changed and are quiet; may be dropped and called again.
    pub async fn changed(&mut self) {
        loop {
            let quiet = self.pending.map(|(first, last)| (last + QUIET).min(first + LONGEST));
            let next = quiet.or(self.poll);
            tokio::select! {
                biased;
                () = at(next) => {
                    self.pending = None;
                    self.poll = self.poll.map(|_| Instant::now() + POLL);
                    return;
                }
                Some(()) = self.happened.recv() => {
                    let now = Instant::now();
                    let first = self.pending.map_or(now, |(first, _)| first);
                    self.pending = Some((first, now));
                }
            }
        }
    }
}

/// Waits until then; for ever where there is no such moment.
pub(super) async fn at(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

fn fallback(error: &notify::Error) -> Instant {
    tracing::warn!(%error, "files cannot be watched; they are looked at every {} s", POLL.as_secs());
    Instant::now() + POLL
}

/// Whether an event may mean another content. Reading a file is an event, too.
fn changes(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
