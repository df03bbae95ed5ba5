//! Leadership: of all daemons of a project one leads, by an advisory lock on a session of its own. Each leadership has an epoch.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ReconcileError;
use crate::database::registry::{self, in_schema};
use crate::database::{Endpoint, ErrorKind, LockError, LockSession, SqlError};

/// The name of the lock.
pub const LEADER: &str = "leader";
/// Between two looks whether the session still lives.
const BEAT: Duration = Duration::from_secs(1);
/// A session that does not answer within this is given up.
const SILENCE: Duration = Duration::from_secs(2);
/// To become the leader takes no longer, a registry that is brought up to date included.
const LONGEST: Duration = Duration::from_secs(60);

/// Both sides notice within seconds that the other one is gone, and nothing here waits long for anybody.
const WATCHED: &str = "SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; \
                       SET tcp_user_timeout = 3000; SET lock_timeout = 1000";

/// A session that leads, or would.
#[derive(Debug)]
pub struct Candidate {
    locks: LockSession,
    schema: String,
    project: String,
    host: String,
}

impl Candidate {
    /// Opens it. Nothing is tried yet.
    ///
    /// # Errors
    /// What the way to the server says.
    pub async fn open(endpoint: &Endpoint, schema: &str, project: &str, host: &str) -> Result<Self, ReconcileError> {
        let mut locks = LockSession::open(endpoint, schema, project, "daemon").await?;
        within(sqlx::raw_sql(WATCHED).execute(locks.connection())).await?;
        Ok(Self { locks, schema: schema.to_owned(), project: project.to_owned(), host: host.to_owned() })
    }

    /// Tries to lead, once: the epoch of this leadership; `None` where another daemon leads. Who leads brings the registry up to date.
    ///
    /// # Errors
    /// A registry that cannot be used, or that this role may not bring up to date; what the server says, or that it says nothing.
    pub async fn stand(&mut self) -> Result<Option<i64>, ReconcileError> {
        let stood = tokio::time::timeout(LONGEST, self.stand_once()).await;
        stood.unwrap_or_else(|_| {
            let words = format!("no answer within {} s", LONGEST.as_secs());
            Err(SqlError::new(ErrorKind::Connection, words).into())
        })
    }

    async fn stand_once(&mut self) -> Result<Option<i64>, ReconcileError> {
        if !self.locks.try_acquire(LEADER).await? {
            return Ok(None);
        }
        sqlx::raw_sql("BEGIN").execute(self.locks.connection()).await?;
        let entered = enter(self.locks.connection(), &self.schema, &self.project, &self.host).await;
        let end = if entered.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = sqlx::raw_sql(end).execute(self.locks.connection()).await;
        let epoch = entered?;
        ended?;
        // The row of who holds it could not be written before there was a registry.
        self.locks.announce().await?;
        Ok(Some(epoch))
    }

    /// Who leads, as an error.
    pub async fn held(&mut self) -> LockError {
        match self.locks.acquire(LEADER, Duration::ZERO).await {
            Err(error) => error,
            Ok(()) => {
                LockError::Held { name: LEADER.to_owned(), pid: None, host: None, application: None, since: None }
            }
        }
    }

    /// Whether there is a registry, for one who follows.
    ///
    /// # Errors
    /// As [`stand`](Self::stand).
    pub async fn has_registry(&mut self) -> Result<bool, ReconcileError> {
        let state = registry::state(self.locks.connection(), &self.schema).await?;
        Ok(state.usable(&self.schema)?.is_some())
    }

    /// Looks every second whether the session lives. Ends when it does not, and with it the leadership.
    pub async fn keep(&mut self) -> SqlError {
        loop {
            tokio::time::sleep(BEAT).await;
            if let Err(error) = within(sqlx::raw_sql("SELECT").execute(self.locks.connection())).await {
                return error;
            }
        }
    }

    /// Its connection, for what only the leader does.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.locks.connection()
    }

    /// Gives the leadership back.
    pub async fn resign(self) {
        // The lock ends with the session at the latest.
        let _ = tokio::time::timeout(SILENCE, self.locks.close()).await;
    }
}

/// The next epoch, in the registry as this program writes it.
async fn enter(conn: &mut PgConnection, schema: &str, project: &str, host: &str) -> Result<i64, ReconcileError> {
    registry::migrate(conn, schema).await?;
    let sql = in_schema(include_str!("sql/enter.sql"), schema);
    let process = i32::try_from(std::process::id()).unwrap_or_default();
    let row = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(host).bind(process).fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}

async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, SqlError> {
    match tokio::time::timeout(SILENCE, work).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            let words = format!("no answer within {} s", SILENCE.as_secs());
            Err(SqlError::new(ErrorKind::Connection, words))
        }
    }
}
