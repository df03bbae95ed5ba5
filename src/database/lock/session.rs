//! A session that holds locks.

use std::time::Duration;

use futures_util::future::try_join;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Row};
use tokio::time::Instant;

use super::holder::silent;
use super::{LockError, holders};
use crate::database::endpoint::application_name;
use crate::database::registry::in_schema;
use crate::database::retry::Backoff;
use crate::database::session::is_shared;
use crate::database::{DatabaseError, Endpoint, SqlError};
use crate::state::quote_literal;

const TAKE: &str = include_str!("take.sql");
const TRY: &str = include_str!("try.sql");
const GIVE_BACK: &str = include_str!("give_back.sql");
const UNLOCK: &str = include_str!("unlock.sql");
const ANNOUNCE: &str = include_str!("announce.sql");

/// The name by which a session keeps [`TAKE`], and what it takes.
const KEPT: &str = "datamart_take (bigint[], text[], text, text, text)";
/// Tells the statements that come in the same message whether the lock was got.
const GOT: &str = ", pg_catalog.set_config('datamart.got', got::text, true)";

/// It says the same few things again and again: to plan them for each lock costs more than to carry them out.
const PLANNED_ONCE: &str = "SELECT pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false), \
                                   pg_catalog.pg_backend_pid() AS pid";

const POLL: Backoff = Backoff { attempts: u32::MAX, first: Duration::from_millis(50), longest: Duration::from_secs(1) };

/// The key of a lock: the same name in another project, or under another registry, is another lock.
pub fn lock_key(registry_schema: &str, project: &str, name: &str) -> i64 {
    let digest = Sha256::digest(format!("datamart:{registry_schema}:{project}:{name}"));
    digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
}

/// The first lock that was not to be had, and the keys of those that were.
type Missed = (Option<(String, i64)>, Vec<i64>);

