//! The `git` program, for tests that need a repository.

use std::path::Path;
use std::process::Command;

/// Who commits, whatever the machine's own settings say.
const SETTINGS: [&str; 6] = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false"];

/// What git says; panics where it fails.
#[track_caller]
pub fn git(folder: &Path, args: &[&str]) -> String {
    let out = Command::new("git").arg("-C").arg(folder).args(SETTINGS).args(args).output().expect("git");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// Commits all of a folder, changed or not: the commit.
#[track_caller]
pub fn commit(folder: &Path) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "marts"]);
    git(folder, &["rev-parse", "HEAD"])
}
