//! The runs at work: each on a worker of its own, several at once.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tracing::Instrument;

use super::closing::{Closing, Hear, Watched};
use super::log::{self, told};
use super::queue::{Cause, Start};
use crate::database::{Endpoint, LockError, cancel};
use crate::refresh::{Along, Event, Item, Options, RefreshError, Run, RunStatus, Workers};
use crate::state::QName;

/// Workers that rest this long are closed: an idle daemon holds no more than it hears with.
const REST: Duration = Duration::from_secs(5);
/// To cancel takes no longer, or is given up.
const CANCEL: Duration = Duration::from_secs(5);

/// A run that ended, or could not begin.
pub(super) struct Finished {
    pub mart: QName,
    /// Why it ran; `None` where it was only written that it does not.
    pub cause: Option<Cause>,
    /// The row that waited for it.
    pub waited: Option<i64>,
    /// Rows that waited for the same.
    pub joined: Vec<i64>,
    pub began: DateTime<Utc>,
    pub result: Result<Run, RefreshError>,
    /// It went along with another one.
    pub along: bool,
    /// Marts that were to go along with it and did not, and whether they are to be refreshed by themselves.
    pub apart: Vec<(QName, bool)>,
}

impl Finished {
    /// Another daemon leads by now.
    pub fn is_superseded(&self) -> bool {
        matches!(self.result, Err(RefreshError::Superseded { .. }))
    }
}

/// The runs at work.
pub(super) struct Runs {
    endpoint: Endpoint,
    workers: Rc<Workers>,
    work: FuturesUnordered<LocalBoxFuture<'static, Vec<Finished>>>,
    /// Ended, and not told yet.
    ended: VecDeque<Finished>,
    hear: Hear,
    running: usize,
    closing: Rc<Closing>,
}

impl Runs {
    pub fn new(endpoint: &Endpoint, registry: &str, project: &str, hear: Hear) -> Self {
        Self {
            endpoint: endpoint.clone(),
            workers: Rc::new(Workers::new(endpoint, registry, project)),
            work: FuturesUnordered::new(),
            ended: VecDeque::new(),
            hear,
            running: 0,
            closing: Rc::default(),
        }
    }

    /// Begins a run, and those that go `along` with it.
    pub fn start(&mut self, start: Start, item: Item, along: Vec<Item>, options: Rc<Options>) {
        let workers = Rc::clone(&self.workers);
        let watched = Watched::new(Rc::clone(&self.closing), Rc::clone(&self.hear));
        let span =
            tracing::info_span!("run", mart = %start.mart, cause = start.cause.as_str(), run = tracing::field::Empty);
        let within = span.clone();
        self.running += 1;
        let work = async move {
            let began = Utc::now();
            let hear = |event| watched.hear(event);
            let (mut result, mut others) = (None, Vec::new());
            if !along.is_empty() {
                let items: Vec<&Item> = [&item].into_iter().chain(&along).collect();
                match workers.run_together(&items, &options, (&|| false, &hear)).await {
                    Ok(runs) => {
                        let mut runs = runs.into_iter();
                        if let Some(Along::Ran(run)) = runs.next() {
                            result = Some(Ok(*run));
                        }
                        others = runs.collect();
                    }
                    Err(error) => result = Some(Err(error)),
                }
            }
            let result = match result {
                Some(result) => result,
                None => workers.run(&item, &options, &hear).await,
            };
            if let Ok(run) = &result {
                within.record("run", run.run);
            }
            heard(&result, &hear);
            let Start { mart, cause, joined, .. } = start;
            let (mut apart, mut finished) = (Vec::new(), Vec::new());
            others.resize(along.len(), Along::Alone);
            for (item, run) in along.into_iter().zip(others) {
                let run = match run {
                    Along::Ran(run) => *run,
                    other => {
                        apart.push((item.mart, matches!(other, Along::Alone)));
                        continue;
                    }
                };
                let (cause, result) = (Some(Cause::After), Ok(run));
                heard(&result, &hear);
                let (mart, apart) = (item.mart, Vec::new());
                finished.push(Finished {
                    mart,
                    cause,
                    waited: None,
                    joined: Vec::new(),
                    began,
                    result,
                    along: true,
                    apart,
                });
            }
            let waited = item.asked.run;
            finished
                .insert(0, Finished { mart, cause: Some(cause), waited, joined, began, result, along: false, apart });
            finished
        };
        self.work.push(by_itself(work.instrument(span)));
    }

