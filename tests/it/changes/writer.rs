//! Sessions that write: at once, late, not at all, in two steps.

use std::sync::{Arc, Mutex};

use datamart::database::Endpoint;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::dice::Dice;
use super::writes::{Write, write};

/// What was done since the world began, for those who look for a reason.
pub type Told = Arc<Mutex<Vec<String>>>;

/// What may happen to any writer: unique, foreign key, no partition, serialization, deadlock, lock.
const EXPECTED: &[&str] = &["23505", "23503", "23514", "40001", "40P01", "55P03"];

/// A session, and the transaction that it perhaps left open.
pub struct Writer {
    conn: PgConnection,
    name: String,
    dice: Dice,
    told: Told,
    major: u32,
    open: bool,
    prepared: Option<String>,
    /// Statements that took effect, some of them later undone.
    pub changes: u64,
    prepared_so_far: u32,
}

impl Writer {
    pub async fn of(database: &Endpoint, number: usize, dice: Dice, told: Told, major: u32) -> Self {
        let mut conn = database.session("writer").await.expect("a session");
        let settings = "SET search_path = public; SET lock_timeout = '400ms'; SET statement_timeout = '120s'";
        sqlx::raw_sql(settings).execute(&mut conn).await.expect("settings");
        let name = format!("w{number}");
        Self { conn, name, dice, told, major, open: false, prepared: None, changes: 0, prepared_so_far: 0 }
    }

    /// A few transactions; the last one may stay open.
    pub async fn burst(&mut self) {
        let transactions = self.dice.between(1, 4);
        for _ in 0..transactions {
            if self.open && self.dice.one_in(2) {
                self.some().await;
                continue;
            }
            self.end().await;
            self.transaction().await;
        }
    }

    /// Ends whatever it has open.
    pub async fn end(&mut self) {
        if self.open {
            let how = if self.dice.one_in(5) { "ROLLBACK" } else { "COMMIT" };
            self.say(how).await;
            self.open = false;
        }
        if let Some(name) = self.prepared.take() {
            let how = if self.dice.one_in(4) { "ROLLBACK PREPARED" } else { "COMMIT PREPARED" };
            self.say(&format!("{how} '{name}'")).await;
        }
    }

    async fn transaction(&mut self) {
        let how = self.dice.below(10);
        if how < 3 {
            let replica = self.dice.one_in(8);
            if replica {
                self.say("SET session_replication_role = replica").await;
            }
            self.one().await;
            if replica {
                self.say("RESET session_replication_role").await;
            }
            return;
        }
        let level = *self.dice.pick(&["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);
        self.say(&format!("BEGIN ISOLATION LEVEL {level}")).await;
        self.open = true;
        self.some().await;
        match how {
            3..=5 => self.end().await,
            6 if self.prepared.is_none() && self.open => {
                self.prepared_so_far += 1;
                let name = format!("{}_{}", self.name, self.prepared_so_far);
                self.open = false;
                // A transaction that failed is rolled back, and then there is nothing to commit.
                if self.say(&format!("PREPARE TRANSACTION '{name}'")).await {
                    let found = sqlx::query_scalar("SELECT count(*) FROM pg_prepared_xacts WHERE gid = $1").bind(&name);
                    let found: i64 = found.fetch_one(&mut self.conn).await.expect("the prepared ones");
                    self.prepared = (found > 0).then_some(name);
                }
            }
            // It stays open: what it did is seen by nobody for long.
            _ => {}
        }
    }

    /// Some statements within its transaction, a few of them undone.
    async fn some(&mut self) {
        let count = self.dice.between(1, 4);
        for _ in 0..count {
            if !self.open {
                return;
            }
            let undone = self.dice.one_in(4);
            self.say("SAVEPOINT s").await;
            let done = self.one().await;
            if undone || !done {
                self.say("ROLLBACK TO s").await;
            } else {
                self.say("RELEASE s").await;
            }
        }
    }

    /// One random statement: whether it worked.
    async fn one(&mut self) -> bool {
        let write = loop {
            let write = write(&mut self.dice, self.major);
            // A strong lock is not kept open: nobody could compare anything meanwhile.
            if !(self.open && write.text().starts_with("TRUNCATE")) {
                break write;
            }
        };
        let told = write.text();
        let done = match write {
            Write::Sql(sql) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.conn).await.map(|done| done.rows_affected())
            }
            Write::Copy(sql, lines) => self.copy(&sql, lines).await,
        };
        self.note(&told, done.as_ref().err());
        self.changes += done.as_ref().map_or(0, |rows| *rows);
        done.is_ok()
    }

    async fn copy(&mut self, sql: &str, lines: String) -> Result<u64, sqlx::Error> {
        let mut copy = self.conn.copy_in_raw(sql).await?;
        copy.send(lines.into_bytes()).await?;
        copy.finish().await
    }

    async fn say(&mut self, sql: &str) -> bool {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.conn).await;
        self.note(sql, done.as_ref().err());
        done.is_ok()
    }

    /// Keeps what was done; panics where a write failed as it would not have without us.
    fn note(&self, sql: &str, error: Option<&sqlx::Error>) {
        let code = error.map(|error| {
            let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
            code.unwrap_or_else(|| panic!("{error}\nin {sql}"))
        });
        if let (Some(code), Some(error)) = (&code, error) {
            assert!(EXPECTED.contains(&code.as_str()), "a write failed: {error} ({code})\nin {sql}");
        }
        let failed = code.map(|code| format!(" -- failed: {code}")).unwrap_or_default();
        self.told.lock().expect("what was told").push(format!("{}: {sql}{failed}", self.name));
    }

    /// Closes its session.
    pub async fn close(mut self) -> u64 {
        self.end().await;
        let changes = self.changes;
        self.conn.close().await.expect("an end");
        changes
    }
}
