//! Folders are watched: editors, bursts, sub-folders, folders that go and come, mounted ConfigMaps.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use datamart::manifest::LoadOptions;
use datamart::reconcile::{Reason, Revisions, Source};

use super::{revisions, run};
use crate::support::folder::Folder;
use crate::support::wait::PATIENCE;

const ONE: &str = "type = \"view\"\nquery = \"SELECT 1 AS one\"\n";

/// Loaded once, as a daemon that follows does.
async fn watched(folder: &Folder, dir: &str) -> Revisions {
    let mut revisions =
        revisions(Source::Folder, LoadOptions { dir: folder.path().join(dir), ..LoadOptions::default() });
    assert_eq!(revisions.next().await, Reason::Start);
    // A folder that is not there is watched for, too.
    let _ = revisions.load().await;
    revisions
}

async fn told(revisions: &mut Revisions) {
    let reason = tokio::time::timeout(PATIENCE, revisions.next()).await.expect("a reason to look");
    assert_eq!(reason, Reason::Files);
}

/// Marts that a load finds.
async fn marts(revisions: &mut Revisions) -> Vec<String> {
    let desired = revisions.load().await.expect("manifests");
    desired.marts.iter().map(|mart| mart.mart.name.name.clone()).collect()
}

async fn is_silent(revisions: &mut Revisions) -> bool {
    tokio::time::timeout(Duration::from_millis(700), revisions.next()).await.is_err()
}

async fn silent(revisions: &mut Revisions) {
    assert!(is_silent(revisions).await, "nothing changed");
}

/// Waits until nothing more is told.
async fn calm(revisions: &mut Revisions) {
    for _ in 0..20 {
        if is_silent(revisions).await {
            return;
        }
    }
    panic!("it is told again and again");
}

/// Nothing more is told. Where the machine is busy the kernel may tell of some things after the quiet that is waited for: then
/// not each time.
async fn told_once(revisions: &mut Revisions, change: impl Fn()) {
    for _ in 0..5 {
        change();
        told(revisions).await;
        revisions.load().await.expect("manifests");
        if is_silent(revisions).await {
            return;
        }
        calm(revisions).await;
    }
    panic!("each time it was told again");
}

#[test]
fn a_file_that_is_replaced_by_a_rename_is_told_once() {
    run(async {
        let folder = Folder::of(&[("marts/one.toml", ONE)]);
        let mut revisions = watched(&folder, "marts").await;
        silent(&mut revisions).await;
        let path = folder.path().join("marts");
        // As vim and most others save.
        let save = || {
            fs::write(path.join("one.toml~"), ONE).expect("a file");
            fs::write(path.join(".one.toml.swp"), ONE).expect("a file");
            fs::rename(path.join("one.toml~"), path.join("one.toml")).expect("a rename");
        };
        told_once(&mut revisions, save).await;
        assert_eq!(marts(&mut revisions).await, ["one"]);
    });
}

#[test]
fn a_burst_is_one_reason() {
    run(async {
        let folder = Folder::of(&[("marts/one.toml", ONE)]);
        let mut revisions = watched(&folder, "marts").await;
        told_once(&mut revisions, || (0..50).for_each(|number| folder.write(&format!("marts/m{number}.toml"), ONE)))
            .await;
        assert_eq!(marts(&mut revisions).await.len(), 51);
    });
}

#[test]
fn a_reason_that_is_dropped_is_told_again() {
    run(async {
        let folder = Folder::of(&[("marts/one.toml", ONE)]);
        let mut revisions = watched(&folder, "marts").await;
        folder.write("marts/two.toml", ONE);
        // Shorter than the quiet that is waited for.
        for _ in 0..3 {
            if tokio::time::timeout(Duration::from_millis(20), revisions.next()).await.is_ok() {
                // On a machine that stood still it was told at once.
                return;
            }
        }
        told(&mut revisions).await;
    });
}

