//! What a daemon shows of itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::due::Times;
use super::{Leadership, Setup, Vitals};
use crate::manifest::Desired;

/// When every mart is due is not told more often: a thousand of them may change in a second.
const EVERY: Duration = Duration::from_millis(500);

/// Where it is shown.
#[derive(Debug)]
pub(super) struct Board {
    vitals: watch::Sender<Vitals>,
    /// The addresses in the project file that the daemon works with; `None` where it was given others.
    used: Option<Addresses>,
    shown: Option<Instant>,
    dirty: bool,
    /// How many ran when it was last counted how many wait, and when that was.
    loaded: Option<(usize, Instant)>,
    /// More or fewer may wait since.
    behind: bool,
}

/// The `url` and the `direct_url` of a project file. They are secrets.
type Addresses = (Option<String>, Option<String>);

fn addresses(desired: &Desired) -> Addresses {
    let database = &desired.project.database;
    (database.url.clone(), database.direct_url.clone())
}

impl Board {
    pub fn new(setup: &Setup) -> Self {
        let (vitals, used) = (setup.vitals.clone(), addresses(&setup.desired));
        let used = Some(used).filter(|(url, _)| url.as_deref() == Some(setup.endpoint.url()));
        Self { vitals, used, shown: None, dirty: false, loaded: None, behind: false }
    }

    /// PostgreSQL is out of reach, or the registry is.
    pub fn lost(&self, trouble: &str) {
        self.vitals.send_modify(|vitals| {
            vitals.connected = false;
            vitals.registry = false;
            vitals.leadership = Leadership::Unknown;
            vitals.queue_depth = 0;
            vitals.running = 0;
            vitals.next.clear();
            vitals.trouble = Some(trouble.to_owned());
        });
    }

    /// PostgreSQL is reached, and who leads is known.
    pub fn reached(&self, leadership: Leadership, registry: bool) {
        self.vitals.send_modify(|vitals| {
            vitals.connected = true;
            vitals.registry = registry;
            vitals.leadership = leadership;
            vitals.trouble = None;
        });
    }

    /// These manifests are in force. Where they name another database than those before, nothing follows from it by itself.
    pub fn in_force(&self, desired: &Arc<Desired>) {
        let mut before = None;
        self.vitals.send_modify(|vitals| before = vitals.desired.replace(Arc::clone(desired)));
        let now = addresses(desired);
        let other = before.is_some_and(|before| addresses(&before) != now);
        if other && self.used.as_ref().is_some_and(|used| *used != now) {
            tracing::warn!(
                "the address of the database in project.toml is another one now: this daemon goes on with the one that it \
                 began with until it is started again"
            );
        }
    }

    /// Something is wrong, or nothing any more. Whether something was until now.
    pub fn trouble(&self, trouble: Option<String>) -> bool {
        let mut over = false;
        self.vitals.send_if_modified(|vitals| {
            let other = vitals.trouble != trouble;
            over = other && trouble.is_none();
            vitals.trouble = trouble;
            other
        });
        over
    }

    /// No full build starts now, and why.
    pub fn paused(&self, reason: Option<String>) {
        self.vitals.send_if_modified(|vitals| {
            let other = vitals.paused != reason;
            vitals.paused = reason;
            other
        });
    }

    /// How late a run began.
    pub fn began(&self, late: Duration) {
        self.vitals.send_modify(|vitals| vitals.schedule_lag = late.as_secs_f64());
    }

    /// How much waits and runs. While as many run it is not counted at every turn: of a thousand marts that takes as long as the turn.
    pub fn load(&mut self, running: usize, waiting: impl FnOnce() -> usize) {
        self.behind = self.loaded.is_some_and(|(ran, at)| ran == running && at.elapsed() < EVERY);
        if self.behind {
            return;
        }
        self.loaded = Some((running, Instant::now()));
        let waiting = waiting();
        self.vitals.send_if_modified(|vitals| {
            let other = (vitals.queue_depth, vitals.running) != (waiting, running);
            (vitals.queue_depth, vitals.running) = (waiting, running);
            other
        });
    }

    /// When marts are due is not what it was.
    pub fn moved(&mut self) {
        self.dirty = true;
    }

    /// When to tell something; `None` where nothing is to be told.
    pub fn due(&self) -> Option<Instant> {
        let load = self.loaded.filter(|_| self.behind).map(|(_, at)| at + EVERY);
        self.next_due().into_iter().chain(load).min()
    }

    /// When to tell when marts are due.
    fn next_due(&self) -> Option<Instant> {
        self.dirty.then(|| self.shown.map_or_else(Instant::now, |shown| shown + EVERY))
    }

    /// Tells when every mart is due, if it is time to.
    pub fn show(&mut self, next: impl FnOnce() -> Times) {
        if self.next_due().is_some_and(|due| due <= Instant::now()) {
            (self.shown, self.dirty) = (Some(Instant::now()), false);
            self.vitals.send_modify(|vitals| vitals.next = next());
        }
    }
}
