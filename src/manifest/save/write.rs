//! Files onto the disk: all of them or none.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::FileText;
use crate::manifest::ManifestError;
use crate::manifest::load::{MARK, plain, unmarked, walk};

/// Writes all files or none, below `dir`; folders are made. Each text is written beside its place first and renamed then, so
/// that nobody reads half a file. Where one fails, what had been replaced is put back and what was new is removed. A file
/// that is replaced keeps its byte order mark, and its `\r\n` if all of its lines end so.
///
/// # Errors
/// [`ManifestError::Write`] with the file that could not be written, [`ManifestError::Changed`] where it is not what is
/// expected, [`ManifestError::Exists`] where there should be none, [`ManifestError::Twice`] where two texts are for one file.
pub fn write(dir: &Path, files: &[FileText]) -> Result<(), ManifestError> {
    let mut undo = Undo::default();
    let mut places = HashSet::with_capacity(files.len());
    let mut prepared = Vec::with_capacity(files.len());
    for file in files {
        let path = dir.join(&file.path);
        let failed = |source| ManifestError::Write { path: path.clone(), source };
        let place = undo.place(&path).map_err(failed)?;
        if !places.insert(place.clone()) {
            return Err(ManifestError::Twice { path });
        }
        let old = as_expected(&place, &path, file)?;
        prepared.push(undo.prepare(place, &file.text, old.as_deref()).map_err(failed)?);
    }
    for (file, Prepared { place, new, old }) in files.iter().zip(prepared) {
        let path = dir.join(&file.path);
        as_expected(&place, &path, file)?;
        std::fs::rename(&new, &place).map_err(|source| ManifestError::Write { path, source })?;
        undo.steps.push(match old {
            Some(old) => Step::PutBack { place, old },
            None => Step::Remove(place),
        });
    }
    undo.keep();
    Ok(())
}

/// What stands at a place, if it is what a new text may replace; `path` is the place's name for people.
fn as_expected(place: &Path, path: &Path, file: &FileText) -> Result<Option<Vec<u8>>, ManifestError> {
    let path = path.to_owned();
    let Some(before) = &file.before else {
        return match place.symlink_metadata() {
            Ok(_) => Err(ManifestError::Exists { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ManifestError::Write { path, source }),
        };
    };
    match std::fs::read(place) {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) if plain(unmarked(text).to_owned()) == unmarked(before) => Ok(Some(bytes)),
            _ => Err(ManifestError::Changed { path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ManifestError::Changed { path }),
        Err(source) => Err(ManifestError::Write { path, source }),
    }
}

/// Whether all lines end with `\r\n`.
fn is_windows(text: &[u8]) -> bool {
    let ends = text.iter().filter(|byte| **byte == b'\n').count();
    ends > 0 && text.windows(2).filter(|pair| pair == b"\r\n").count() == ends
}

/// Every `.sql` below the folder, with `/`: what new queries cannot be named. Hidden ones are left out.
///
/// # Errors
/// [`ManifestError::Read`] where a folder cannot be read.
pub fn queries(dir: &Path) -> Result<Vec<String>, ManifestError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    Ok(walk(dir, ".sql", &|_| true)?.into_iter().map(|file| file.path).collect())
}

/// A text beside its place, with a copy of what stands there.
struct Prepared {
    place: PathBuf,
    new: PathBuf,
    old: Option<PathBuf>,
}

enum Step {
    /// A file that was not there.
    Remove(PathBuf),
    /// A folder that was not there.
    RemoveFolder(PathBuf),
    /// A file that was replaced.
    PutBack { place: PathBuf, old: PathBuf },
}

/// Takes everything back unless it is to be kept.
#[derive(Default)]
struct Undo {
    steps: Vec<Step>,
    kept: bool,
}

impl Undo {
    /// Where a file really is: behind a link the file itself is replaced. Its folders are made.
    fn place(&mut self, path: &Path) -> io::Result<PathBuf> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(path.to_owned());
        };
        self.make(folder)?;
        let beside = || folder.canonicalize().map(|folder| folder.join(name));
        Ok(path.canonicalize().or_else(|_| beside()).unwrap_or_else(|_| path.to_owned()))
    }

    /// Writes a text beside its place, and a copy of the file that stands there.
    fn prepare(&mut self, place: PathBuf, text: &str, old: Option<&[u8]>) -> io::Result<Prepared> {
        let (new, copy) = (beside(&place, "new"), beside(&place, "old"));
        self.steps.push(Step::Remove(new.clone()));
        let mark = if old.is_some_and(|old| old.starts_with(MARK.as_bytes())) { MARK } else { "" };
        let text = unmarked(text);
        let text = if old.is_some_and(is_windows) { text.replace('\n', "\r\n") } else { text.to_owned() };
        std::fs::write(&new, format!("{mark}{text}"))?;
        if old.is_none() {
            return Ok(Prepared { place, new, old: None });
        }
        self.steps.push(Step::Remove(copy.clone()));
        std::fs::copy(&place, &copy)?;
        std::fs::set_permissions(&new, std::fs::metadata(&place)?.permissions())?;
        Ok(Prepared { place, new, old: Some(copy) })
    }

    /// Makes a folder and those it is in.
    fn make(&mut self, folder: &Path) -> io::Result<()> {
        let missing = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.exists());
        for folder in missing.map(Path::to_owned).collect::<Vec<_>>().into_iter().rev() {
            // A `..` may have come to be meanwhile.
            if !folder.exists() {
                std::fs::create_dir(&folder)?;
                self.steps.push(Step::RemoveFolder(folder));
            }
        }
        Ok(())
    }

    /// Nothing is taken back; the copies go.
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Undo {
    /// What cannot be taken back is left; the error that led here is the one to tell.
    fn drop(&mut self) {
        for step in self.steps.drain(..).rev() {
            let _done = match step {
                Step::PutBack { old, .. } if self.kept => std::fs::remove_file(old),
                Step::PutBack { place, old } => std::fs::rename(old, place),
                Step::Remove(_) | Step::RemoveFolder(_) if self.kept => Ok(()),
                Step::Remove(path) => std::fs::remove_file(path),
                Step::RemoveFolder(path) => std::fs::remove_dir(path),
            };
        }
    }
}

/// A hidden name in the same folder, which no loader reads.
fn beside(place: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(format!(".datamart-{}-{what}", std::process::id()));
    place.with_file_name(name)
}
