//! What takes long beside the runs: looks at manifests and database, and the desk that is opened again.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use sqlx::Connection;

use super::desk::Desk;
use super::{Drifted, Poker, Reason, ReconcileError, Reconciled, Revisions, Seen, look};
use crate::database::retry::Backoff;
use crate::database::{DatabaseError, Endpoint};
use crate::manifest::Desired;

const REOPEN: Backoff =
    Backoff { attempts: u32::MAX, first: Duration::from_millis(100), longest: Duration::from_secs(10) };

/// One pass tries so often to open the session that it needs beside the one that leads; each try takes its ten seconds.
const ONCE: u32 = 2;

/// What came of an errand.
pub(super) enum Errand {
    /// The manifests were looked at.
    Looked(Box<Reconciled>),
    /// The database was looked at, and nothing else.
    Seen(Box<Result<Seen, ReconcileError>>),
    /// Drift was looked for, or not.
    Drifted(Option<Box<Drifted>>),
    /// The desk was opened, or not.
    Desk(Result<Desk, DatabaseError>),
}

/// An errand, and who did it.
type Done = (Option<Box<Revisions>>, Errand);

/// What takes long beside the runs.
pub(super) struct Errands {
    endpoint: Endpoint,
    project: String,
    work: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    /// `None` while they are looked at.
    revisions: Option<Box<Revisions>>,
    poker: Poker,
    /// How often in a row the desk could not be opened.
    failures: u32,
}

impl Errands {
    pub fn new(endpoint: &Endpoint, project: &str, revisions: Revisions) -> Self {
        Self {
            endpoint: endpoint.clone(),
            project: project.to_owned(),
            work: FuturesUnordered::new(),
            poker: revisions.poker(),
            revisions: Some(Box::new(revisions)),
            failures: 0,
        }
    }

    /// Asks for a look, as soon as nobody looks.
    pub fn poke(&self, reason: Reason) {
        self.poker.poke(reason);
    }

    /// What ends or is to be looked for next. May be dropped and called again. `ready`: what is seen could be worked on.
    pub async fn next(&mut self, ready: bool) -> Result<Errand, Reason> {
        let (revisions, errand) = tokio::select! {
            Some(done) = self.work.next() => done,
            reason = reason(&mut self.revisions, ready) => return Err(reason),
        };
        self.revisions = revisions.or(self.revisions.take());
        if let Errand::Desk(opened) = &errand {
            self.failures = if opened.is_ok() { 0 } else { self.failures.saturating_add(1) };
        }
        Ok(errand)
    }

    /// Whether one pass waits no longer for the desk.
    pub fn gave_up(&self) -> bool {
        self.failures >= ONCE
    }

    /// Whether nothing is at work.
    pub fn is_empty(&self) -> bool {
        self.work.is_empty()
    }

    /// Looks at manifests and database.
    pub fn look(&mut self, reason: Reason) {
        let Some(mut revisions) = self.revisions.take() else { return };
        let endpoint = self.endpoint.clone();
        let work = async move {
            let errand = if reason == Reason::Drift {
                Errand::Drifted(revisions.drift(&endpoint, Utc::now()).await.map(Box::new))
            } else {
                Errand::Looked(Box::new(revisions.reconcile(&endpoint, reason, Utc::now()).await))
            };
            (Some(revisions), errand)
        };
        self.work.push(Box::pin(work));
    }

    /// Looks at the database alone, after a pause: marts are refreshed while a revision waits for locks or builds, or is refused.
    pub fn see(&mut self, desired: &Arc<Desired>, pause: Duration) {
        let (endpoint, desired) = (self.endpoint.clone(), Arc::clone(desired));
        self.work.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let seen = async {
                let mut conn = endpoint.session("daemon look").await?;
                let seen = look(&mut conn, &desired).await?;
                // It is read; a session that cannot say good-bye changes nothing.
                let _ = conn.close().await;
                Ok(seen)
            };
            (None, Errand::Seen(Box::new(seen.await)))
        }));
    }

    /// Opens the desk, after a pause where that failed before. `broke`: it was open.
    pub fn open(&mut self, broke: bool) {
        if broke {
            self.failures = self.failures.max(1);
        }
        let (endpoint, project, failures) = (self.endpoint.clone(), self.project.clone(), self.failures);
        self.work.push(Box::pin(async move {
            if failures > 0 {
                REOPEN.wait(failures).await;
            }
            (None, Errand::Desk(Desk::open(&endpoint, &project).await))
        }));
    }
}

/// Why to look next; never, while somebody looks.
async fn reason(revisions: &mut Option<Box<Revisions>>, ready: bool) -> Reason {
    match revisions {
        Some(revisions) if ready => revisions.next().await,
        _ => std::future::pending().await,
    }
}
