//! The manifests of a daemon: when to look at them, and what they come to.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Connection;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::attempt::{self, Attempt, Failure};
use super::files::Files;
use super::judge::{judge, passes};
use super::record::{self, Reached, Told};
use super::source::{Poker, Reason, Source};
use super::wanted::Wanted;
use super::watch::at;
use super::{Drifted, GitError, Outcome, ReconcileError, Reconciled, drift, log, memory, outcome};
use crate::apply::By;
use crate::database::retry::Backoff;
use crate::database::{Endpoint, ErrorKind};
use crate::manifest::{self, Desired, LoadOptions, OnDrift};
use crate::state::Fingerprint;

/// Between two looks for drift, where the policy says nothing.
const DRIFT_INTERVAL: u64 = 300;
/// Between tries of what may pass.
const RETRY: Backoff = Backoff { attempts: u32::MAX, first: Duration::from_secs(2), longest: Duration::from_secs(300) };

/// Puts an error into the form that programs read: `{kind, message, hint, problems, …}`. The texts are the command line's. Files go by
/// their path below the folder, where there is one.
pub type Explain = Arc<dyn Fn(ReconcileError, Option<&Desired>, Option<&Path>) -> Value + Send + Sync>;

/// What manifests are read with, and on whose behalf they are applied.
#[derive(Clone)]
pub struct RevisionOptions {
    /// How they are read; the folder of a work tree is filled in.
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
    files: Files,
    /// The registry's schema and the project of the daemon, where it is one.
    serves: Option<(String, String)>,
    wanted: Wanted,
    /// What somebody read before.
    known: Weak<Desired>,
    /// The last good ones.
    good: Option<Arc<Desired>>,
    /// The last ones that could be read, where none are good yet: drift is told by them, and nothing is put back.
    read: Option<Arc<Desired>>,
    /// The content and the revision about which everything is said.
    settled: Option<(Fingerprint, Option<String>)>,
    failures: u32,
    retry_at: Option<Instant>,
    drift_at: Instant,
}

impl Revisions {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// A repository, branch or path that cannot be one.
    pub fn new(options: RevisionOptions) -> Result<Self, GitError> {
        let (poker, pokes) = Poker::new();
        let files = Files::new(&options.source, &options.load)?;
        let drift_at = Instant::now() + Duration::from_secs(DRIFT_INTERVAL);
        Ok(Self {
            options,
            pokes,
            poker,
            started: false,
            files,
            serves: None,
            wanted: Wanted::default(),
            known: Weak::new(),
            good: None,
            read: None,
            settled: None,
            failures: 0,
            retry_at: None,
            drift_at,
        })
    }

    /// From now on the manifests of another project, or for another registry, are refused: who leads this one does not lead that one.
    pub fn serve(&mut self, registry: &str, project: &str) {
        self.serves = Some((registry.to_owned(), project.to_owned()));
    }

    /// These were read by somebody before. Where that is still what the files say there is one of it in memory.
    pub fn know(&mut self, desired: &Arc<Desired>) {
        self.known = Arc::downgrade(desired);
    }

    /// What tells it to look.
    pub fn poker(&self) -> Poker {
        self.poker.clone()
    }

    /// The marts that no run is to begin of now.
    pub(super) fn wanted(&self) -> Wanted {
        self.wanted.clone()
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
        let reason = tokio::select! {
            Some(reason) = self.pokes.recv() => {
                // One look answers all who asked until now; the first of these reasons looks for most.
                std::iter::from_fn(|| self.pokes.try_recv().ok()).fold(reason, Reason::min)
            }
            reason = self.files.changed() => reason,
            () = at(self.retry_at) => Reason::Retry,
            () = tokio::time::sleep_until(self.drift_at) => Reason::Drift,
        };
        match reason {
            Reason::Drift => self.drift_at = Instant::now() + self.drift_interval(),
            Reason::Retry => self.retry_at = None,
            _ => {}
        }
        reason
    }

    /// These are in force now; their policy may want drift to be looked for sooner.
    fn accept(&mut self, desired: Arc<Desired>) {
        self.good = Some(desired);
        self.read = None;
        self.drift_at = self.drift_at.min(Instant::now() + self.drift_interval());
    }

    fn drift_interval(&self) -> Duration {
        let said = self.good.as_ref().and_then(|desired| desired.project.policy.drift_interval);
        Duration::from_secs(said.unwrap_or(DRIFT_INTERVAL).max(1))
    }

    /// Reads the manifests, and changes nothing: for daemons that follow.
    ///
    /// # Errors
    /// What is wrong with them; the last good ones stay in force.
    pub async fn load(&mut self) -> Result<Arc<Desired>, ReconcileError> {
        let fetched = self.files.fetch(&mut self.options.load).await;
        if let Err(error) = fetched
            && self.lacks_files().await
        {
            return Err(error.into());
        }
        self.files.watch(&self.options.load, self.good.as_deref());
        let desired = self.read()?;
        self.accept(desired.clone());
        self.files.watch(&self.options.load, self.good.as_deref());
        Ok(desired)
    }

