//! Declared as committed: revisions from folders and repositories, what waits, what drifts.

mod approvals;
mod drift;
mod files;
mod git;
mod overrides;
mod revisions;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datamart::apply::By;
use datamart::manifest::LoadOptions;
use datamart::observe::{self, Standing};
use datamart::reconcile::{Drifted, Outcome, Reason, Reconciled, RevisionOptions, Revisions, Source};
use serde_json::json;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::wait::PATIENCE;

/// A folder of manifests, a database, and a daemon's half that reconciles them.
pub struct Rig {
    pub database: Database,
    pub folder: Folder,
    pub revisions: Revisions,
}

impl Rig {
    pub async fn of(files: &[(&str, &str)]) -> Self {
        let folder = Folder::of(&[]);
        std::fs::create_dir(folder.path().join("marts")).expect("a folder");
        for (name, text) in files {
            folder.write(&format!("marts/{name}"), text);
        }
        let revisions =
            revisions(Source::Folder, LoadOptions { dir: folder.path().join("marts"), ..LoadOptions::default() });
        Self { database: Database::new().await, folder, revisions }
    }

    /// Orders, and the marts that read them; applied.
    pub async fn shop(files: &[(&str, &str)]) -> Self {
        let mut rig = Self::of(files).await;
        rig.database.script(ORDERS).await;
        let done = rig.reconcile(Reason::Start).await;
        assert!(matches!(done.outcome, Outcome::Applied { .. }), "{:?}", done.outcome);
        rig
    }

    /// As a daemon that was started just now finds it.
    pub fn again(self) -> Self {
        let load = LoadOptions { dir: self.folder.path().join("marts"), ..LoadOptions::default() };
        Self { revisions: revisions(Source::Folder, load), ..self }
    }

    pub fn write(&self, name: &str, text: &str) {
        self.folder.write(&format!("marts/{name}"), text);
    }

    pub async fn reconcile(&mut self, reason: Reason) -> Reconciled {
        self.revisions.reconcile(&self.database.endpoint, reason, Utc::now()).await
    }

    pub async fn drift(&mut self, now: DateTime<Utc>) -> Drifted {
        self.revisions.drift(&self.database.endpoint, now).await.expect("a look for drift")
    }

    /// The next reason to look; panics where there is none.
    pub async fn next(&mut self) -> Reason {
        tokio::time::timeout(PATIENCE, self.revisions.next()).await.expect("a reason to look")
    }

    pub async fn standing(&self) -> Standing {
        let mut conn = self.database.session().await;
        let found = observe::standing(&mut conn, "datamart", "default").await;
        found.expect("a registry").expect("a revision that was tried")
    }
}

/// What a daemon makes of a source.
pub fn revisions(source: Source, load: LoadOptions) -> Revisions {
    let by =
        By { who: "daemon".into(), host: "here".into(), application: "tests".into(), holder: None, sessions: None };
    let explain = Arc::new(|error: datamart::reconcile::ReconcileError, _: Option<&_>, _: Option<&_>| {
        let problems = match &error {
            datamart::reconcile::ReconcileError::Manifest(datamart::manifest::ManifestError::Invalid { problems }) => {
                problems.iter().map(|problem| json!({ "message": problem.message })).collect()
            }
            _ => Vec::new(),
        };
        json!({ "kind": error.kind(), "message": error.to_string(), "problems": problems })
    });
    Revisions::new(RevisionOptions { load, source, by, explain }).expect("a source")
}

/// Twenty orders.
pub const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, amount int NOT NULL);
    INSERT INTO orders SELECT i, i FROM generate_series(1, 20) AS i";
/// A table that reads them.
pub const TOTALS: &str = "type = \"table\"\nprimary_key = [\"id\"]\nquery = \"SELECT id, amount FROM orders\"\n\
    [[indexes]]\ncolumns = [\"amount\"]\n";
