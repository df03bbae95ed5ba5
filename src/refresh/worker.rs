//! One worker: a session that refreshes, and one that holds the mart's lock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::{Options, RefreshError, Run, RunStatus};
use crate::database::{Endpoint, ErrorKind, LockSession};

/// A server that is gone says nothing.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// Which numbers are given away, the server process of each, and whether it works.
pub(super) type Numbers = Rc<RefCell<BTreeMap<usize, (i32, bool)>>>;

/// A connection for the work and one that holds the mart's lock.
pub(super) struct Worker {
    pub conn: PgConnection,
    pub locks: LockSession,
    pub user: String,
    pub pid: i32,
    /// It worked before and rested since: its connections may have broken unseen.
    pub rested: bool,
    /// It was opened, or worked, a moment ago.
    pub fresh: bool,
    /// Whether its session keeps the statement that closes a run's row, if that was tried.
    pub keeps: Option<bool>,
    /// Whoever refreshes is told to stop, and cancels what is at work.
    pub stopping: Rc<Cell<bool>>,
    pub lease: Lease,
}

/// A worker's number, given back when it goes.
pub(super) struct Lease {
    pub numbers: Numbers,
    pub number: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.numbers.borrow_mut().remove(&self.number);
    }
}

impl Worker {
    /// Opens the session that works once more.
    ///
    /// # Errors
    /// What the way to the server says.
    pub async fn reconnect(&mut self, endpoint: &Endpoint) -> Result<(), RefreshError> {
        let (conn, pid, user) = session(endpoint, self.lease.number).await?;
        (self.conn, self.pid, self.user, self.keeps) = (conn, pid, user, Some(false));
        self.at_work();
        Ok(())
    }

    /// It works from now on.
    pub fn at_work(&self) {
        self.lease.numbers.borrow_mut().insert(self.lease.number, (self.pid, true));
    }

    /// A run as history tells of it: one that was cancelled only because its process stops did not fail by itself, and nobody wanted
    /// it not to run. Whoever comes next makes up for it.
    pub fn told(&self, run: &Run) -> Run {
        let mut run = run.clone();
        let ours = self.stopping.get() && run.status == RunStatus::Cancelled;
        if let Some(error) = run.error.as_mut().filter(|error| ours && error.kind == ErrorKind::Cancelled.as_str()) {
            ErrorKind::Connection.as_str().clone_into(&mut error.kind);
            "the process that ran it was told to stop".clone_into(&mut error.message);
        }
        run
    }

    /// Gives locks back. Where the session that held them ended, they went with it: what was done stands, and the next mart needs
    /// another one.
    ///
    /// # Errors
    /// What the way to the server says.
    pub async fn unlock(&mut self, endpoint: &Endpoint, locks: &[&str], options: &Options) -> Result<(), RefreshError> {
        if self.locks.release_all(locks).await.is_err() {
            self.locks = LockSession::open(endpoint, &options.registry, &options.project, "refresh lock").await?;
        }
        Ok(())
    }

    /// Ends its sessions.
    pub async fn close(self) {
        let closed = async {
            let _ = self.locks.close().await;
            let _ = self.conn.close().await;
        };
        // Everything is committed and recorded; a session that cannot say good-bye changes nothing.
        let _ = tokio::time::timeout(GOOD_BYE, closed).await;
    }
}

/// A session that works, its server process and its role.
///
/// # Errors
/// What the way to the server says.
pub(super) async fn session(endpoint: &Endpoint, number: usize) -> Result<(PgConnection, i32, String), RefreshError> {
    let mut conn = endpoint.direct().worker(&format!("refresh {number}")).await?;
    let row = sqlx::query("SELECT pg_catalog.pg_backend_pid(), current_user::text")
        .fetch_one(&mut conn)
        .await
        .map_err(|error| RefreshError::History(error.into()))?;
    let facts = || Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?));
    let (pid, user) = facts().map_err(|error| RefreshError::History(error.into()))?;
    Ok((conn, pid, user))
}