    /// The project without its marts, after [`load`](Self::load) failed because of these.
    ///
    /// # Errors
    /// What is wrong with the project's own files.
    pub fn project_alone(&self) -> Result<Arc<Desired>, ReconcileError> {
        Ok(Arc::new(manifest::project_alone(&self.options.load)?))
    }

    /// Reads the manifests, plans, applies what the policy allows, and keeps in the registry how it went. What fails is told in the
    /// outcome; what may pass is tried again by a later [`Reason::Retry`].
    pub async fn reconcile(&mut self, endpoint: &Endpoint, reason: Reason, now: DateTime<Utc>) -> Reconciled {
        let asks = matches!(reason, Reason::Start | Reason::Asked | Reason::Git);
        let fetched =
            if asks || !self.files.is_there().await { self.files.fetch(&mut self.options.load).await } else { Ok(()) };
        self.files.watch(&self.options.load, self.good.as_deref());
        let content = manifest::content(&self.options.load, self.good.as_deref());
        let revision = self.revision(content.as_ref());
        let content = content.map(|content| (content, revision.clone()));
        let by_itself = matches!(reason, Reason::Files | Reason::Git);
        if by_itself && fetched.is_ok() && content.is_some() && content == self.settled {
            return Reconciled { desired: self.desired(), seen: None, revision, outcome: Outcome::AsBefore };
        }
        let mut tried = self.attempt(endpoint, fetched, now).await;
        if !matches!(&tried.outcome, Outcome::Failed { kind, .. } if kind == ErrorKind::Lock.as_str()) {
            self.wanted.none();
        }
        self.failures = if tried.passing { self.failures.saturating_add(1) } else { 0 };
        self.retry_at = match (&tried.outcome, tried.passing) {
            (_, true) => Some(Instant::now() + RETRY.pause(self.failures)),
            // What a query lacks may come: it is looked for as drift is.
            (Outcome::Invalid { .. }, false) => Some(Instant::now() + self.drift_interval()),
            _ => None,
        };
        self.settled = content.filter(|_| tried.settled);
        let known = tried.desired.clone().or_else(|| self.desired());
        let of = known.as_ref().map(|known| (known.project.registry_schema.clone(), known.project.name.clone()));
        if let (Some(of), Some(told)) = (self.serves.clone().or(of), &tried.told) {
            let news = record::keep(endpoint, &of, revision.as_deref(), told, now).await;
            tried.outcome.is_news(news);
        }
        if let (Outcome::Unchanged | Outcome::Applied { .. }, Some(desired)) = (&tried.outcome, &tried.desired) {
            self.accept(desired.clone());
            self.files.watch(&self.options.load, self.good.as_deref());
        } else if let (None, Some(desired)) = (&self.good, &tried.desired) {
            self.read = Some(desired.clone());
        }
        Reconciled { desired: self.desired().or(known), seen: tried.seen, revision, outcome: tried.outcome }
    }

    /// Looks for drift, and puts back what the policy says; where no manifests are in force yet, it only looks. `None` where nothing
    /// is looked for.
    pub async fn drift(&mut self, endpoint: &Endpoint, now: DateTime<Utc>) -> Option<Drifted> {
        let watched = |desired: &Arc<Desired>| desired.project.policy.on_drift != OnDrift::Off;
        let mut desired = self.desired().or_else(|| self.read.clone()).filter(watched)?;
        if self.good.is_none() {
            // Nobody has agreed to this policy yet.
            Arc::make_mut(&mut desired).project.policy.on_drift = OnDrift::Warn;
        }
        let mut found = Drifted::default();
        if let Err(error) = drift::look(endpoint, &desired, (&self.options.by, &self.wanted), now, &mut found).await {
            let locked = error.kind() == ErrorKind::Lock.as_str();
            let mut trouble = message(&self.explain(error, Some(&desired)));
            if locked {
                trouble.push_str("; a refresh that blocks readers, or somebody else, has a mart locked: it is looked for again later");
            }
            found.trouble = Some(trouble);
        }
        Some(found)
    }

    /// Whether there is nothing to read: no work tree, or none with the folder of the manifests.
    async fn lacks_files(&self) -> bool {
        !self.options.load.dir.is_dir() || !self.files.is_there().await
    }

