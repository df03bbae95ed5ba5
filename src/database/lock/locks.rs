//! The locks of a session.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};
use tokio::time::Instant;

use super::holder::silent;
use super::{LockError, holders};
use crate::database::endpoint::application_name;
use crate::database::registry::in_schema;
use crate::database::retry::Backoff;
use crate::database::{DatabaseError, Endpoint, SqlError};
use crate::state::{QName, quote_literal};

const TAKE: &str = include_str!("take.sql");
const TRY: &str = include_str!("try.sql");
const GIVE_BACK: &str = include_str!("give_back.sql");
const UNLOCK: &str = include_str!("unlock.sql");
const ANNOUNCE: &str = include_str!("announce.sql");

/// The names by which a session keeps [`TAKE`] and [`GIVE_BACK`], and what they take.
const KEPT_TAKE: &str = "datamart_take (bigint[], text[], text, text, text)";
const KEPT_GIVE_BACK: &str = "datamart_give_back (bigint[])";
/// Tells the statements that come in the same message whether the lock was got.
const GOT: &str = ", pg_catalog.set_config('datamart.got', got::text, true)";
/// Begins a message of statements that a session keeps: to plan them each time costs more than to carry them out.
pub const PLANNED_ONCE: &str = "SET LOCAL plan_cache_mode = force_generic_plan;";

const POLL: Backoff = Backoff { attempts: u32::MAX, first: Duration::from_millis(50), longest: Duration::from_secs(1) };

/// The key of a lock: the same name in another project, or under another registry, is another lock.
pub fn lock_key(registry_schema: &str, project: &str, name: &str) -> i64 {
    let digest = Sha256::digest(format!("datamart:{registry_schema}:{project}:{name}"));
    digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
}

/// The name of a mart's lock.
pub fn mart_lock(mart: &QName) -> String {
    format!("mart:{mart}")
}

/// The first lock that was not to be had, and the keys of those that were.
type Missed = (Option<(String, i64)>, Vec<i64>);

/// The advisory locks of one session, which has its backend for itself. They are held until they are given back, or the session ends,
/// however it ends. None is taken within a transaction: who waits for one holds nobody up.
#[derive(Debug, Clone)]
pub struct Locks {
    pid: i32,
    target: String,
    schema: String,
    project: String,
    host: String,
    application: String,
    held: Vec<(String, i64)>,
    /// The session keeps statements by name, so that several go in one message.
    keeps: bool,
}

impl Locks {
    /// Of the session with the server process `pid`, which was opened for `purpose`. It holds none yet.
    pub fn new(target: &Endpoint, registry_schema: &str, project: &str, purpose: &str, pid: i32) -> Self {
        Self {
            pid,
            target: target.label().to_owned(),
            schema: registry_schema.to_owned(),
            project: project.to_owned(),
            host: host_name(),
            application: application_name(purpose),
            held: Vec::new(),
            keeps: false,
        }
    }

    /// Of another session that takes the place of this one, with the server process `pid`. It holds none yet.
    pub fn of_another(&self, pid: i32) -> Self {
        Self { pid, held: Vec::new(), keeps: false, ..self.clone() }
    }

    /// Keeps statements by name, for [`Locks::try_acquire_then`] and [`Locks::giving_back`]: ours, and `others`, each a PREPARE. Where that
    /// cannot be, as in a registry of another format, it keeps none.
    pub async fn keep(&mut self, conn: &mut PgConnection, others: &str) {
        let take = in_schema(TAKE, &self.schema).replace("{also}", GOT);
        let give_back = in_schema(GIVE_BACK, &self.schema);
        let sql = format!("PREPARE {KEPT_TAKE} AS {take}\n;PREPARE {KEPT_GIVE_BACK} AS {give_back}\n;{others}");
        self.keeps = sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.is_ok();
    }

