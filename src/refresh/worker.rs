//! One worker: a session that refreshes and holds the mart's lock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::{RefreshError, Run, RunStatus};
use crate::database::{Endpoint, ErrorKind, LockError, Locks, application_name};

/// A server that is gone says nothing.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// Which numbers are given away, the server process of each, and whether it works.
pub(super) type Numbers = Rc<RefCell<BTreeMap<usize, (i32, bool)>>>;

/// A connection for the work. It holds the mart's lock itself: the lock is there as long as the server is at work, and no longer.
pub(super) struct Worker {
    pub conn: PgConnection,
    pub locks: Locks,
    pub user: String,
    /// It worked before and rested since: its connection may have broken unseen.
    pub rested: bool,
    /// It was opened, or worked, a moment ago.
    pub fresh: bool,
    /// Whether its session was asked to keep the statements of a run.
    pub kept: bool,
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
        let purpose = purpose(self.lease.number);
        let mut conn = endpoint.direct().worker(&purpose).await?;
        let (pid, user) = who(&mut conn, &purpose).await?;
        // The locks of the session before went with it.
        let locks = self.locks.of_another(pid);
        (self.conn, self.locks, self.user, self.kept) = (conn, locks, user, false);
        self.at_work();
        Ok(())
    }

    /// It works from now on.
    pub fn at_work(&self) {
        self.lease.numbers.borrow_mut().insert(self.lease.number, (self.locks.pid(), true));
    }

    /// Says of a run what the history and everybody else is told: one that was cancelled only because its process stops did not fail by itself, and nobody wanted
    /// it not to run. Whoever comes next makes up for it.
    pub fn tell(&self, run: &mut Run) {
        let ours = self.stopping.get() && run.status == RunStatus::Cancelled;
        if let Some(error) = run.error.as_mut().filter(|error| ours && error.kind == ErrorKind::Cancelled.as_str()) {
            ErrorKind::Connection.as_str().clone_into(&mut error.kind);
            let words = "the process that ran it was told to stop".to_owned();
            error.detail = Some(std::mem::replace(&mut error.message, words));
        }
    }

    /// Takes the lock `name`, trying for `wait`.
    ///
    /// # Errors
    /// As [`Locks::acquire`].
    pub async fn acquire(&mut self, name: &str, wait: Duration) -> Result<(), LockError> {
        self.locks.acquire(&mut self.conn, name, wait).await
    }

    /// Gives locks back. Where the session ended, they went with it: what was done stands, and the next mart needs another one.
    ///
    /// # Errors
    /// What the way to the server says.
    pub async fn unlock(&mut self, endpoint: &Endpoint, locks: &[&str]) -> Result<(), RefreshError> {
        match self.locks.release_all(&mut self.conn, locks).await {
            Ok(()) => Ok(()),
            Err(_) => self.reconnect(endpoint).await,
        }
    }

    /// Ends its session.
    pub async fn close(mut self) {
        let closed = async {
            let _ = self.locks.release(&mut self.conn).await;
            let _ = self.conn.close().await;
        };
        // Everything is committed and recorded; a session that cannot say good-bye changes nothing.
        let _ = tokio::time::timeout(GOOD_BYE, closed).await;
    }
}

/// What its session is opened for.
pub(super) fn purpose(number: usize) -> String {
    format!("refresh {number}")
}

/// The server process of a session, and its role; from now on it says that it works for `purpose`.
///
/// # Errors
/// What the server says.
pub(super) async fn who(conn: &mut PgConnection, purpose: &str) -> Result<(i32, String), RefreshError> {
    let sql =
        "SELECT pg_catalog.pg_backend_pid(), current_user::text, pg_catalog.set_config('application_name', $1, false)";
    let row = sqlx::query(sql)
        .bind(application_name(purpose))
        .fetch_one(conn)
        .await
        .map_err(|error| RefreshError::History(error.into()))?;
    let facts = || Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?));
    facts().map_err(|error| RefreshError::History(error.into()))
}