    /// The attempt, and what is to be told of it.
    async fn attempt(&mut self, endpoint: &Endpoint, fetched: Result<(), GitError>, now: DateTime<Utc>) -> Tried {
        let mut unreached = None;
        if let Err(error) = fetched {
            if self.lacks_files().await {
                return self.failed(error.into(), None, None);
            }
            unreached = Some(error);
        }
        let desired = match self.read() {
            Ok(desired) => desired,
            Err(error) => return self.failed(error, None, None),
        };
        let by = self.options.by.clone();
        let done = async {
            let mut conn = endpoint.session("reconcile").await?;
            let done = attempt::attempt(&mut conn, endpoint, &desired, (&by, &self.wanted), now).await?;
            // What was found is found; a session that does not end well takes nothing back.
            let _ = conn.close().await;
            Ok::<_, Failure>(done)
        };
        match (done.await, unreached) {
            (Ok(Attempt { seen, outcome, told }), None) => Tried {
                desired: Some(desired),
                seen: Some(seen),
                outcome,
                told: Some(told),
                passing: false,
                settled: true,
            },
            // What was fetched last is in force, and that nothing newer can be had is what there is to tell.
            (
                Ok(Attempt { seen, outcome: outcome @ (Outcome::Unchanged | Outcome::Applied { .. }), told }),
                Some(error),
            ) => {
                if let Outcome::Applied { marts, fingerprint } = &outcome {
                    log::applied(self.revision(None).as_deref(), marts, fingerprint);
                }
                let mut failed = self.failed(error.into(), Some(desired.clone()), None);
                failed.told.iter_mut().for_each(|failed| failed.reached = told.reached);
                self.accept(desired);
                Tried { seen: Some(seen), ..failed }
            }
            (Ok(Attempt { seen, outcome, told }), Some(_)) => Tried {
                desired: Some(desired),
                seen: Some(seen),
                outcome,
                told: Some(told),
                passing: false,
                settled: true,
            },
            (Err(Failure { error, fingerprint }), _) => self.failed(error, Some(desired), fingerprint),
        }
    }

    fn read(&self) -> Result<Arc<Desired>, ReconcileError> {
        let desired = manifest::load(&self.options.load)?;
        let before = self.good.clone().or_else(|| self.known.upgrade());
        let shared = |desired| match before {
            Some(before) if *before == desired => before,
            _ => Arc::new(memory::compacted(desired)),
        };
        let Some((registry, project)) = &self.serves else { return Ok(shared(desired)) };
        let now = &desired.project;
        let other = |key: &str, now: &str, before: &str| {
            let message = format!("{key} is {now:?} now; this daemon serves {before:?} until it is started again");
            Err(ReconcileError::Policy { message })
        };
        if now.name != *project {
            return other("project.name", &now.name, project);
        }
        if now.registry_schema != *registry {
            return other("project.registry_schema", &now.registry_schema, registry);
        }
        Ok(shared(desired))
    }

    fn failed(&self, error: ReconcileError, desired: Option<Arc<Desired>>, fingerprint: Option<String>) -> Tried {
        let kind = error.kind().to_owned();
        let (status, reason) = judge(&error);
        let passing = status == "failed" && passes(&error);
        // A work tree is looked at again by itself; see `fetch`.
        let by_itself = matches!(error, ReconcileError::Git(_));
        let told = self.explain(error, desired.as_deref().or(self.good.as_deref()));
        let message = message(&told);
        let problems = told.get("problems").filter(|found| found.as_array().is_some_and(|all| !all.is_empty()));
        let outcome = match status {
            "invalid" => Outcome::Invalid { message: outcome::with_first(&message, problems), new: true },
            _ => Outcome::Failed { kind, message: message.clone(), passing: passing || by_itself, new: true },
        };
        let told = Told {
            reached: Reached::Nothing,
            status,
            reason,
            message: Some(message),
            problems: problems.cloned(),
            plan: None,
            fingerprint,
        };
        Tried { desired, seen: None, outcome, told: Some(told), passing, settled: !passing && !by_itself }
    }

    fn explain(&self, error: ReconcileError, desired: Option<&Desired>) -> Value {
        (self.options.explain)(error, desired, self.repository())
    }

    /// The work tree of the repository that the files come from, once there is one.
    pub fn repository(&self) -> Option<&Path> {
        self.options.load.within.as_deref()
    }

    /// `branch@sha1:…`; outside a repository the content speaks for itself.
    fn revision(&self, content: Option<&Fingerprint>) -> Option<String> {
        let of_content = |content: &Fingerprint| format!("files@{}", content.0);
        manifest::revision(&self.options.load.dir).or_else(|| content.map(of_content))
    }
}

/// An attempt, whatever came of it.
struct Tried {
    desired: Option<Arc<Desired>>,
    seen: Option<super::Seen>,
    outcome: Outcome,
    told: Option<Told>,
    /// It is tried again after a while.
    passing: bool,
    /// While the files are what they are, there is nothing to add.
    settled: bool,
}

fn message(told: &Value) -> String {
    told.get("message").and_then(Value::as_str).unwrap_or_default().to_owned()
}
