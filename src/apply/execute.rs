//! Running a plan.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::beside;
use super::moved::unmoved;
use super::positions::Positions;
use super::still::still;
use super::told::told;
use super::undo::undo;
use super::units::{Unit, frame, units};
use super::{Applied, ApplyError, By, Event, ledger, record, room};
use crate::build::{self, Frame, Halted, SessionState, Tries};
use crate::catalog::Relation;
use crate::database::lock::still_held;
use crate::database::{SqlError, registry};
use crate::plan::{Action, Plan, Record, RecordRow, Step};
use crate::state::QName;

/// Applies `plan`. The caller holds the locks.
///
/// # Errors
/// See [`ApplyError`]. What was committed stays; applying again finishes the job.
pub async fn apply(
    conn: &mut PgConnection,
    plan: &Plan,
    registry: &str,
    by: &By,
    events: &mut dyn FnMut(Event),
) -> Result<Applied, ApplyError> {
    if !plan.refused.is_empty() {
        return Err(ApplyError::Refused { refused: plan.refused.clone() });
    }
    let (major, was) = unmoved(conn, plan, registry).await?;
    if plan.steps.is_empty() && plan.records.is_empty() {
        return Ok(Applied::default());
    }
    room::room(conn, plan).await?;
    transaction(conn, "BEGIN").await?;
    registry::migrate(conn, registry).await?;
    transaction(conn, "COMMIT").await?;
    // A plan that only brings the registry's rows up to date is no change that anybody asked for.
    let id = match plan.is_empty() {
        true => None,
        false => Some(ledger::begin(conn, registry, plan, by).await.map_err(ApplyError::Registry)?),
    };
    events(Event::Started { steps: plan.steps.len() });
    let done = Applied { id, ..Applied::default() };
    let mut worker = Worker {
        conn,
        plan,
        registry,
        by,
        major,
        id,
        done,
        logs: BTreeSet::new(),
        aside: Vec::new(),
        was,
        changed: BTreeSet::new(),
        positions: Positions::default(),
        undoable: Vec::new(),
    };
    let outcome = worker.run(events).await;
    let done = std::mem::take(&mut worker.done);
    // Without our locks what is there may be another's.
    if let Err(error) = &outcome
        && worker.still_locked().await.is_ok()
    {
        undo(worker.conn, &worker.undoable, error).await;
        beside::clear(conn, plan).await;
    }
    if let Some(id) = id {
        let closed = ledger::finish(conn, registry, id, &done, outcome.as_ref().err()).await;
        outcome?;
        closed.map_err(ApplyError::Registry)?;
    } else {
        outcome?;
    }
    events(Event::Finished);
    Ok(done)
}

pub(super) async fn transaction(conn: &mut PgConnection, sql: &'static str) -> Result<(), ApplyError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(|error| ApplyError::Registry(error.into()))?;
    Ok(())
}

pub(super) struct Worker<'a> {
    pub(super) conn: &'a mut PgConnection,
    pub(super) plan: &'a Plan,
    registry: &'a str,
    pub(super) by: &'a By,
    major: i32,
    id: Option<i64>,
    pub(super) done: Applied,
    /// Tables whose logs are made, or gone; no marts, but what was committed is told.
    logs: BTreeSet<String>,
    /// What is built aside and committed, and not published yet.
    aside: Vec<String>,
    /// The relations when it began.
    was: HashMap<QName, Relation>,
    /// The marts of which it changed something that is no longer aside.
    changed: BTreeSet<String>,
    /// Where the marts stand that it fills.
    positions: Positions,
    /// What ran alone for marts that are not done, and can be taken back.
    undoable: Vec<&'a Step>,
}

