//! Manifests written for one test.

use std::path::Path;

/// A folder that goes with its test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder of files: name below it, content.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// Writes one file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