    /// So many will be needed at once, soon: opening a session takes as long as refreshing a small mart.
    pub fn expect(&mut self, workers: usize) {
        let more = workers.saturating_sub(self.workers.count());
        if more > 0 {
            let warm = Rc::clone(&self.workers).warm(more, Rc::clone(&self.hear));
            let work = async move {
                warm.await;
                Vec::new()
            };
            self.work.push(by_itself(work));
        }
    }

    /// Writes that a mart is not refreshed, and why.
    pub fn skip(&mut self, item: Item, options: Rc<Options>, reason: String, joined: Vec<i64>) {
        let (workers, hear) = (Rc::clone(&self.workers), Rc::clone(&self.hear));
        self.work.push(Box::pin(async move {
            let began = Utc::now();
            let result = workers.skip(&item, &options, (RunStatus::Skipped, &reason), &*hear).await;
            tracing::info!(mart = %item.mart, reason, "not refreshed");
            let (mart, waited) = (item.mart.clone(), item.asked.run);
            vec![Finished { mart, cause: None, waited, joined, began, result, along: false, apart: Vec::new() }]
        }));
    }

    /// The next one that ends; never, where none is at work. May be dropped and called again.
    pub async fn next(&mut self) -> Finished {
        loop {
            if let Some(finished) = self.ended.pop_front() {
                if finished.cause.is_some() && !finished.along {
                    self.running -= 1;
                }
                return finished;
            }
            match self.work.next().await {
                Some(finished) => self.ended.extend(finished),
                None => std::future::pending().await,
            }
        }
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many of them the server computes something for.
    pub fn computing(&self) -> usize {
        self.running.saturating_sub(self.closing.count())
    }

    /// Those that only wait for their commit.
    pub fn closing(&self) -> Rc<Closing> {
        Rc::clone(&self.closing)
    }

    /// Whether nothing is at work, not even a note in the history.
    pub fn is_idle(&self) -> bool {
        self.work.is_empty() && self.ended.is_empty()
    }

    /// Whether this server process works, or did just now, for one of our runs.
    pub fn knows(&self, pid: u32) -> bool {
        i32::try_from(pid).is_ok_and(|pid| self.workers.knows(pid))
    }

    /// When workers will have rested long enough to be closed.
    pub fn tired_at(&self) -> Option<Instant> {
        self.workers.resting_since().map(|since| since + REST)
    }

    /// Closes those that rested long enough.
    pub async fn close_resting(&self) {
        self.workers.close_resting(REST).await;
    }

    /// Cancels on the server what runs there, for good. Each run ends soon after, and says so in its row.
    pub async fn cancel(&self) {
        self.workers.stop();
        let pids = self.workers.at_work();
        if pids.is_empty() {
            return;
        }
        let cancelled = async {
            let Ok(mut conn) = self.endpoint.direct().session("daemon cancel").await else { return };
            let _ = cancel(&mut conn, &pids).await;
        };
        // Without a session there is nothing to cancel with; the server notices our end by itself.
        let _ = tokio::time::timeout(CANCEL, cancelled).await;
    }

    /// Ends every session, at once.
    pub async fn close(&self) {
        self.workers.close().await;
    }
}

/// Goes on whatever the loop is busy with, as long as the daemon does.
fn by_itself(work: impl Future<Output = Vec<Finished>> + 'static) -> LocalBoxFuture<'static, Vec<Finished>> {
    let task = tokio::task::spawn_local(work);
    Box::pin(async move {
        match task.await {
            Ok(finished) => finished,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The daemon is over.
                Err(_) => std::future::pending().await,
            },
        }
    })
}

fn heard(result: &Result<Run, RefreshError>, hear: &dyn Fn(Event)) {
    match result {
        Ok(run) => {
            log::run(run);
            hear(Event::Ended { run: Box::new(run.clone()) });
        }
        // It is tried again by itself.
        Err(RefreshError::Lock(error @ LockError::Held { .. })) => tracing::info!("a run waits: {}", told(error)),
        Err(error) => tracing::warn!(error = %told(error), "the run could not begin or be recorded"),
    }
}