    /// Whether the session keeps them.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Tries once to take the lock `name`, and says `then` in the same message and transaction: statements that do nothing where
    /// `datamart.got` is not `true`. What they told; `None` where somebody else holds the lock.
    ///
    /// # Errors
    /// What the server says; nothing is held or done then.
    pub async fn try_acquire_then(
        &mut self,
        conn: &mut PgConnection,
        name: &str,
        then: &str,
    ) -> Result<Option<Vec<PgRow>>, LockError> {
        let key = lock_key(&self.schema, &self.project, name);
        let words = [&self.project, &self.host, &self.application].map(|word| quote_literal(word)).join(", ");
        let take = format!("EXECUTE datamart_take ('{{{key}}}', ARRAY[{}], {words})", quote_literal(name));
        let sql = format!("{PLANNED_ONCE}{take};{then}");
        let told = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await {
            Ok(told) => told,
            Err(error) => {
                // Locks outlive the statement that took them.
                let _ = unlock(conn, &[key]).await;
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
    pub async fn acquire(&mut self, conn: &mut PgConnection, name: &str, wait: Duration) -> Result<(), LockError> {
        self.acquire_all(conn, &[name], wait).await
    }

    /// Takes all of these locks or none, in one round trip per try. Each takes a place in the server's lock table while held.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder of the first one that was not to be had.
    pub async fn acquire_all(
        &mut self,
        conn: &mut PgConnection,
        names: &[&str],
        wait: Duration,
    ) -> Result<(), LockError> {
        let wanted = self.wanted(names);
        if wanted.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + wait;
        let mut failures = 0;
        loop {
            let Some((name, key)) = self.try_all(conn, &wanted).await? else {
                self.held.extend(wanted);
                return Ok(());
            };
            failures += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                tokio::time::sleep(POLL.pause(failures).min(left)).await;
                continue;
            }
            let holder = holders(conn, &self.schema).await?.into_iter().find(|h| h.key == key);
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
    pub async fn try_acquire(&mut self, conn: &mut PgConnection, name: &str) -> Result<bool, LockError> {
        let wanted = self.wanted(&[name]);
        if self.try_all(conn, &wanted).await?.is_some() {
            return Ok(false);
        }
        self.held.extend(wanted);
        Ok(true)
    }

    /// Gives these locks back; those not held are passed by.
    ///
    /// # Errors
    /// What the server says.
    pub async fn release_all(&mut self, conn: &mut PgConnection, names: &[&str]) -> Result<(), DatabaseError> {
        let keys = self.gave_back(names);
        self.give_back(conn, &keys).await.map_err(DatabaseError::from)
    }

    /// The statement that gives one lock back where the session keeps it, to be said in a message with others, outside their transaction;
    /// [`Locks::gave_back`] notes that it went well.
    pub fn giving_back(&self, name: &str) -> Option<String> {
        let (_, key) = self.held.iter().find(|(held, _)| held == name).filter(|_| self.keeps)?;
        Some(format!("{PLANNED_ONCE}EXECUTE datamart_give_back ('{{{key}}}')"))
    }

    /// Notes that these locks are not held any more; their keys.
    pub fn gave_back(&mut self, names: &[&str]) -> Vec<i64> {
        let (gone, kept): (Vec<_>, _) =
            std::mem::take(&mut self.held).into_iter().partition(|(name, _)| names.contains(&name.as_str()));
        self.held = kept;
        keys_of(&gone)
    }

    /// Gives all of them back.
    ///
    /// # Errors
    /// What the server says; they are free once the session has ended.
    pub async fn release(&mut self, conn: &mut PgConnection) -> Result<(), DatabaseError> {
        let held = std::mem::take(&mut self.held);
        self.give_back(conn, &keys_of(&held)).await.map_err(DatabaseError::from)
    }

    /// Writes the rows of what is held: for the apply that has just made the registry.
    ///
    /// # Errors
    /// What the server says, but for a missing or forbidden registry.
    pub async fn announce(&self, conn: &mut PgConnection) -> Result<(), DatabaseError> {
        let statement = self.with_names(ANNOUNCE, &self.held);
        match statement.execute(conn).await.map_err(SqlError::from) {
            // A registry that is not there, or not ours to write (a standby, a reader), costs the row, not the lock.
            Err(error) if silent(&error) => Ok(()),
            written => Ok(written.map(drop)?),
        }
    }

    /// Whether this lock is held.
    pub fn holds(&self, name: &str) -> bool {
        self.held.iter().any(|(held, _)| held == name)
    }

    /// The server process of the session.
    pub fn pid(&self) -> i32 {
        self.pid
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
    async fn try_all(
        &mut self,
        conn: &mut PgConnection,
        wanted: &[(String, i64)],
    ) -> Result<Option<(String, i64)>, LockError> {
        let keys = keys_of(wanted);
        let taken = self.with_names(&TAKE.replace("{also}", ""), wanted).fetch_all(&mut *conn).await;
        let rows = match taken.map_err(SqlError::from) {
            // Without a registry there are no rows, but there are locks. Nothing of the statement was done.
            Err(error) if silent(&error) => {
                sqlx::query(TRY).bind(&keys).fetch_all(&mut *conn).await.map_err(SqlError::from)?
            }
            Err(error) => {
                // Locks outlive the statement that took them.
                let _ = unlock(conn, &keys).await;
                return Err(error.into());
            }
            Ok(rows) => rows,
        };
        let (missed, got) = self.missed(&rows, wanted)?;
        if missed.is_some() && !got.is_empty() {
            self.give_back(conn, &got).await?;
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

    async fn give_back(&self, conn: &mut PgConnection, keys: &[i64]) -> Result<(), SqlError> {
        if keys.is_empty() {
            return Ok(());
        }
        let sql = AssertSqlSafe(in_schema(GIVE_BACK, &self.schema));
        let given = sqlx::query(sql).bind(keys).execute(&mut *conn).await.map_err(SqlError::from);
        let Err(error) = given else { return Ok(()) };
        // The lock goes first in importance: an old row of a session that holds nothing is ignored by everyone.
        unlock(conn, keys).await?;
        if silent(&error) { Ok(()) } else { Err(error) }
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

async fn unlock(conn: &mut PgConnection, keys: &[i64]) -> Result<(), SqlError> {
    sqlx::query(UNLOCK).bind(keys).execute(conn).await?;
    Ok(())
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
