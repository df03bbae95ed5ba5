//! The sessions of the API: few, opened when needed, closed when idle.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};

use super::problem::Problem;
use crate::database::Endpoint;

/// So many sessions at most.
const SESSIONS: usize = 4;
/// A request waits this long for one.
const QUEUE: Duration = Duration::from_secs(5);
/// … and this long for a new one, or for an old one to show that it lives.
const OPENING: Duration = Duration::from_secs(5);
/// A session that nobody used for so long is closed.
const IDLE: Duration = Duration::from_secs(5);

/// A session that somebody uses.
#[derive(Debug)]
pub(super) struct Session<'a> {
    conn: PgConnection,
    pool: &'a Pool,
    _place: SemaphorePermit<'a>,
}

impl Session<'_> {
    /// Gives it back after its work, whose outcome is handed on. One that is in doubt is not used again.
    ///
    /// # Errors
    /// What the work ended with.
    pub async fn after<T>(mut self, done: Result<T, Problem>) -> Result<T, Problem> {
        let sound = match &done {
            Ok(_) => true,
            // What was begun ends, and the session is as it was.
            Err(_) => {
                let ended = timeout(OPENING, sqlx::raw_sql("ROLLBACK").execute(&mut self.conn)).await;
                ended.is_ok_and(|ended| ended.is_ok())
            }
        };
        if sound {
            self.pool.sessions().push((Instant::now() + IDLE, self.conn));
            self.pool.returned.notify_one();
        }
        done
    }
}

impl Deref for Session<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Session<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

/// The sessions.
#[derive(Debug)]
pub(super) struct Pool {
    endpoint: Endpoint,
    places: Semaphore,
    idle: Mutex<Vec<(Instant, PgConnection)>>,
    /// One came back.
    returned: Notify,
}

impl Pool {
    /// No session yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, places: Semaphore::new(SESSIONS), idle: Mutex::default(), returned: Notify::new() }
    }

    /// A session. Where the caller goes away in the middle of its work, the session ends with it.
    ///
    /// # Errors
    /// 503 where there is none to be had.
    pub async fn session(&self) -> Result<Session<'_>, Problem> {
        let place = timeout(QUEUE, self.places.acquire()).await.ok().and_then(Result::ok);
        let place = place.ok_or_else(|| Problem::unavailable("too many requests need the database"))?;
        let conn = match self.used().await {
            Some(conn) => conn,
            None => {
                let opened = timeout(OPENING, self.endpoint.session("http")).await;
                opened.map_err(|_| Problem::unavailable("the database does not answer"))??
            }
        };
        Ok(Session { conn, pool: self, _place: place })
    }

    /// A session from before that still lives.
    async fn used(&self) -> Option<PgConnection> {
        loop {
            let (_, mut conn) = self.sessions().pop()?;
            if timeout(OPENING, conn.ping()).await.is_ok_and(|alive| alive.is_ok()) {
                return Some(conn);
            }
        }
    }

    /// Closes what is idle, for ever; sleeps while nothing is.
    pub async fn sweep(&self) {
        loop {
            let Some(due) = self.sessions().iter().map(|(due, _)| *due).min() else {
                self.returned.notified().await;
                continue;
            };
            sleep_until(due).await;
            let now = Instant::now();
            let old: Vec<PgConnection> = {
                let mut sessions = self.sessions();
                let (old, young) = std::mem::take(&mut *sessions).into_iter().partition(|(due, _)| *due <= now);
                *sessions = young;
                old.into_iter().map(|(_, conn): (Instant, PgConnection)| conn).collect()
            };
            for conn in old {
                // Nothing is open in it; where it does not say good-bye, the server sees it go.
                let _ = timeout(OPENING, conn.close()).await;
            }
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<(Instant, PgConnection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