/// A connection of its own that holds advisory locks until they are released, or it ends, however it ends.
#[derive(Debug)]
pub struct LockSession {
    conn: PgConnection,
    pid: i32,
    target: String,
    schema: String,
    project: String,
    host: String,
    application: String,
    held: Vec<(String, i64)>,
    /// It keeps statements by name, so that several go in one message.
    keeps: bool,
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
        // Our own server has no pooler before it.
        Self::opened(endpoint, registry_schema, project, purpose, !endpoint.direct().is_ours()).await
    }

    /// One more, for who opened one just now, and so knows that there is no pooler.
    ///
    /// # Errors
    /// As [`LockSession::open`].
    pub async fn open_another(
        endpoint: &Endpoint,
        registry_schema: &str,
        project: &str,
        purpose: &str,
    ) -> Result<Self, DatabaseError> {
        Self::opened(endpoint, registry_schema, project, purpose, false).await
    }

    async fn opened(
        endpoint: &Endpoint,
        registry_schema: &str,
        project: &str,
        purpose: &str,
        looks: bool,
    ) -> Result<Self, DatabaseError> {
        let target = endpoint.direct();
        // A second session shows whether the first has its backend for itself.
        let second = async { if looks { target.session(purpose).await.map(Some) } else { Ok(None) } };
        let (mut conn, second) = try_join(Box::pin(target.session(purpose)), Box::pin(second)).await?;
        let row = sqlx::raw_sql(PLANNED_ONCE).fetch_one(&mut conn).await.map_err(SqlError::from)?;
        let pid: i32 = row.try_get("pid").map_err(SqlError::from)?;
        if let Some(mut other) = second {
            let shared = is_shared(&mut conn, &mut other).await?;
            other.close().await?;
            if shared {
                return Err(DatabaseError::Pooler { target: target.label().to_owned() });
            }
        }
        Ok(Self {
            conn,
            pid,
            target: target.label().to_owned(),
            schema: registry_schema.to_owned(),
            project: project.to_owned(),
            host: host_name(),
            application: application_name(purpose),
            held: Vec::new(),
            keeps: false,
        })
    }

    /// Keeps statements by name, for [`LockSession::try_acquire_then`]: ours, and `others`, each a PREPARE. Where that cannot be, as in a
    /// registry of another format, it keeps none.
    pub async fn keep(&mut self, others: &str) {
        let take = in_schema(TAKE, &self.schema);
        let sql = format!("PREPARE {KEPT} AS {}\n;{others}", take.replace("{also}", GOT));
        self.keeps = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.conn).await.is_ok();
    }

    /// Whether it keeps them.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Tries once to take the lock `name`, and says `then` in the same message and transaction: statements that do nothing where
    /// `datamart.got` is not `true`. What they told; `None` where somebody else holds the lock.
    ///
    /// # Errors
    /// What the server says; nothing is held or done then.
    pub async fn try_acquire_then(&mut self, name: &str, then: &str) -> Result<Option<Vec<PgRow>>, LockError> {
        let key = lock_key(&self.schema, &self.project, name);
        let words = [&self.project, &self.host, &self.application].map(|word| quote_literal(word)).join(", ");
        let sql = format!("EXECUTE datamart_take ('{{{key}}}', ARRAY[{}], {words});{then}", quote_literal(name));
        let told = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.conn).await {
            Ok(told) => told,
            Err(error) => {
                // Locks outlive the statement that took them.
                let _ = self.unlock(&[key]).await;
                return Err(SqlError::from(error).into());
            }
        };
        match self.missed(&told, &[(name.to_owned(), key)])? {
            (Some(_), _) => Ok(None),
            (None, _) => {
                self.held.push((name.to_owned(), key));
                Ok(Some(told))
            }
        }
    }

    /// Takes the lock `name`, trying for `wait` (zero tries once).
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder.
    pub async fn acquire(&mut self, name: &str, wait: Duration) -> Result<(), LockError> {
        self.acquire_all(&[name], wait).await
    }

    /// Takes all of these locks or none, in one round trip per try. Each takes a place in the server's lock table while held.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder of the first one that was not to be had.
    pub async fn acquire_all(&mut self, names: &[&str], wait: Duration) -> Result<(), LockError> {
        let wanted = self.wanted(names);
        if wanted.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + wait;
        let mut failures = 0;
        loop {
            let Some((name, key)) = self.try_all(&wanted).await? else {
                self.held.extend(wanted);
                return Ok(());
            };
            failures += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                tokio::time::sleep(POLL.pause(failures).min(left)).await;
                continue;
            }
            let holder = holders(&mut self.conn, &self.schema).await?.into_iter().find(|h| h.key == key);
            // Gone between the try and the look: free now, or the next one has it.
            if holder.is_some() || failures > 3 {
                return Err(LockError::held(name, holder));
            }
        }
    }

    /// Tries to take the lock `name`, once; `false` where somebody else holds it.
    ///
    /// # Errors
    /// What the server says.
    pub async fn try_acquire(&mut self, name: &str) -> Result<bool, LockError> {
        let wanted = self.wanted(&[name]);
        if self.try_all(&wanted).await?.is_some() {
            return Ok(false);
        }
        self.held.extend(wanted);
        Ok(true)
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
        self.release_all(&[name]).await
    }

    /// Gives these locks back; those not held are passed by.
    ///
    /// # Errors
    /// What the server says.
    pub async fn release_all(&mut self, names: &[&str]) -> Result<(), DatabaseError> {
        let (gone, kept): (Vec<_>, _) =
            std::mem::take(&mut self.held).into_iter().partition(|(name, _)| names.contains(&name.as_str()));
        self.held = kept;
        self.give_back(&keys_of(&gone)).await.map_err(DatabaseError::from)
    }

    /// Writes the rows of what is held: for the apply that has just made the registry.
    ///
    /// # Errors
    /// What the server says, but for a missing or forbidden registry.
    pub async fn announce(&mut self) -> Result<(), DatabaseError> {
        let held = self.held.clone();
        Ok(self.write_rows(&held).await?)
    }

    /// Whether this lock is held.
    pub fn holds(&self, name: &str) -> bool {
        self.held.iter().any(|(held, _)| held == name)
    }

    /// The process of this session on the database server.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Gives everything back and ends the session.
    ///
    /// # Errors
    /// What the server says; the locks are free all the same.
    pub async fn close(mut self) -> Result<(), DatabaseError> {
        let held = std::mem::take(&mut self.held);
        let given = self.give_back(&keys_of(&held)).await.map_err(DatabaseError::from);
        let closed = self.conn.close().await.map_err(DatabaseError::from);
        given.and(closed)
    }

    fn wanted(&self, names: &[&str]) -> Vec<(String, i64)> {
        let mut wanted: Vec<(String, i64)> = names
            .iter()
            .filter(|name| !self.holds(name))
            .map(|name| ((*name).to_owned(), lock_key(&self.schema, &self.project, name)))
            .collect();
        wanted.sort();
        wanted.dedup();
        wanted
    }

    /// Tries them all, and writes their rows; where one is not to be had, gives the others back and returns that one.
    async fn try_all(&mut self, wanted: &[(String, i64)]) -> Result<Option<(String, i64)>, LockError> {
        let keys = keys_of(wanted);
        let rows = match self.take(wanted).await {
            // Without a registry there are no rows, but there are locks. Nothing of the statement was done.
            Err(error) if silent(&error) => {
                sqlx::query(TRY).bind(&keys).fetch_all(&mut self.conn).await.map_err(SqlError::from)?
            }
            Err(error) => {
                // Locks outlive the statement that took them.
                let _ = self.unlock(&keys).await;
                return Err(error.into());
            }
            Ok(rows) => rows,
        };
        let (missed, got) = self.missed(&rows, wanted)?;
        if missed.is_some() && !got.is_empty() {
            self.give_back(&got).await?;
        }
        Ok(missed)
    }

    /// Which of the wanted locks was not to be had, and the keys of those that were got.
    fn missed(&self, told: &[PgRow], wanted: &[(String, i64)]) -> Result<Missed, LockError> {
        let mut got = Vec::new();
        let mut missed = None;
        for row in told.iter().filter(|row| row.try_column("got").is_ok()) {
            let key: i64 = row.try_get("key").map_err(SqlError::from)?;
            let pid: i32 = row.try_get("pid").map_err(SqlError::from)?;
            if pid != self.pid {
                return Err(LockError::Database(DatabaseError::Pooler { target: self.target.clone() }));
            }
            if row.try_get("got").map_err(SqlError::from)? {
                got.push(key);
            } else {
                missed = missed.or_else(|| wanted.iter().find(|(_, wanted)| *wanted == key).cloned());
            }
        }
        Ok((missed, got))
    }

    async fn take(&mut self, wanted: &[(String, i64)]) -> Result<Vec<PgRow>, SqlError> {
        let statement = self.with_names(&TAKE.replace("{also}", ""), wanted);
        Ok(statement.fetch_all(&mut self.conn).await?)
    }

    async fn give_back(&mut self, keys: &[i64]) -> Result<(), SqlError> {
        if keys.is_empty() {
            return Ok(());
        }
        let sql = AssertSqlSafe(in_schema(GIVE_BACK, &self.schema));
        let given = sqlx::query(sql).bind(keys).execute(&mut self.conn).await.map_err(SqlError::from);
        let Err(error) = given else { return Ok(()) };
        // The lock goes first in importance: an old row of a session that holds nothing is ignored by everyone.
        self.unlock(keys).await?;
        if silent(&error) { Ok(()) } else { Err(error) }
    }

    async fn unlock(&mut self, keys: &[i64]) -> Result<(), SqlError> {
        sqlx::query(UNLOCK).bind(keys).execute(&mut self.conn).await?;
        Ok(())
    }

    async fn write_rows(&mut self, locks: &[(String, i64)]) -> Result<(), SqlError> {
        let statement = self.with_names(ANNOUNCE, locks);
        match statement.execute(&mut self.conn).await.map_err(SqlError::from) {
            // A registry that is not there, or not ours to write (a standby, a reader), costs the row, not the lock.
            Err(error) if silent(&error) => Ok(()),
            written => written.map(drop),
        }
    }

    /// A statement about locks, with who holds them.
    fn with_names(&self, sql: &str, locks: &[(String, i64)]) -> Query<'static, Postgres, PgArguments> {
        let (names, keys): (Vec<String>, Vec<i64>) = locks.iter().cloned().unzip();
        sqlx::query(AssertSqlSafe(in_schema(sql, &self.schema)))
            .bind(keys)
            .bind(names)
            .bind(self.project.clone())
            .bind(self.host.clone())
            .bind(self.application.clone())
    }
}

fn keys_of(locks: &[(String, i64)]) -> Vec<i64> {
    locks.iter().map(|(_, key)| *key).collect()
}

fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_every_part() {
        let key = lock_key("datamart", "shop", "apply");
        assert_eq!(key, lock_key("datamart", "shop", "apply"));
        for other in [
            lock_key("other", "shop", "apply"),
            lock_key("datamart", "other", "apply"),
            lock_key("datamart", "shop", "sales"),
        ] {
            assert_ne!(key, other);
        }
    }
}