#[test]
fn new_folders_are_watched_and_hidden_ones_are_not() {
    run(async {
        let folder = Folder::of(&[("marts/one.toml", ONE), ("marts/.datamart/postgres/base", "x")]);
        let mut revisions = watched(&folder, "marts").await;
        folder.write("marts/.datamart/postgres/base", "y");
        folder.write("beside.toml", ONE);
        silent(&mut revisions).await;
        folder.write("marts/deep/er/two.toml", ONE);
        told(&mut revisions).await;
        assert_eq!(marts(&mut revisions).await, ["one", "two"]);
        calm(&mut revisions).await;
        folder.write("marts/deep/er/three.toml", ONE);
        told(&mut revisions).await;
        assert_eq!(marts(&mut revisions).await.len(), 3);
    });
}

#[test]
fn a_folder_may_go_and_come_back() {
    run(async {
        let folder = Folder::of(&[("above/marts/one.toml", ONE)]);
        let mut revisions = watched(&folder, "above/marts").await;
        fs::remove_dir_all(folder.path().join("above")).expect("a removal");
        told(&mut revisions).await;
        assert!(revisions.load().await.is_err());
        assert!(revisions.desired().is_some_and(|good| good.marts.len() == 1), "the last good one stays");
        folder.write("above/marts/one.toml", ONE);
        folder.write("above/marts/two.toml", ONE);
        told(&mut revisions).await;
        assert_eq!(marts(&mut revisions).await, ["one", "two"]);
        folder.write("above/marts/three.toml", ONE);
        told(&mut revisions).await;
        assert_eq!(marts(&mut revisions).await.len(), 3);
    });
}

#[test]
fn a_mounted_config_map_is_switched_by_a_link() {
    run(async {
        let folder = Folder::of(&[
            ("mount/..1/one.toml", ONE),
            ("mount/..2/one.toml", "type = \"view\"\nquery = \"SELECT 2 AS two\"\n"),
        ]);
        let mount = folder.path().join("mount");
        symlink("..1", mount.join("..data")).expect("a link");
        symlink("..data/one.toml", mount.join("one.toml")).expect("a link");
        let mut revisions = watched(&folder, "mount").await;
        assert_eq!(marts(&mut revisions).await, ["one"]);
        symlink("..2", mount.join("..data_tmp")).expect("a link");
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("a switch");
        fs::remove_dir_all(mount.join("..1")).expect("a removal");
        told(&mut revisions).await;
        let desired = revisions.load().await.expect("manifests");
        assert!(desired.marts[0].mart.query.contains("two"));
    });
}

#[test]
fn the_folder_may_be_a_link_that_is_switched() {
    run(async {
        let folder = Folder::of(&[("releases/1/one.toml", ONE), ("releases/2/two.toml", ONE)]);
        symlink("releases/1", folder.path().join("current")).expect("a link");
        let mut revisions = watched(&folder, "current").await;
        assert_eq!(marts(&mut revisions).await, ["one"]);
        symlink("releases/2", folder.path().join("next")).expect("a link");
        fs::rename(folder.path().join("next"), folder.path().join("current")).expect("a switch");
        told(&mut revisions).await;
        assert_eq!(marts(&mut revisions).await, ["two"]);
        folder.write("releases/2/three.toml", ONE);
        told(&mut revisions).await;
    });
}

#[test]
fn the_operator_s_file_is_watched() {
    run(async {
        let folder = Folder::of(&[("marts/one.toml", ONE), ("etc/policy.toml", "[policy]\nprune = false\n")]);
        let config = Some(folder.path().join("etc/policy.toml"));
        let load = LoadOptions { dir: folder.path().join("marts"), config, ..LoadOptions::default() };
        let mut revisions = revisions(Source::Folder, load);
        assert_eq!(revisions.next().await, Reason::Start);
        assert_eq!(marts(&mut revisions).await, ["one"]);
        folder.write("etc/other.toml", "x");
        silent(&mut revisions).await;
        folder.write("etc/policy.toml", "[policy]\nprune = true\n");
        told(&mut revisions).await;
    });
}