impl Worker<'_> {
    async fn run(&mut self, events: &mut dyn FnMut(Event)) -> Result<(), ApplyError> {
        let plan = self.plan;
        for unit in units(plan) {
            let whose = (self.registry, plan.project.as_str());
            self.positions.before(self.conn, whose, (unit.steps(), &plan.records)).await?;
            match unit {
                Unit::Alone(steps) => {
                    self.undoable.extend(steps.iter().filter(|step| step.undo.is_some()));
                    beside::alone(self, &steps, events).await?;
                    self.stays_aside(&steps);
                    events(Event::Committed { marts: Vec::new() });
                }
                Unit::Transaction { steps, .. } if steps.first().is_some_and(|step| step.beside) => {
                    beside::fill(self, &steps, events).await?;
                }
                Unit::Transaction { steps, records } => {
                    self.until_published(&steps, &records, events).await?;
                    // A versioned mart is recorded in several rows.
                    let mut seen = BTreeSet::new();
                    let marts = records.iter().map(|record| record.of()).filter(|mart| seen.insert(*mart));
                    let marts: Vec<String> = marts.map(ToString::to_string).collect();
                    self.aside.retain(|built| !marts.contains(built));
                    self.stays_aside(&steps);
                    self.undoable.retain(|step| !records.iter().any(|record| record.mart.to_string() == step.mart));
                    self.done.marts.extend(marts.iter().cloned());
                    let log = |step: &&&Step| records.is_empty() && step.publication && !self.is_mart(step);
                    let logs: Vec<String> = steps.iter().filter(log).map(|step| step.mart.clone()).collect();
                    self.logs.extend(logs);
                    events(Event::Committed { marts });
                }
            }
        }
        Ok(())
    }

    /// Of what is committed now, what a later transaction publishes.
    fn stays_aside(&mut self, steps: &[&Step]) {
        let aside = |mart: &String| steps.iter().any(|step| step.aside && step.mart == *mart);
        self.changed.extend(steps.iter().map(|step| &step.mart).filter(|mart| !aside(mart)).cloned());
        let whole = |step: &&&Step| step.aside && !(step.beside && step.transaction.is_some());
        for step in steps.iter().filter(whole) {
            if !self.aside.contains(&step.mart) {
                self.aside.push(step.mart.clone());
            }
        }
    }

    /// A transaction, begun again as a whole where its publication does not get a lock: until then it has none.
    async fn until_published(
        &mut self,
        steps: &[&Step],
        records: &[&Record],
        events: &mut dyn FnMut(Event),
    ) -> Result<(), ApplyError> {
        let (steps_before, checks_before) = (self.done.steps, self.done.checks.len());
        let mut tries = Tries::default();
        let mut told = steps_before;
        let mut once = |event: Event| match event {
            Event::Step { number, .. } if number <= told => {}
            Event::Step { number, .. } => {
                told = number;
                events(event);
            }
            _ => events(event),
        };
        loop {
            let Err(error) = self.in_transaction(steps, records, &mut once).await else { return Ok(()) };
            self.done.steps = steps_before;
            // The connection may be gone; the server rolls back then by itself.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *self.conn).await;
            match &error {
                ApplyError::Step { source, publication: true, .. } if tries.again(source).await => {
                    self.done.checks.truncate(checks_before);
                }
                _ => return Err(error),
            }
        }
    }

    async fn in_transaction(
        &mut self,
        steps: &[&Step],
        records: &[&Record],
        events: &mut dyn FnMut(Event),
    ) -> Result<(), ApplyError> {
        transaction(self.conn, "BEGIN").await?;
        let exchanged = self.exchanged(steps);
        still(self.conn, &self.was, exchanged).await?;
        let mut session = SessionState::in_transaction();
        let together = |a: &&Step, b: &&Step| {
            let checks = a.check.is_some() && b.check.is_some();
            let plain = |step: &Step| !step.publication && step.check.is_none();
            checks || (plain(a) && plain(b) && a.mart == b.mart && frame(a) == frame(b))
        };
        for group in steps.chunk_by(together) {
            match group {
                checks @ [first, ..] if first.check.is_some() => self.checks(checks, &mut session, events).await?,
                [step] => self.step(step, Some(&mut session), events).await?,
                steps => self.steps(steps, &mut session, events).await?,
            }
        }
        session.leave(self.conn).await.map_err(ApplyError::Registry)?;
        let plan = self.plan;
        record::write(self.conn, self.registry, &plan.project, plan.revision.as_deref(), self.major, records).await?;
        self.positions.note(self.conn, (self.registry, &plan.project), records, plan).await?;
        let changed: HashSet<&str> = plan.changes.iter().map(|c| c.address.as_str()).collect();
        let changes: Vec<(String, String)> = records
            .iter()
            .filter_map(|record| {
                let address = record.mart.to_string();
                let action = match &record.row {
                    RecordRow::Upsert { adopted: Some(_), .. } => "adopt",
                    _ if !changed.contains(address.as_str()) => return None,
                    RecordRow::Upsert { action, .. } => action.as_str(),
                    RecordRow::Delete => Action::Delete.as_str(),
                    RecordRow::Forget { .. } | RecordRow::Behind => return None,
                };
                Some((address, action.to_owned()))
            })
            .collect();
        ledger::audit(self.conn, self.registry, plan, self.by, self.id, &changes)
            .await
            .map_err(ApplyError::Registry)?;
        self.still_locked().await?;
        transaction(self.conn, "COMMIT").await
    }

    /// The relations that a transaction exchanges for what was built in an earlier one, where nothing of this apply changed them.
    fn exchanged(&self, steps: &[&Step]) -> BTreeSet<QName> {
        let published: HashSet<&str> = steps.iter().filter(|s| s.publication).map(|s| s.mart.as_str()).collect();
        let among = |name: &&QName| {
            let name = name.to_string();
            published.contains(name.as_str()) && self.aside.contains(&name) && !self.changed.contains(&name)
        };
        self.was.keys().filter(among).cloned().collect()
    }

    /// Whether the session with our locks lives: `unlock --kill` and a broken connection end it without us.
    async fn still_locked(&mut self) -> Result<(), ApplyError> {
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
    async fn steps(
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
    async fn checks(
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

    fn is_mart(&self, step: &Step) -> bool {
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
