//! Where the embedded server's files stand, and whose they are.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User};
use sha2::{Digest, Sha256};

use crate::database::DatabaseError;

/// A socket's path may have 107 bytes; the file's own name, `/.s.PGSQL.5432`, takes 15.
const SOCKET_FOLDER_BYTES: usize = 90;

/// The user that runs the server when we are root, which PostgreSQL refuses to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunAs {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

/// The folders of one embedded server.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Ours: the lock files, the log.
    pub(super) home: PathBuf,
    /// The server's: its data directory.
    pub(super) data: PathBuf,
    /// Whose the data directory is, where that is not who we are.
    pub(super) run_as: Option<RunAs>,
}

impl Place {
    /// Chooses and makes the home: `<root>/.datamart`, where the server's user can reach it, else a folder of this machine's.
    pub(super) fn prepare(root: &Path) -> Result<Self, DatabaseError> {
        let root = root.canonicalize().map_err(|e| io("find", root, e))?;
        let run_as = run_as()?;
        let beside = root.join(".datamart");
        let home = match run_as {
            Some(user) if !reachable(&root, user) => machine_home(&root),
            _ => match make(&beside, 0o755) {
                Ok(()) => beside,
                Err(_) => machine_home(&root),
            },
        };
        make(&home, 0o755)?;
        // So that nobody commits a database.
        let ignore = home.join(".gitignore");
        if !ignore.exists() {
            let _ = fs::write(&ignore, "*\n");
        }
        Ok(Self { data: home.join("postgres"), home, run_as })
    }

    /// A fresh folder for the socket, of the server's user alone, with a short path.
    pub(super) fn socket_folder(&self) -> Result<PathBuf, DatabaseError> {
        let me = Uid::effective();
        let name = short_hash(&self.data);
        let mut bases = Vec::new();
        if me.is_root() {
            bases.push(PathBuf::from("/run/datamart"));
        } else if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
            bases.push(PathBuf::from(runtime).join("datamart"));
        }
        bases.push(std::env::temp_dir().join(format!("datamart-{me}")));
        bases.push(PathBuf::from(format!("/tmp/datamart-{me}")));
        let mut failed = None;
        for base in bases {
            let folder = base.join(&name);
            if folder.as_os_str().len() > SOCKET_FOLDER_BYTES {
                continue;
            }
            let reachable = |base: &Path| self.run_as.is_none_or(|user| reachable(base, user));
            match own_folder(&base, 0o711).and_then(|()| own_folder_for(&folder, self.run_as)) {
                Ok(()) if reachable(&base) => return Ok(folder),
                Ok(()) => {}
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| DatabaseError::Embedded {
            message: "no folder with a short path for its socket".to_owned(),
        }))
    }

    /// Makes a folder that belongs to the server's user, for it alone.
    pub(super) fn server_folder(&self, folder: &Path) -> Result<(), DatabaseError> {
        make(folder, 0o700)?;
        self.give(folder)
    }

    /// Gives a file or folder to the server's user.
    pub(super) fn give(&self, path: &Path) -> Result<(), DatabaseError> {
        give(path, self.run_as)
    }
}

/// Twelve digits of a path.
fn short_hash(path: &Path) -> String {
    let digest = hex::encode(Sha256::digest(path.as_os_str().as_encoded_bytes()));
    digest.chars().take(12).collect()
}

fn machine_home(root: &Path) -> PathBuf {
    let base = if Uid::effective().is_root() {
        PathBuf::from("/var/lib/datamart")
    } else {
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        state.or_else(home).unwrap_or_else(std::env::temp_dir).join("datamart")
    };
    base.join(short_hash(root))
}

fn run_as() -> Result<Option<RunAs>, DatabaseError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let named = |name: &str| User::from_name(name).ok().flatten().filter(|user| !user.uid.is_root());
    let user = named("postgres").or_else(|| named("nobody"));
    user.map(|user| Some(RunAs { uid: user.uid, gid: user.gid })).ok_or_else(|| DatabaseError::Embedded {
        message: "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody".to_owned(),
    })
}

/// Whether this user can pass through every folder of the path.
fn reachable(path: &Path, user: RunAs) -> bool {
    path.ancestors().all(|folder| {
        fs::metadata(folder).is_ok_and(|meta| {
            let bit = if meta.uid() == user.uid.as_raw() {
                0o100
            } else if meta.gid() == user.gid.as_raw() {
                0o010
            } else {
                0o001
            };
            meta.mode() & bit != 0
        })
    })
}

fn make(folder: &Path, mode: u32) -> Result<(), DatabaseError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
    made.map_err(|e| io("create", folder, e))
}

/// Our own folder, in a place where others may write too: an existing one must be ours, and no link.
fn own_folder(folder: &Path, mode: u32) -> Result<(), DatabaseError> {
    make(folder, mode)?;
    let meta = fs::symlink_metadata(folder).map_err(|e| io("read", folder, e))?;
    if !meta.is_dir() || meta.uid() != Uid::effective().as_raw() {
        return Err(DatabaseError::Embedded {
            message: format!("{} is there already and is not ours", folder.display()),
        });
    }
    fs::set_permissions(folder, Permissions::from_mode(mode)).map_err(|e| io("set the mode of", folder, e))
}

fn own_folder_for(folder: &Path, user: Option<RunAs>) -> Result<(), DatabaseError> {
    make(folder, 0o700)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(|e| io("set the mode of", folder, e))?;
    give(folder, user)
}

fn give(path: &Path, user: Option<RunAs>) -> Result<(), DatabaseError> {
    match user {
        Some(user) => chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(|e| io("change the owner of", path, e)),
        None => Ok(()),
    }
}

pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> DatabaseError {
    DatabaseError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_parent_is_not_reachable() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let nobody = RunAs { uid: Uid::from_raw(65_534), gid: Gid::from_raw(65_534) };
        let inner = folder.path().join("inner");
        fs::create_dir(&inner)?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        assert!(reachable(&inner, nobody));
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700))?;
        assert!(!reachable(&inner, nobody));
        Ok(())
    }

    #[test]
    fn the_socket_fits_however_long_the_project_s_path_is() -> Result<(), DatabaseError> {
        let place = Place {
            home: PathBuf::from("/x"),
            data: PathBuf::from(format!("/{}", "long/".repeat(60))),
            run_as: run_as()?,
        };
        let folder = place.socket_folder()?;
        assert!(folder.join(".s.PGSQL.5432").as_os_str().len() <= 107);
        let _ = fs::remove_dir(folder);
        Ok(())
    }
}
