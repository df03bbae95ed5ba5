//! A daemon that does not lead yet: it reads the manifests as they change, and changes nothing.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::UnboundedReceiver;

use super::board::Board;
use super::log::told;
use super::setup::{Command, Setup};
use super::{Poker, Reason, ReconcileError, Revisions};
use crate::manifest::Desired;

type Loaded = (Box<Revisions>, Result<Arc<Desired>, ReconcileError>);

/// What a daemon has before it leads.
pub(super) struct Follower<'a> {
    setup: &'a Setup,
    poker: Poker,
    /// `None` while they are read.
    revisions: Option<Box<Revisions>>,
    work: Option<LocalBoxFuture<'static, Loaded>>,
}

impl<'a> Follower<'a> {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// A repository, branch or path that cannot be one.
    pub fn new(setup: &'a Setup) -> Result<Self, ReconcileError> {
        let revisions = revisions(setup)?;
        Ok(Self { setup, poker: revisions.poker(), revisions: Some(revisions), work: None })
    }

    /// Does this; `None` where the daemon is told to stop before it is done.
    pub async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T>,
        commands: &mut UnboundedReceiver<Command>,
    ) -> Option<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = work.as_mut() => return Some(done),
                Some(command) = commands.recv() => match command {
                    Command::Stop => return None,
                    Command::Reload => self.reload(),
                },
            }
        }
    }

    /// The manifests are to be read again.
    pub fn reload(&self) {
        self.poker.poke(Reason::Asked);
    }

    /// Resolves now and then, for ever: the manifests were read, or are to be. May be dropped and called again, also while a
    /// repository that does not answer is waited for.
    pub async fn follow(&mut self, board: &Board) {
        if let Some(work) = &mut self.work {
            let (revisions, loaded) = work.await;
            (self.work, self.revisions) = (None, Some(revisions));
            match loaded {
                Ok(desired) => board.in_force(&desired),
                Err(error) => tracing::warn!("the manifests cannot be used, the last good ones stay: {}", told(&error)),
            }
            return;
        }
        let Some(revisions) = &mut self.revisions else { return std::future::pending().await };
        if revisions.next().await == Reason::Drift {
            return;
        }
        if let Some(mut revisions) = self.revisions.take() {
            self.work = Some(Box::pin(async move {
                let loaded = revisions.load().await;
                (revisions, loaded)
            }));
        }
    }

    /// The manifests for one who leads from now on.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn lead(self, followed: bool) -> Result<Box<Revisions>, ReconcileError> {
        // What is being fetched is given up: its work tree is free for us then.
        drop(self.work);
        let Some(known) = self.revisions else { return revisions(self.setup) };
        if followed {
            // Who followed has only read the manifests.
            known.poker().poke(Reason::Start);
        }
        Ok(known)
    }
}

fn revisions(setup: &Setup) -> Result<Box<Revisions>, ReconcileError> {
    let mut revisions = Revisions::new(setup.revisions.clone())?;
    revisions.serve(&setup.registry, &setup.project);
    revisions.know(&setup.desired);
    Ok(Box::new(revisions))
}
