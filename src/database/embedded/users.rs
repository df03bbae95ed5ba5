//! Who uses the server: `start.lock` is held alone while it is started or stopped, `users.lock` is shared by all that use it. A killed
//! command's locks vanish with it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tokio::time::Instant;

use super::place::io;
use crate::database::DatabaseError;

const PAUSE: Duration = Duration::from_millis(5);
/// A first start with a long seed script may take its time.
const PATIENCE: Duration = Duration::from_secs(600);

/// Held alone while the server is started or stopped.
#[derive(Debug)]
pub(super) struct Starting(#[expect(dead_code, reason = "held, not read")] Flock<File>);

/// Held while the server is used.
#[derive(Debug)]
pub(super) struct Using(Flock<File>);

impl Starting {
    /// Waits until no other command starts or stops it.
    pub(super) async fn wait(home: &Path) -> Result<Self, DatabaseError> {
        let deadline = Instant::now() + PATIENCE;
        let path = home.join("start.lock");
        let mut file = open(&path)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self(lock)),
                Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file = back,
                Err((_, errno)) => return Err(io("lock", &path, errno.into())),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The same without waiting.
    pub(super) fn now(home: &Path) -> Option<Self> {
        let file = open(&home.join("start.lock")).ok()?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(Self)
    }
}

impl Using {
    /// Joins the users. Nobody can hold this lock alone but under `start.lock`, which the caller holds.
    pub(super) fn join(home: &Path, _: &Starting) -> Result<Self, DatabaseError> {
        let path = home.join("users.lock");
        let lock = Flock::lock(open(&path)?, FlockArg::LockShared);
        lock.map(Self).map_err(|(_, errno)| io("lock", &path, errno.into()))
    }

    /// Leaves; `true` where nobody else is left, as long as the caller holds `start.lock`.
    pub(super) fn leave(self, _: &Starting) -> bool {
        self.0.relock(FlockArg::LockExclusiveNonblock).is_ok()
    }
}

fn open(path: &Path) -> Result<File, DatabaseError> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path).map_err(|e| io("open", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_last_user_is_the_last() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let starting = Starting::wait(home.path()).await?;
        assert!(Starting::now(home.path()).is_none());
        let first = Using::join(home.path(), &starting)?;
        let second = Using::join(home.path(), &starting)?;
        assert!(!first.leave(&starting));
        assert!(second.leave(&starting));
        Ok(())
    }
}
