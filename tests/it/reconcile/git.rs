//! A branch of a repository is fetched, and what cannot be fetched leaves the last good revision in force.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use datamart::manifest::LoadOptions;
use datamart::reconcile::{Outcome, Reason, Reconciled, Revisions, Source};

use super::{revisions, run};
use crate::support::database::Database;
use crate::support::folder::Folder;
use crate::support::git::{commit, git};
use crate::support::wait::PATIENCE;

const ONE: &str = "type = \"view\"\nquery = \"SELECT 1 AS one\"\n";

/// A repository, a place for work trees, a database.
struct Rig {
    database: Database,
    folder: Folder,
    revisions: Revisions,
}

impl Rig {
    async fn new(path: &str) -> Self {
        let folder = Folder::of(&[("origin/marts/one.toml", ONE)]);
        git(&folder.path().join("origin"), &["init", "--quiet", "-b", "main"]);
        let revisions = Self::daemon(&folder, path);
        let rig = Self { database: Database::new().await, folder, revisions };
        rig.commit();
        rig
    }

    fn daemon(folder: &Folder, path: &str) -> Revisions {
        let source = Source::Git {
            url: format!("file://{}", folder.path().join("origin").display()),
            branch: "main".to_owned(),
            path: path.to_owned(),
            interval: Duration::from_millis(200),
            home: folder.path().join("home"),
        };
        let environment = BTreeMap::new();
        revisions(source, LoadOptions { dir: PathBuf::from("unused"), environment, ..LoadOptions::default() })
    }

    fn commit(&self) -> String {
        let origin = self.folder.path().join("origin");
        commit(&origin)
    }

    async fn next(&mut self) -> Reconciled {
        let reason = tokio::time::timeout(PATIENCE, self.revisions.next()).await.expect("a reason");
        self.reconcile(reason).await
    }

    async fn reconcile(&mut self, reason: Reason) -> Reconciled {
        self.revisions.reconcile(&self.database.endpoint, reason, chrono::Utc::now()).await
    }

    async fn applied(&self) -> String {
        self.database.value("SELECT status || ' ' || applied FROM datamart.reconciles").await
    }
}

#[test]
fn a_branch_is_applied_commit_by_commit() {
    run(async {
        let mut rig = Rig::new("marts").await;
        let head = git(&rig.folder.path().join("origin"), &["rev-parse", "HEAD"]);
        let done = rig.next().await;
        assert_eq!(done.outcome.as_str(), "applied", "{:?}", done.outcome);
        assert_eq!(done.revision, Some(format!("main@sha1:{head}")));
        assert_eq!(rig.database.value("SELECT revision FROM datamart.marts").await, format!("main@sha1:{head}"));
        let done = rig.next().await;
        assert_eq!((done.outcome, done.seen.is_none()), (Outcome::AsBefore, true), "nothing was looked at");
        rig.folder.write("origin/marts/two.toml", ONE);
        std::fs::remove_file(rig.folder.path().join("origin/marts/one.toml")).expect("a file");
        let head = rig.commit();
        let done = rig.next().await;
        assert_eq!(done.outcome.as_str(), "applied", "{:?}", done.outcome);
        assert_eq!(rig.applied().await, format!("applied main@sha1:{head}"));
        assert_eq!(
            rig.database.value("SELECT string_agg(name, ',' ORDER BY name) FROM datamart.marts").await,
            "one,two"
        );
        assert_eq!(done.desired.expect("manifests").marts.len(), 1);
    });
}

#[test]
fn a_branch_that_was_rewritten_is_followed() {
    run(async {
        let mut rig = Rig::new("").await;
        rig.folder.write("origin/marts/two.toml", ONE);
        rig.commit();
        assert_eq!(rig.next().await.desired.expect("manifests").marts.len(), 2);
        let origin = rig.folder.path().join("origin");
        git(&origin, &["reset", "--quiet", "--hard", "HEAD~1"]);
        rig.folder.write("origin/marts/three.toml", ONE);
        let head = rig.commit();
        let done = rig.next().await;
        assert_eq!(done.revision, Some(format!("main@sha1:{head}")));
        let desired = done.desired.expect("manifests");
        let names: Vec<&str> = desired.marts.iter().map(|mart| mart.mart.name.name.as_str()).collect();
        assert_eq!(names, ["one", "three"]);
    });
}

