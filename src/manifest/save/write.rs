//! Files onto the disk: all of them or none.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::FileText;
use crate::manifest::ManifestError;

/// Writes all files or none, below `dir`; folders are made. Each text is written beside its place first and renamed then, so
/// that nobody reads half a file. Where one fails, what had been replaced is put back and what was new is removed.
///
/// # Errors
/// [`ManifestError::Write`] with the file that could not be written.
pub fn write(dir: &Path, files: &[FileText]) -> Result<(), ManifestError> {
    let mut undo = Undo::default();
    let mut placed = Vec::with_capacity(files.len());
    for file in files {
        let place = dir.join(&file.path);
        let failed = |source| ManifestError::Write { path: place.clone(), source };
        placed.push(undo.prepare(&place, &file.text).map_err(failed)?);
    }
    for Prepared { place, new, old } in placed {
        let failed = |source| ManifestError::Write { path: place.clone(), source };
        std::fs::rename(&new, &place).map_err(failed)?;
        undo.steps.push(match old {
            Some(old) => Step::PutBack { place, old },
            None => Step::Remove(place),
        });
    }
    undo.keep();
    Ok(())
}

/// Every `.sql` below the folder, with `/`: nothing that people wrote is written over.
///
/// # Errors
/// [`ManifestError::Read`] where a folder cannot be read.
pub fn queries(dir: &Path) -> Result<Vec<String>, ManifestError> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(below) = folders.pop() {
        let folder = dir.join(&below);
        let failed = |source| ManifestError::Read { path: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(format!("{path}/"));
            } else if path.ends_with(".sql") {
                found.push(path);
            }
        }
    }
    Ok(found)
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
    fn prepare(&mut self, place: &Path, text: &str) -> io::Result<Prepared> {
        if let Some(folder) = place.parent() {
            self.make(folder)?;
        }
        // Behind a link the file itself is replaced.
        let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
        let (new, old) = (beside(&place, "new"), beside(&place, "old"));
        self.steps.push(Step::Remove(new.clone()));
        std::fs::write(&new, text)?;
        let old = if place.exists() {
            self.steps.push(Step::Remove(old.clone()));
            std::fs::copy(&place, &old)?;
            std::fs::set_permissions(&new, std::fs::metadata(&place)?.permissions())?;
            Some(old)
        } else {
            None
        };
        Ok(Prepared { place, new, old })
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
