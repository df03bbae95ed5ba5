//! A session that does nothing but hold locks.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::{LockError, Locks};
use crate::database::{DatabaseError, Endpoint, SqlError};

/// It says the same few things again and again: to plan them for each lock costs more than to carry them out.
const PLANNED_ONCE: &str = "SELECT pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false), \
                                   pg_catalog.pg_backend_pid() AS pid";

/// A connection of its own for [`Locks`]: for work that goes over several sessions, or over none for long.
#[derive(Debug)]
pub struct LockSession {
    conn: PgConnection,
    locks: Locks,
}

impl LockSession {
    /// Opens it, past a pooler where `direct_url` leads there.
    ///
    /// # Errors
    /// [`DatabaseError::Pooler`] where a pooler hands out backends per transaction; what [`Endpoint::session`] says.
    pub async fn open(
        endpoint: &Endpoint,
        registry_schema: &str,
        project: &str,
        purpose: &str,
    ) -> Result<Self, DatabaseError> {
        let target = endpoint.direct();
        let mut conn = target.unshared(target.session(purpose)).await?;
        let row = sqlx::raw_sql(PLANNED_ONCE).fetch_one(&mut conn).await.map_err(SqlError::from)?;
        let pid: i32 = row.try_get("pid").map_err(SqlError::from)?;
        let locks = Locks::new(target, registry_schema, project, purpose, pid);
        Ok(Self { conn, locks })
    }

    /// As [`Locks::acquire`].
    ///
    /// # Errors
    /// As there.
    pub async fn acquire(&mut self, name: &str, wait: Duration) -> Result<(), LockError> {
        self.locks.acquire(&mut self.conn, name, wait).await
    }

    /// As [`Locks::acquire_all`].
    ///
    /// # Errors
    /// As there.
    pub async fn acquire_all(&mut self, names: &[&str], wait: Duration) -> Result<(), LockError> {
        self.locks.acquire_all(&mut self.conn, names, wait).await
    }

    /// As [`Locks::try_acquire`].
    ///
    /// # Errors
    /// As there.
    pub async fn try_acquire(&mut self, name: &str) -> Result<bool, LockError> {
        self.locks.try_acquire(&mut self.conn, name).await
    }

    /// Its connection, for what is said to be done by the one who holds the locks.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    /// Gives one lock back.
    ///
    /// # Errors
    /// What the server says.
    pub async fn release(&mut self, name: &str) -> Result<(), DatabaseError> {
        self.locks.release_all(&mut self.conn, &[name]).await
    }

    /// As [`Locks::announce`].
    ///
    /// # Errors
    /// As there.
    pub async fn announce(&mut self) -> Result<(), DatabaseError> {
        self.locks.announce(&mut self.conn).await
    }

    /// Whether this lock is held.
    pub fn holds(&self, name: &str) -> bool {
        self.locks.holds(name)
    }

    /// The process of this session on the database server.
    pub fn pid(&self) -> i32 {
        self.locks.pid()
    }

    /// Gives everything back and ends the session.
    ///
    /// # Errors
    /// What the server says; the locks are free all the same.
    pub async fn close(mut self) -> Result<(), DatabaseError> {
        let given = self.locks.release(&mut self.conn).await;
        let closed = self.conn.close().await.map_err(DatabaseError::from);
        given.and(closed)
    }
}