/// Whoever writes to the repository does not read the files of the machine that the daemon runs on.
#[test]
fn what_lies_outside_of_the_repository_is_not_read() {
    run(async {
        let mut rig = Rig::new("marts").await;
        assert_eq!(rig.next().await.outcome.as_str(), "applied");
        rig.folder.write("secret.sql", "SELECT 'hunter2' AS secret");
        rig.folder.write("secrets/two.toml", "type = \"view\"\nquery = \"SELECT 'hunter2' AS secret\"\n");
        let secrets = rig.folder.path().join("secrets");
        let marts = rig.folder.path().join("origin/marts");
        let climbing = format!("type = \"view\"\nquery_file = \"{}secret.sql\"\n", "../".repeat(4));
        let linked = "type = \"view\"\nquery_file = \"linked.sql\"\n";
        for way in ["climbs", "a link to a query", "a link to a manifest", "a link to a folder"] {
            let added = match way {
                "climbs" => {
                    rig.folder.write("origin/marts/x.toml", &climbing);
                    vec!["x.toml"]
                }
                "a link to a query" => {
                    rig.folder.write("origin/marts/x.toml", linked);
                    symlink(rig.folder.path().join("secret.sql"), marts.join("linked.sql")).expect("a link");
                    vec!["x.toml", "linked.sql"]
                }
                "a link to a manifest" => {
                    symlink(secrets.join("two.toml"), marts.join("x.toml")).expect("a link");
                    vec!["x.toml"]
                }
                _ => {
                    symlink(&secrets, marts.join("x")).expect("a link");
                    vec!["x"]
                }
            };
            rig.commit();
            let done = rig.next().await;
            let Outcome::Invalid { message, .. } = &done.outcome else { panic!("{way}: {:?}", done.outcome) };
            assert!(message.ends_with("it lies outside of the repository"), "{way}: {message}");
            added.iter().for_each(|name| std::fs::remove_file(marts.join(name)).expect("a file"));
        }
        // Within it links lead where they like.
        rig.folder.write("origin/queries/two.sql", "SELECT 2 AS two");
        symlink("../queries/two.sql", marts.join("linked.sql")).expect("a link");
        rig.folder.write("origin/marts/two.toml", linked);
        rig.commit();
        let done = rig.next().await;
        assert_eq!(done.outcome.as_str(), "applied", "{:?}", done.outcome);
    });
}

/// The branch is there, and what it points at cannot be had: a network that breaks in between, a repository that is damaged.
#[test]
fn what_is_named_and_cannot_be_fetched_leaves_the_work_tree() {
    run(async {
        let mut rig = Rig::new("marts").await;
        assert_eq!(rig.next().await.outcome.as_str(), "applied");
        rig.folder.write("origin/marts/two.toml", ONE);
        let head = rig.commit();
        let object = rig.folder.path().join("origin/.git/objects").join(&head[..2]).join(&head[2..]);
        let away = rig.folder.path().join("away");
        std::fs::rename(&object, &away).expect("the commit");
        let done = rig.next().await;
        assert!(matches!(&done.outcome, Outcome::Failed { kind, .. } if kind == "git"), "{:?}", done.outcome);
        // The manifests of the last good revision are there still: whoever starts now goes on with them.
        let mut next = Rig::daemon(&rig.folder, "marts");
        drop(std::mem::replace(&mut rig.revisions, Rig::daemon(&rig.folder, "elsewhere")));
        assert_eq!(next.load().await.expect("manifests").marts.len(), 1);
        std::fs::rename(&away, &object).expect("the commit");
        rig.revisions = next;
        let done = rig.next().await;
        assert_eq!(done.revision, Some(format!("main@sha1:{head}")), "{:?}", done.outcome);
    });
}

