//! The git revision of a folder, read from git's own files.

use std::fs;
use std::path::{Path, PathBuf};

/// `branch@sha1:…`, or `HEAD@sha1:…` where no branch is checked out; `None` outside a repository and before its first commit.
pub fn revision(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let git = folder.ancestors().find_map(git_dir)?;
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let head = head.trim();
    let (branch, hash) = match head.strip_prefix("ref: ") {
        Some(name) => (name.strip_prefix("refs/heads/").unwrap_or(name), resolve(&git, name)?),
        None => ("HEAD", head.to_owned()),
    };
    let algorithm = match hash.len() {
        40 => "sha1",
        64 => "sha256",
        _ => return None,
    };
    Some(format!("{branch}@{algorithm}:{hash}"))
}

/// The repository's own folder; in a work tree of its own `.git` is a file that names it.
fn git_dir(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    Some(folder.join(text.trim().strip_prefix("gitdir: ")?))
}

fn resolve(git: &Path, name: &str) -> Option<String> {
    // Branches of a linked work tree stand in the repository it was made from.
    let common = fs::read_to_string(git.join("commondir")).ok().map(|text| git.join(text.trim()));
    let folders = [Some(git.to_owned()), common];
    folders.into_iter().flatten().find_map(|folder| {
        let loose = fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_owned());
        loose.or_else(|| packed(&fs::read_to_string(folder.join("packed-refs")).ok()?, name))
    })
}

fn packed(text: &str, name: &str) -> Option<String> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.filter(|(_, found)| *found == name).map(|(hash, _)| hash.to_owned()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_loose_and_packed_branches() -> std::io::Result<()> {
        let hash = "0123456789012345678901234567890123456789";
        let folder = tempfile::tempdir()?;
        let git = folder.path().join(".git");
        fs::create_dir_all(git.join("refs/heads"))?;
        fs::create_dir(folder.path().join("marts"))?;
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n")?;
        assert_eq!(revision(folder.path()), None);
        fs::write(git.join("packed-refs"), format!("# pack-refs\n{hash} refs/heads/main\n"))?;
        let expected = format!("main@sha1:{hash}");
        assert_eq!(revision(&folder.path().join("marts")), Some(expected.clone()));
        fs::write(git.join("refs/heads/main"), format!("{hash}\n"))?;
        assert_eq!(revision(folder.path()), Some(expected));
        fs::write(git.join("HEAD"), format!("{hash}\n"))?;
        assert_eq!(revision(folder.path()), Some(format!("HEAD@sha1:{hash}")));
        Ok(())
    }
}
