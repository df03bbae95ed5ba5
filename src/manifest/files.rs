//! What a project is made of on disk: to know when it changed, whether it can be read or not.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Desired, LoadOptions};
use crate::state::Fingerprint;

/// The fingerprint of everything that [`load`](super::load) would read: every `*.toml` and `*.sql` below the folder that is not
/// hidden, `--config`, and the query files that stand elsewhere, as far as `before` (what was loaded last) knows them. `None` where
/// the folder cannot be read.
pub fn content(options: &LoadOptions, before: Option<&Desired>) -> Option<Fingerprint> {
    let mut files = BTreeSet::new();
    for folder in folders(options)? {
        // One that goes meanwhile has nothing in it.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let wanted = path.extension().is_some_and(|ending| ending == "toml" || ending == "sql");
            if wanted && !hidden(&path) {
                files.insert(path);
            }
        }
    }
    files.extend(beside(options, before));
    let mut digest = Sha256::new();
    for file in files {
        let text = admit(options, &file).and_then(|()| std::fs::read(&file)).ok();
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update([0, u8::from(text.is_some())]);
        let text = text.unwrap_or_default();
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    Some(Fingerprint(format!("sha256:{}", hex::encode(digest.finalize()))))
}

/// Files that belong to it and stand outside its folder's `*.toml` and `*.sql`.
pub fn beside(options: &LoadOptions, before: Option<&Desired>) -> BTreeSet<PathBuf> {
    let queries = before.into_iter().flat_map(|desired| &desired.marts).map(|mart| mart.query_source.file.clone());
    queries.chain(options.config.clone()).collect()
}

/// Refuses what `options` do not let be read.
///
/// # Errors
/// It lies elsewhere; or there is nothing.
pub(super) fn admit(options: &LoadOptions, path: &Path) -> std::io::Result<()> {
    let Some(within) = &options.within else { return Ok(()) };
    let own = options.config.as_deref() == Some(path);
    match own || path.canonicalize()?.starts_with(within.canonicalize()?) {
        true => Ok(()),
        false => Err(std::io::Error::other("it lies outside of the repository")),
    }
}

/// The folder and every folder below it that is not hidden; links are followed, to each folder once, as far as they may be. `None` where
/// it is no folder.
pub fn folders(options: &LoadOptions) -> Option<Vec<PathBuf>> {
    let dir = &options.dir;
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([dir.canonicalize().ok().filter(|dir| dir.is_dir())?]);
    let mut next = VecDeque::from([dir.to_owned()]);
    while let Some(folder) = next.pop_front() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if hidden(&path) || !path.is_dir() || admit(options, &path).is_err() {
                continue;
            }
            if path.canonicalize().is_ok_and(|real| seen.insert(real)) {
                next.push_back(path);
            }
        }
        found.push(folder);
    }
    Some(found)
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn content_is_that_of_the_files_that_are_read() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let options = LoadOptions { dir: dir.path().join("marts"), ..LoadOptions::default() };
        assert_eq!(content(&options, None), None);
        fs::create_dir_all(options.dir.join("a/.hidden"))?;
        fs::write(options.dir.join("a/one.toml"), "x")?;
        let before = content(&options, None);
        assert!(before.is_some());
        fs::write(options.dir.join("a/.hidden/two.toml"), "x")?;
        fs::write(options.dir.join("a/notes.txt"), "x")?;
        assert_eq!(content(&options, None), before);
        fs::write(options.dir.join("a/one.sql"), "x")?;
        let with = content(&options, None);
        assert_ne!(with, before);
        fs::rename(options.dir.join("a/one.sql"), options.dir.join("a/two.sql"))?;
        assert_ne!(content(&options, None), with);
        assert_eq!(folders(&options).map(|all| all.len()), Some(2));
        Ok(())
    }
}