#[test]
fn what_cannot_be_fetched_leaves_the_last_good_revision_in_force() {
    run(async {
        let mut rig = Rig::new("marts").await;
        assert_eq!(rig.next().await.outcome.as_str(), "applied");
        let good = rig.applied().await;
        let (origin, away) = (rig.folder.path().join("origin"), rig.folder.path().join("away"));
        std::fs::rename(&origin, &away).expect("a rename");
        let done = rig.next().await;
        let Outcome::Failed { kind, passing: true, new: true, .. } = &done.outcome else {
            panic!("{:?}", done.outcome)
        };
        assert_eq!(kind, "git");
        assert!(done.desired.is_some_and(|desired| desired.marts.len() == 1));
        assert_eq!(rig.applied().await, good.replace("applied main", "failed main"));
        // A daemon that starts now goes on with what was fetched before it.
        drop(std::mem::replace(&mut rig.revisions, Rig::daemon(&rig.folder, "marts")));
        rig.database.script("DROP VIEW one").await;
        let done = rig.next().await;
        assert_eq!(done.outcome.as_str(), "failed");
        assert_eq!(rig.database.value("SELECT one FROM one").await, "1");
        std::fs::rename(&away, &origin).expect("a rename");
        assert_eq!(rig.next().await.outcome.as_str(), "unchanged");
        assert_eq!(rig.applied().await, good);
    });
}

#[test]
fn a_branch_that_is_not_there_and_a_damaged_work_tree() {
    run(async {
        let mut rig = Rig::new("marts").await;
        assert_eq!(rig.next().await.outcome.as_str(), "applied");
        let trees: Vec<PathBuf> = std::fs::read_dir(rig.folder.path().join("home"))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        let [tree] = &trees[..] else { panic!("{trees:?}") };
        // Killed in the middle of a fetch.
        std::fs::remove_dir_all(tree.join("tree/.git/objects")).expect("a removal");
        std::fs::write(tree.join("tree/.git/index.lock"), "").expect("a file");
        rig.folder.write("origin/marts/two.toml", ONE);
        rig.commit();
        let done = rig.next().await;
        assert_eq!(done.outcome.as_str(), "applied", "{:?}", done.outcome);
        assert_eq!(done.desired.expect("manifests").marts.len(), 2);
        std::fs::rename(rig.folder.path().join("origin/marts"), rig.folder.path().join("origin/moved"))
            .expect("a move");
        rig.commit();
        let done = rig.next().await;
        let Outcome::Failed { message, .. } = &done.outcome else { panic!("{:?}", done.outcome) };
        assert!(message.contains("branch main of ") && message.contains("has no folder marts"), "{message}");
        assert_eq!(done.desired.expect("manifests").marts.len(), 2);
        let told = Rig::daemon(&rig.folder, "none").load().await.expect_err("no folder").to_string();
        assert!(told.contains("has no folder none"), "{told}");
        git(&rig.folder.path().join("origin"), &["branch", "-m", "main", "trunk"]);
        let done = rig.next().await;
        let Outcome::Failed { message, .. } = &done.outcome else { panic!("{:?}", done.outcome) };
        assert!(message.contains("has no branch main"), "{message}");
    });
}

#[test]
fn two_daemons_of_one_machine_have_two_work_trees() {
    run(async {
        let mut rig = Rig::new("marts").await;
        let mut other = Rig::daemon(&rig.folder, "marts");
        assert_eq!(rig.next().await.outcome.as_str(), "applied");
        assert_eq!(other.load().await.expect("manifests").marts.len(), 1);
        assert_eq!(std::fs::read_dir(rig.folder.path().join("home")).expect("a folder").count(), 2);
    });
}
