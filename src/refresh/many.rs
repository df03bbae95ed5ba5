//! Several marts: each once, after what it reads from, independent ones at the same time.

use std::cell::RefCell;
use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::workers::Workers;
use super::{Event, Item, Options, RefreshError, Run, RunStatus};
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
    let events = RefCell::new(events);
    let tell = |event: Event| (events.borrow_mut())(event);
    let workers = Workers::new(endpoint, &options.registry, &options.project);
    let mut waiting: Vec<usize> = (0..items.len()).collect();
    // Larger priority first; items come upstream first, and that order stays among equals.
    waiting.sort_by_key(|i| std::cmp::Reverse(items[*i].recorded.mart.refresh.priority));
    let mut ended: BTreeSet<QName> = BTreeSet::new();
    let mut failed: BTreeSet<QName> = BTreeSet::new();
    let mut runs: Vec<Option<Run>> = vec![None; items.len()];
    let mut running = FuturesUnordered::new();
    let among: BTreeSet<&QName> = items.iter().map(|i| &i.mart).collect();
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
            let (tell, workers) = (&tell, &workers);
            running.push(async move {
                let run = if stop {
                    workers.skip(item, options, (RunStatus::Cancelled, "stopped before it began"), tell).await
                } else if let Some(up) = blocked {
                    let reason = format!("{up}, which it reads, was not refreshed");
                    workers.skip(item, options, (RunStatus::Skipped, &reason), tell).await
                } else {
                    workers.run(item, options, tell).await
                };
                (index, run)
            });
        }
        let Some((index, run)) = running.next().await else { break };
        let run = run?;
        let name = &items[index].mart;
        if !matches!(run.status, RunStatus::Success | RunStatus::Noop) && items[index].recorded.mart.kind != Kind::View
        {
            failed.insert(name.clone());
        }
        ended.insert(name.clone());
        tell(Event::Ended { run: Box::new(run.clone()) });
        runs[index] = Some(run);
    }
    drop(running);
    if items.iter().any(|item| item.recorded.mart.notices_writes()) {
        workers.tidy(options).await;
    }
    workers.close().await;
    Ok(runs.into_iter().flatten().collect())
}
