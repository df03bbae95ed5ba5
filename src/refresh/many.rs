//! Several marts: each once, after what it reads from, independent ones at the same time.

use std::cell::RefCell;
use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::workers::Workers;
use super::{Along, Event, Item, Options, RefreshError, Run, RunStatus, chain};
use crate::database::Endpoint;
use crate::state::{Kind, QName};

/// Refreshes `items`. `stopped` is asked before each one begins; what is not begun then is skipped.
///
/// # Errors
/// Where nothing could begin at all. What befalls one mart is in its run.
pub async fn refresh(
    endpoint: &Endpoint,
    items: &[Item],
    options: &Options,
    stopped: &dyn Fn() -> bool,
    events: &mut dyn FnMut(Event),
) -> Result<Vec<Run>, RefreshError> {
    let workers = Workers::new(endpoint, &options.registry, &options.project);
    refresh_by(&workers, items, options, stopped, events).await
}

/// As [`refresh`], by workers that are there; they are gone afterwards.
///
/// # Errors
/// As there.
pub async fn refresh_by(
    workers: &Workers,
    items: &[Item],
    options: &Options,
    stopped: &dyn Fn() -> bool,
    events: &mut dyn FnMut(Event),
) -> Result<Vec<Run>, RefreshError> {
    let events = RefCell::new(events);
    let tell = |event: Event| (events.borrow_mut())(event);
    let mut waiting: Vec<usize> = (0..items.len()).collect();
    // Larger priority first; items come upstream first, and that order stays among equals.
    waiting.sort_by_key(|i| std::cmp::Reverse(items[*i].recorded.mart.refresh.priority));
    let mut ended: BTreeSet<QName> = BTreeSet::new();
    let mut failed: BTreeSet<QName> = BTreeSet::new();
    let mut runs: Vec<Option<Run>> = vec![None; items.len()];
    let mut running = FuturesUnordered::new();
    let among: BTreeSet<&QName> = items.iter().map(|i| &i.mart).collect();
    let mut chains = chain::chains(items);
    loop {
        while running.len() < options.parallel.max(1) {
            let ready = waiting
                .iter()
                .position(|i| items[*i].upstream.iter().all(|up| ended.contains(up) || !among.contains(up)));
            let Some(at) = ready else { break };
            let index = waiting.remove(at);
            let item = &items[index];
            let blocked = item.upstream.iter().find(|up| failed.contains(*up)).cloned();
            let stop = stopped();
            let mut together = vec![index];
            if chains[index].is_some() && blocked.is_none() && !stop {
                let chain: Vec<usize> = waiting.iter().copied().filter(|i| chains[*i] == chains[index]).collect();
                chain::along(items, &mut together, &chain, |up| {
                    !failed.contains(up) && (ended.contains(up) || !among.contains(up))
                });
                waiting.retain(|i| !together.contains(i));
            }
            let tell = &tell;
            running.push(async move {
                if together.len() > 1 {
                    let of: Vec<&Item> = together.iter().map(|i| &items[*i]).collect();
                    let runs = workers.run_together(&of, options, (stopped, tell)).await?;
                    let ran = |along: Along| if let Along::Ran(run) = along { Some(*run) } else { None };
                    return Ok(together.into_iter().zip(runs.into_iter().map(ran)).collect());
                }
                let run = if stop {
                    workers.skip(item, options, (RunStatus::Cancelled, "stopped before it began"), tell).await
                } else if let Some(up) = blocked {
                    let reason = format!("{up}, which it reads, was not refreshed");
                    workers.skip(item, options, (RunStatus::Skipped, &reason), tell).await
                } else {
                    workers.run(item, options, tell).await
                };
                Ok::<Vec<(usize, Option<Run>)>, RefreshError>(vec![(index, Some(run?))])
            });
        }
        let Some(done) = running.next().await else { break };
        // Items stand upstream first; what was left is taken up again by itself.
        for (index, run) in done? {
            let Some(run) = run else {
                chains[index] = None;
                waiting.push(index);
                continue;
            };
            let item = &items[index];
            if !matches!(run.status, RunStatus::Success | RunStatus::Noop) && item.recorded.mart.kind != Kind::View {
                failed.insert(item.mart.clone());
            }
            ended.insert(item.mart.clone());
            tell(Event::Ended { run: Box::new(run.clone()) });
            runs[index] = Some(run);
        }
    }
    drop(running);
    if items.iter().any(|item| item.recorded.mart.notices_writes()) {
        workers.tidy(options).await;
    }
    workers.close().await;
    Ok(runs.into_iter().flatten().collect())
}
