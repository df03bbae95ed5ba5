//! Running a plan.

use std::collections::{BTreeSet, HashSet};

use sqlx::PgConnection;

use super::beside;
use super::moved::unmoved;
use super::positions::Positions;
use super::still::still;
use super::undo::undo;
use super::units::{Unit, frame, units};
use super::worker::{Worker, transaction};
use super::{Applied, ApplyError, By, Event, ledger, record, room};
use crate::build::{SessionState, Tries};
use crate::database::registry;
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
                    for mart in &marts {
                        // One that is renamed may be committed twice.
                        if !self.done.marts.contains(mart) {
                            self.done.marts.push(mart.clone());
                        }
                    }
                    let log = |step: &&&Step| records.is_empty() && step.publication && !self.is_mart(step);
                    let logs: Vec<String> = steps.iter().filter(log).map(|step| step.mart.clone()).collect();
                    self.logs.extend(logs);
                    events(Event::Committed { marts });
                }
            }
        }
        Ok(())
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
}
