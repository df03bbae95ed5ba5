//! Marts that several sessions fill, and complete, before they are published.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

use super::units::frame;
use super::worker::Worker;
use super::{ApplyError, Event};
use crate::build::{self, Halted, Needed, Together, remove_leftovers, together};
use crate::database::SqlError;
use crate::plan::{Plan, Record, RecordRow, Step};
use crate::state::{Fingerprint, NOT_FILLED, QName, aside_mark, next_name};

/// Runs the statements that fill a mart.
pub(super) async fn fill(
    worker: &mut Worker<'_>,
    steps: &[&Step],
    events: &mut dyn FnMut(Event),
) -> Result<(), ApplyError> {
    let Some(first) = steps.first() else { return Ok(()) };
    let reads = of(worker.plan, first).map(reads).unwrap_or_default();
    let what = Together { reads: &reads, holder: worker.by.holder, ..what(worker, "fill", steps) };
    let done = together(worker.conn, &what, &frame(first), &told(worker.done.steps, steps, events)).await;
    done.map_err(|halted| stopped(worker, steps, first, halted))?;
    worker.done.steps += steps.len();
    Ok(())
}

/// Runs a statement that stands outside transactions; several of a mart side by side, none of which needs another to be done.
pub(super) async fn alone(
    worker: &mut Worker<'_>,
    steps: &[&Step],
    events: &mut dyn FnMut(Event),
) -> Result<(), ApplyError> {
    let first = match steps {
        [] => return Ok(()),
        [step] => return worker.step(step, None, events).await,
        [first, ..] => first,
    };
    let what = what(worker, "complete", steps);
    let done = build::side_by_side(worker.conn, &what, &frame(first), &told(worker.done.steps, steps, events)).await;
    done.map_err(|halted| stopped(worker, steps, first, halted))?;
    worker.done.steps += steps.len();
    Ok(())
}

fn what<'a>(worker: &Worker<'a>, purpose: &str, steps: &[&'a Step]) -> Together<'a> {
    let mart = steps.first().map(|step| step.mart.as_str()).unwrap_or_default();
    Together {
        statements: steps.iter().map(|step| step.sql.as_str()).collect(),
        reads: &[],
        purpose: format!("{purpose} {mart}"),
        sessions: worker.by.sessions.as_ref().map(|(endpoint, number)| (endpoint, *number)),
        holder: None,
    }
}

/// Tells of each step that begins; `before` were done.
fn told<'a>(before: usize, steps: &'a [&'a Step], events: &'a mut dyn FnMut(Event)) -> impl Fn(usize) + 'a {
    let tell = RefCell::new(events);
    move |at: usize| {
        if let (Some(step), Ok(mut events)) = (steps.get(at), tell.try_borrow_mut()) {
            events(Event::begins(before + at + 1, step));
        }
    }
}

fn stopped(worker: &Worker<'_>, steps: &[&Step], first: &Step, halted: Halted) -> ApplyError {
    worker.failed(steps.get(halted.done).unwrap_or(&first), halted.error)
}

/// Removes what an apply that failed had begun to fill: nobody can go on with it. What cannot be removed now is by the next plan.
/// The caller holds the locks still.
pub(super) async fn clear(conn: &mut PgConnection, plan: &Plan) {
    let begun: BTreeSet<&str> = plan.steps.iter().filter(|s| s.beside).map(|s| s.mart.as_str()).collect();
    for record in plan.records.iter().filter(|record| begun.contains(record.mart.to_string().as_str())) {
        let name = record.mart.sibling(next_name(&record.mart.name));
        if is_begun(conn, &plan.project, &name).await.unwrap_or_default() {
            // Whoever reads it is waited for as long as by any step.
            let mart = record.mart.to_string();
            let brief = plan.steps.iter().find(|step| step.beside && step.mart == mart).map(frame).unwrap_or_default();
            let removed = remove_leftovers(conn, &record.mart, Needed::No, &brief).await;
            if let Err(error) = removed {
                tracing::debug!(%error, %name, "what was begun to be filled was not removed");
            }
        }
    }
}

async fn is_begun(conn: &mut PgConnection, project: &str, name: &QName) -> Result<bool, SqlError> {
    let sql = "SELECT pg_catalog.obj_description(pg_catalog.to_regclass($1), 'pg_class')";
    let mark: Option<String> = sqlx::query(sql).bind(name.to_string()).fetch_one(conn).await?.try_get(0)?;
    Ok(mark.is_some_and(|mark| mark == aside_mark(project, name, &Fingerprint::of(NOT_FILLED))))
}

fn of<'a>(plan: &'a Plan, step: &Step) -> Option<&'a Record> {
    plan.records.iter().find(|record| record.mart.to_string() == step.mart)
}

fn reads(record: &Record) -> Vec<QName> {
    match &record.row {
        RecordRow::Upsert { reads, .. } => reads.values().map(|read| read.name.clone()).collect(),
        _ => Vec::new(),
    }
}
