//! Beginning a run in one message: the mart's lock is taken, the mart is looked at, the row of the history is opened. By itself each of
//! them costs as much as a good part of the refresh of a small mart.
//!
//! How it is refreshed is chosen before, by what was known of the mart. Where it is another one by now, or anything else stands
//! against it, nothing was done, and the run begins step by step.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::started::{Started, chosen};
use super::still::same;
use super::worker::Worker;
use super::{Choice, Item, Options, RefreshError, history, one};
use crate::database::registry::in_schema;
use crate::manifest::PauseWhen;
use crate::state::{Kind, next_name, quote_literal};

/// Lets the session of a worker keep the statements of a run. For a single run that would take as long as it saves.
pub(super) async fn keep(worker: &mut Worker, registry: &str) {
    let still = in_schema(include_str!("sql/still.sql"), registry);
    let types = "text, text, text, text, text, text";
    let (begin, finish) = (history::keep_beginning(registry), history::keep_finishing(registry));
    let all = format!("PREPARE datamart_still ({types}) AS {still}\n;{begin}{finish}");
    worker.locks.keep(&mut worker.conn, &all).await;
    worker.kept = true;
}

/// Begins a run; `None`: it has to begin step by step.
///
/// # Errors
/// Where nothing could be written about it.
pub(super) async fn begin(
    worker: &mut Worker,
    item: &Item,
    lock: &str,
    options: &Options,
    now: DateTime<Utc>,
) -> Result<Option<Started>, RefreshError> {
    // A request is taken from its row, which is not to be lost. What is chosen by a look at the rows is chosen under the lock.
    let foreseen = item.recorded.mart.kind == Kind::MaterializedView
        && item.series.is_none()
        && item.asked.run.is_none()
        && options.pause_when == PauseWhen::default();
    let live = item.live.as_ref().filter(|live| live.kind.is(item.recorded.mart.kind));
    let Some(live) = live.filter(|_| foreseen && worker.fresh) else { return Ok(None) };
    if !worker.kept && worker.rested {
        keep(worker, &options.registry).await;
    }
    if !worker.locks.keeps() {
        return Ok(None);
    }
    let chosen = match chosen(worker, item, live, options, now).await {
        Ok(chosen) => chosen,
        Err(_) => return Ok(None),
    };
    let Choice::Method(method, reason) = &chosen.choice else { return Ok(None) };
    let mut run = one::beginning(item, &chosen.reason(reason), now);
    run.method = Some(*method);
    let names = [
        &options.project,
        &item.mart.schema,
        &item.mart.name,
        &live.name.schema,
        &live.name.name,
        &next_name(&live.name.name),
    ];
    let names = names.map(|name| quote_literal(name)).join(", ");
    let begin = history::beginning_kept(options, item, *method, &run, worker.locks.pid());
    let then = format!("EXECUTE datamart_still ({names});{begin}");
    let told = worker.locks.try_acquire_then(&mut worker.conn, lock, &then).await;
    // Who holds it, and what went wrong, is found out step by step.
    let Ok(Some(told)) = told else { return Ok(None) };
    let Some(number) = history::begun_kept(&told).map_err(RefreshError::History)? else { return Ok(None) };
    run.run = number;
    let still = told.iter().find(|row| row.try_column("relkind").is_ok());
    let still = still.and_then(|row| same(row, item, live).transpose()).transpose();
    match still.map_err(RefreshError::History)? {
        Some(item) if item.live.as_ref().is_some_and(|now| now.populated == live.populated) => {
            let live = item.live.clone().unwrap_or_else(|| live.clone());
            Ok(Some(Started { item, live, chosen, run, counted: true }))
        }
        // It is chosen anew.
        _ => {
            history::withdraw(&mut worker.conn, options, &run).await.map_err(RefreshError::History)?;
            Ok(None)
        }
    }
}
