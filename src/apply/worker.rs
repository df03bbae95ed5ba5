//! What carries out the steps of a plan, and what is known of them so far.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, PgConnection};

use super::positions::Positions;
use super::told::told;
use super::units::frame;
use super::{Applied, ApplyError, By, Event};
use crate::build::{self, Frame, Halted, SessionState};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::database::lock::still_held;
use crate::plan::{Plan, Step};
use crate::state::QName;

/// An apply at work.
pub(super) struct Worker<'a> {
    pub(super) conn: &'a mut PgConnection,
    pub(super) plan: &'a Plan,
    pub(super) registry: &'a str,
    pub(super) by: &'a By,
    pub(super) major: i32,
    pub(super) id: Option<i64>,
    pub(super) done: Applied,
    /// Tables whose logs are made, or gone; no marts, but what was committed is told.
    pub(super) logs: BTreeSet<String>,
    /// What is built aside and committed, and not published yet.
    pub(super) aside: Vec<String>,
    /// The relations when it began.
    pub(super) was: HashMap<QName, Relation>,
    /// The marts of which it changed something that is no longer aside.
    pub(super) changed: BTreeSet<String>,
    /// Where the marts stand that it fills.
    pub(super) positions: Positions,
    /// What ran alone for marts that are not done, and can be taken back.
    pub(super) undoable: Vec<&'a Step>,
}

impl Worker<'_> {
    /// Of what is committed now, what a later transaction publishes.
    pub(super) fn stays_aside(&mut self, steps: &[&Step]) {
        let aside = |mart: &String| steps.iter().any(|step| step.aside && step.mart == *mart);
        self.changed.extend(steps.iter().map(|step| &step.mart).filter(|mart| !aside(mart)).cloned());
        let whole = |step: &&&Step| step.aside && !(step.beside && step.transaction.is_some());
        for step in steps.iter().filter(whole) {
            if !self.aside.contains(&step.mart) {
                self.aside.push(step.mart.clone());
            }
        }
    }

    /// Whether the session with our locks lives: `unlock --kill` and a broken connection end it without us.
    pub(super) async fn still_locked(&mut self) -> Result<(), ApplyError> {
        let Some(holder) = self.by.holder else { return Ok(()) };
        match still_held(&mut *self.conn, holder).await.map_err(ApplyError::Registry)? {
            true => Ok(()),
            false => Err(ApplyError::LockLost { done: self.committed() }),
        }
    }

    pub(super) async fn step(
        &mut self,
        step: &Step,
        session: Option<&mut SessionState>,
        events: &mut dyn FnMut(Event),
    ) -> Result<(), ApplyError> {
        events(Event::begins(self.done.steps + 1, step));
        let frame = frame(step);
        let outcome = match session {
            Some(session) => build::run(self.conn, session, &frame, &step.sql).await,
            None => self.alone(&frame, &step.sql).await,
        };
        match outcome {
            Ok(_) => {
                self.done.steps += 1;
                Ok(())
            }
            Err(source) => Err(self.failed(step, source)),
        }
    }

    /// Statements that share a frame, none of which is a publication.
    pub(super) async fn steps(
        &mut self,
        steps: &[&Step],
        session: &mut SessionState,
        events: &mut dyn FnMut(Event),
    ) -> Result<(), ApplyError> {
        let Some(first) = steps.first() else { return Ok(()) };
        let statements: Vec<&str> = steps.iter().map(|step| step.sql.as_str()).collect();
        let before = self.done.steps;
        let mut tell = |at: usize| {
            if let Some(step) = steps.get(at) {
                events(Event::begins(before + at + 1, step));
            }
        };
        match build::run_all(self.conn, session, &frame(first), &statements, &mut tell).await {
            Ok(()) => {
                self.done.steps += steps.len();
                Ok(())
            }
            Err(Halted { done, error }) => {
                self.done.steps += done;
                Err(self.failed(steps.get(done).unwrap_or(first), error))
            }
        }
    }

    /// Checks of what was built so far: all of them, so that everything that is wrong is told at once.
    pub(super) async fn checks(
        &mut self,
        steps: &[&Step],
        session: &mut SessionState,
        events: &mut dyn FnMut(Event),
    ) -> Result<(), ApplyError> {
        let before = self.done.checks.len();
        for step in steps {
            let Some(check) = &step.check else { continue };
            events(Event::begins(self.done.steps + 1, step));
            let found = build::check(self.conn, session, &frame(step), &self.mart_of(step), check, &step.sql).await;
            self.done.checks.push(found.map_err(|source| self.failed(step, source))?);
            self.done.steps += 1;
        }
        let results = &self.done.checks[before..];
        let Some(failure) = build::failure(results) else { return Ok(()) };
        let mart = results.iter().find(|result| result.stops()).map(|result| result.mart.clone()).unwrap_or_default();
        Err(ApplyError::Check {
            mart,
            failure,
            results: self.done.checks.clone(),
            done: self.committed(),
            undone: self.undone(),
        })
    }

    async fn alone(&mut self, frame: &Frame, sql: &str) -> Result<u64, SqlError> {
        let mut session = SessionState::alone();
        let outcome = build::run(self.conn, &mut session, frame, sql).await;
        let left = session.leave(self.conn).await;
        let done = outcome?;
        left?;
        Ok(done)
    }

    pub(super) fn failed(&self, step: &Step, source: SqlError) -> ApplyError {
        ApplyError::Step {
            mart: self.mart_of(step),
            sql: step.sql.clone(),
            publication: step.publication,
            source: told(&self.mart_of(step), source),
            aside: self.aside.clone(),
            done: self.committed(),
            undone: self.undone(),
        }
    }

    /// The mart that a step is about: of a version its mart.
    fn mart_of(&self, step: &Step) -> String {
        let record = self.plan.records.iter().find(|record| record.mart.to_string() == step.mart);
        record.map_or_else(|| step.mart.clone(), |record| record.of().to_string())
    }

    pub(super) fn is_mart(&self, step: &Step) -> bool {
        self.plan.records.iter().any(|record| record.mart.to_string() == step.mart)
    }

    /// What stays, whatever comes.
    fn committed(&self) -> Vec<String> {
        let logs = self.logs.iter().filter(|table| !self.done.marts.contains(table));
        self.done.marts.iter().cloned().chain(logs.map(|table| format!("the log of {table}"))).collect()
    }

    /// Marts whose changes are not committed.
    fn undone(&self) -> Vec<String> {
        let done: BTreeSet<&String> = self.done.marts.iter().collect();
        // What followed them is no mart, and has no row.
        let marts: BTreeSet<String> = self.plan.records.iter().map(|record| record.mart.to_string()).collect();
        let changed = self.plan.changes.iter().map(|c| &c.address);
        changed.filter(|a| marts.contains(*a) && !done.contains(a)).cloned().collect()
    }
}

/// Begins or ends a transaction.
pub(super) async fn transaction(conn: &mut PgConnection, sql: &'static str) -> Result<(), ApplyError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(|error| ApplyError::Registry(error.into()))?;
    Ok(())
}
