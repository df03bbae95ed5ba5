//! Marts that writers keep as they commit: a refresh of one looks whether its rows are right, in one snapshot and beside all writers.
//! What differs is written while no writer is at it, and a writer with an older snapshot is told.

use sqlx::{AssertSqlSafe, Row};

use super::done::{Done, Whole, alone};
use super::keys::Keys;
use super::proof;
use super::task::Task;
use crate::build::position::{Look, Standing};
use crate::build::{self, Narrow, SessionState};
use crate::database::SqlError;
use crate::refresh::Method;
use crate::refresh::decision::Decision;
use crate::refresh::outcome::{Outcome, figures};
use crate::sql::changes;
use crate::state::{Keeper, quote_ident};

impl Task<'_> {
    /// Whether there is another way than an exchange, for what writers keep.
    pub fn goes_on(&mut self, why: &Whole) -> bool {
        let Some(kept) = &mut self.kept else { return false };
        if why.alone {
            return !std::mem::replace(&mut kept.alone, true);
        }
        if kept.all.is_some() {
            return false;
        }
        kept.all = Some(why.reason.clone());
        true
    }

    /// Writers keep the rows at the same time.
    pub fn beside_writers(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.alone)
    }

    /// The statements that keep them off, before the snapshot.
    pub fn against_writers(&self) -> String {
        if !self.kept.as_ref().is_some_and(|kept| kept.alone) {
            return String::new();
        }
        let lock = format!(" LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE;", self.live.name);
        match &self.frame.role {
            Some(role) => format!(" SET LOCAL ROLE {};{lock} RESET ROLE;", quote_ident(role)),
            None => lock,
        }
    }

    /// Whether some of the rows are not those of the query.
    pub async fn differs(&mut self, narrow: &Narrow, keys: &Keys) -> Result<bool, SqlError> {
        let hashed = |from: &str, row: &str| {
            format!(
                "(SELECT ROW(pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(ROW({row}.*)::text, 0)::numeric)) FROM {from})"
            )
        };
        let is = hashed(&format!("{} AS m WHERE {}", self.live.name, narrow.within), "m");
        let should = hashed(&format!("(\n{}\n) AS q", narrow.query.trim()), "q");
        let sql = AssertSqlSafe(format!("SELECT {is} IS DISTINCT FROM {should}"));
        let row = keys.bind(sqlx::query(sql).persistent(false)).fetch_one(&mut *self.conn).await?;
        Ok(row.try_get(0)?)
    }

    /// A writer that keeps an older snapshot does not see what was written here: its locks are not its own any more.
    pub async fn tell_writers(&mut self, merged: [i64; 3]) -> Result<(), SqlError> {
        if self.kept.is_none() || merged == [0; 3] {
            return Ok(());
        }
        let locks = Keeper::new(self.watched.registry, self.watched.project).locks();
        let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        // The locks are ours, the rows the mart's owner's.
        let (reset, again) = match &self.frame.role {
            Some(role) => ("RESET ROLE".to_owned(), format!("SET LOCAL ROLE {}", quote_ident(role))),
            None => ("SELECT 1".to_owned(), "SELECT 1".to_owned()),
        };
        sqlx::raw_sql(AssertSqlSafe(reset)).execute(&mut *self.conn).await?;
        if sqlx::query_scalar(there).bind(locks.to_string()).fetch_one(&mut *self.conn).await? {
            let sql = format!(
                "INSERT INTO {locks} AS l (mart, number) VALUES ($1, -1) ON CONFLICT (mart, number) DO UPDATE SET times = l.times + 1"
            );
            let mart = self.live.name.to_string();
            sqlx::query(AssertSqlSafe(sql)).bind(mart).execute(&mut *self.conn).await?;
        }
        sqlx::raw_sql(AssertSqlSafe(again)).execute(&mut *self.conn).await?;
        Ok(())
    }

    /// Looks at all rows.
    pub async fn all(&mut self, look: &Look, reason: String) -> Result<Done, SqlError> {
        let decision = Decision { rung: "whole", ..Decision::default() };
        let all = changes::whole(self.changes());
        let mut session = SessionState::in_transaction();
        session.enter(self.conn, self.frame).await?;
        let mut merged = [0; 3];
        if self.beside_writers() {
            if !proof::same(self.conn, self.live, &all, |_| None).await? {
                return Ok(alone(decision));
            }
        } else {
            let narrow = Narrow { query: all, within: "true".to_owned(), among: "true".to_owned() };
            merged = self.write(&narrow, &Keys::default()).await?;
            self.tell_writers(merged).await?;
        }
        let mart = &self.item.recorded.mart;
        build::check_all(self.conn, &mut session, self.frame, mart, &self.live.name, self.checks).await?;
        if let Some(failure) = build::failure(self.checks) {
            return Err(failure);
        }
        session.enter(self.conn, self.frame).await?;
        if merged != [0; 3] {
            // Marts that writers keep follow these rows: that is done here, where it can be tried again, and not at the commit.
            sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *self.conn).await?;
        }
        let rows = Some(self.count().await?);
        session.leave(self.conn).await?;
        let known = &look.standing;
        let standing =
            Standing { rows, demoted: known.demoted.clone(), verified: known.verified, ..Standing::default() };
        // Where the logs would not tell what comes next, nothing is noted.
        if look.now.stand.unnoticed().is_none() {
            self.note(look, standing).await?;
        }
        if merged == [0; 3] {
            let reason = format!("{reason}; all rows were compared, none differs");
            return self.nothing(&reason, decision, look).await;
        }
        let mut outcome = Outcome {
            method: Some(Method::Merge),
            reason: Some(format!("{reason}; the rows that differed were written")),
            inserted: Some(merged[0]),
            updated: Some(merged[1]),
            deleted: Some(merged[2]),
            row_count: rows,
            snapshot: Some(look.now.snapshot.clone()),
            decision: Some(decision),
            open: true,
            ..Outcome::default()
        };
        let sql = figures(self.item, &self.live.name, &outcome);
        outcome.read(&sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *self.conn).await?)?;
        Ok(Done::Written(Box::new(outcome)))
    }
}
