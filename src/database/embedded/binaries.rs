//! Where PostgreSQL's server programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::database::DatabaseError;

/// Names a folder of programs that goes before all others.
const OVERRIDE: &str = "DATAMART_POSTGRES_BIN";

/// Folders with a `<major>/bin` below them, as distributions lay them out.
const VERSIONED: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr/libexec", "bin"),
    ("/usr/local/opt", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/Library/PostgreSQL", "bin"),
];

/// A folder with `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: String,
}

impl Binaries {
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// The programs to use: those of the folder given, else where data of a major version is there already, programs of that
/// version first.
pub(super) fn find(wanted: Option<&str>, given: Option<&Path>) -> Result<Binaries, DatabaseError> {
    if let Some(folder) = given {
        return at(folder).ok_or_else(|| none(&format!("in {}", folder.display())));
    }
    if let Some(folder) = std::env::var_os(OVERRIDE).filter(|value| !value.is_empty()) {
        return at(Path::new(&folder)).ok_or_else(|| none(&format!("{OVERRIDE}={}", folder.display())));
    }
    let mut first = None;
    for folder in candidates() {
        let Some(found) = at(&folder) else { continue };
        if wanted.is_none_or(|major| major == found.major) {
            return Ok(found);
        }
        first = first.or(Some(found));
    }
    first.ok_or_else(|| none("on PATH, by pg_config --bindir and under /usr/lib/postgresql"))
}

/// The folder's programs, where both are there and say which version they are.
fn at(folder: &Path) -> Option<Binaries> {
    let postgres = folder.join("postgres");
    if !postgres.is_file() || !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").current_dir("/").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(Binaries { folder: folder.to_owned(), major: major_of(&said)? })
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` → `15`; `19devel` → `19`.
fn major_of(said: &str) -> Option<String> {
    let version = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(version.chars().take_while(char::is_ascii_digit).collect())
}

fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A symbolic link in PATH leads to the folder where both programs and their libraries are.
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .filter_map(|folder| folder.join("postgres").canonicalize().ok()?.parent().map(Path::to_owned))
        .collect();
    folders.extend(versioned());
    folders.extend(pg_config());
    let mut seen = std::collections::HashSet::new();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(said.trim()))
}

/// Newest first.
fn versioned() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = VERSIONED
        .iter()
        .filter_map(|(root, bin)| Some((std::fs::read_dir(root).ok()?, bin)))
        .flat_map(|(entries, bin)| entries.flatten().map(move |entry| (entry, bin)))
        .filter_map(|(entry, bin)| {
            let name = entry.file_name().into_string().ok()?;
            let digits = name.trim_start_matches("postgresql").trim_start_matches(['@', '-']);
            Some((digits.parse().ok()?, entry.path().join(bin)))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn none(looked: &str) -> DatabaseError {
    DatabaseError::NoBinaries {
        looked: looked.to_owned(),
        install: install(&std::fs::read_to_string("/etc/os-release").unwrap_or_default()),
    }
}

/// The command that installs the server on the system that `os_release` describes.
fn install(os_release: &str) -> String {
    let words: Vec<String> = os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let is = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    let command = if is(&["debian", "ubuntu"]) {
        "apt-get install postgresql"
    } else if is(&["fedora", "rhel", "centos", "amzn"]) {
        "dnf install postgresql-server"
    } else if is(&["alpine"]) {
        "apk add postgresql"
    } else if is(&["arch"]) {
        "pacman -S postgresql"
    } else if is(&["suse", "opensuse"]) {
        "zypper install postgresql-server"
    } else if cfg!(target_os = "macos") {
        "brew install postgresql@18"
    } else {
        "the system's package of the PostgreSQL server"
    };
    command.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let debian = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)";
        assert_eq!(major_of(debian).as_deref(), Some("15"));
        assert_eq!(major_of("postgres (PostgreSQL) 19devel").as_deref(), Some("19"));
        assert_eq!(major_of(""), None);
    }

    #[test]
    fn no_other_folder_stands_in_for_the_one_given() {
        let found = find(None, Some(Path::new("/nonexistent")));
        assert!(
            matches!(&found, Err(DatabaseError::NoBinaries { looked, .. }) if looked == "in /nonexistent"),
            "{found:?}"
        );
    }

    #[test]
    fn the_package_is_that_of_the_system() {
        assert_eq!(install("NAME=x\nID=debian\n"), "apt-get install postgresql");
        assert_eq!(install("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), "apt-get install postgresql");
        assert_eq!(install("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), "dnf install postgresql-server");
        assert_eq!(install("ID=alpine\n"), "apk add postgresql");
    }
}
