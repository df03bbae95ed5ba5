//! Sessions that refresh, kept open between marts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::Utc;
use sqlx::PgConnection;
use tokio::sync::Notify;

use super::together::together;
use super::worker::{Lease, Numbers, Worker, purpose, who};
use super::{Along, Event, Item, Options, RefreshError, Run, RunStatus, at_once, one, tidy_logs, work};
use crate::database::{Endpoint, ErrorKind, Locks, SqlError};

/// What broke within it is found out by the run, which is tried again.
const MOMENT: Duration = Duration::from_secs(1);

/// Whether a pooler stands before the server is looked for again after this: it takes a session more.
const LOOKED: Duration = Duration::from_secs(60);

/// Workers on one database: each refreshes a mart at a time, and rests between two.
pub struct Workers {
    endpoint: Endpoint,
    registry: String,
    project: String,
    idle: RefCell<Vec<(Worker, Instant)>>,
    /// One that was taken over, and has not worked yet.
    employed: RefCell<Option<Worker>>,
    numbers: Numbers,
    /// So many are being opened before they are needed.
    warming: Cell<usize>,
    /// One of these is there, or did not come.
    warmed: Notify,
    /// Since when it is known that no pooler stands before the server.
    looked: Cell<Option<Instant>>,
    closed: Cell<bool>,
    stopping: Rc<Cell<bool>>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("numbers", &self.numbers).finish_non_exhaustive()
    }
}

impl Workers {
    /// None yet: each is opened when it is needed.
    pub fn new(endpoint: &Endpoint, registry: &str, project: &str) -> Self {
        Self {
            endpoint: endpoint.clone(),
            registry: registry.to_owned(),
            project: project.to_owned(),
            idle: RefCell::default(),
            employed: RefCell::default(),
            numbers: Numbers::default(),
            warming: Cell::new(0),
            warmed: Notify::new(),
            looked: Cell::new(None),
            closed: Cell::new(false),
            stopping: Rc::default(),
        }
    }

    /// Refreshes one mart, with a row of history.
    ///
    /// # Errors
    /// Where it could not begin, or nothing could be written about it. What befalls the mart is in the run.
    pub async fn run(&self, item: &Item, options: &Options, tell: &dyn Fn(Event)) -> Result<Run, RefreshError> {
        let mut worker = self.take(tell).await?;
        let run = work::work(&mut worker, &self.endpoint, item, options, tell).await?;
        self.rest(worker);
        Ok(run)
    }

    /// Refreshes marts in one transaction, as far as that can be, each with a row of history; they stand upstream first.
    ///
    /// # Errors
    /// As [`Workers::run`].
    pub async fn run_together(
        &self,
        items: &[&Item],
        options: &Options,
        (stopped, tell): (&dyn Fn() -> bool, &dyn Fn(Event)),
    ) -> Result<Vec<Along>, RefreshError> {
        let mut worker = self.take(tell).await?;
        let runs = together(&mut worker, &self.endpoint, items, options, (stopped, tell)).await?;
        self.rest(worker);
        Ok(runs)
    }

    /// Writes that a mart is not refreshed.
    ///
    /// # Errors
    /// What the server says.
    pub async fn skip(
        &self,
        item: &Item,
        options: &Options,
        (status, reason): (RunStatus, &str),
        tell: &dyn Fn(Event),
    ) -> Result<Run, RefreshError> {
        let mut worker = self.take(tell).await?;
        let mut run = one::beginning(item, reason, Utc::now());
        run.status = status;
        let run = match work::record(&mut worker.conn, item, options, run.clone()).await {
            Err(error) if worker.rested && error.kind() == "connection" => {
                worker.reconnect(&self.endpoint).await?;
                work::record(&mut worker.conn, item, options, run).await?
            }
            done => done?,
        };
        self.rest(worker);
        Ok(run)
    }

    /// Frees what everybody has seen of the logs of changes. What stands against it does so at the next time, too; it is not
    /// worth an error.
    pub(super) async fn tidy(&self, options: &Options) {
        let rested = self.idle.borrow_mut().pop();
        if let Some((mut worker, _)) = rested {
            let _ = tidy_logs(&mut worker.conn, &self.registry, &self.project, options.max_log).await;
            self.rest(worker);
        }
    }

    /// The server processes that work now.
    pub fn at_work(&self) -> Vec<i32> {
        self.numbers.borrow().values().filter(|(_, works)| *works).map(|(pid, _)| *pid).collect()
    }

    /// What is cancelled from now on is so because its process stops: the history says so.
    pub fn stop(&self) {
        self.stopping.set(true);
    }

    /// Whether this is the server process of a worker, at work or at rest.
    pub fn knows(&self, pid: i32) -> bool {
        self.numbers.borrow().values().any(|(known, _)| *known == pid)
    }

    /// Since when the one that rests longest does.
    pub fn resting_since(&self) -> Option<Instant> {
        self.idle.borrow().iter().map(|(_, since)| *since).min()
    }

    /// Ends those that rested so long.
    pub async fn close_resting(&self, longer_than: Duration) {
        let all = std::mem::take(&mut *self.idle.borrow_mut());
        let (old, young): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, since)| since.elapsed() >= longer_than);
        self.idle.borrow_mut().extend(young);
        for (worker, _) in old {
            worker.close().await;
        }
    }

    /// Ends those that rest, and each other one once it has done its work.
    pub async fn close(&self) {
        self.closed.set(true);
        let employed = self.employed.borrow_mut().take();
        if let Some(worker) = employed {
            worker.close().await;
        }
        self.close_resting(Duration::ZERO).await;
    }

    /// How many there are: at work, at rest, or about to be.
    pub fn count(&self) -> usize {
        self.numbers.borrow().len()
    }

    /// Opens so many more, which rest until they are needed. They count from now on, and whoever needs one meanwhile waits for it. One
    /// after another: the first is there sooner than where all of them share the server's processors.
    pub fn warm(self: Rc<Self>, many: usize, tell: Rc<dyn Fn(Event)>) -> impl Future<Output = ()> {
        let leases: Vec<Lease> = (0..many).map(|_| self.lease()).collect();
        self.warming.set(self.warming.get() + many);
        async move {
            let mut leases = leases.into_iter();
            while let Some(lease) = leases.next() {
                // What stands against it is told to whoever needs it.
                let opened = self.open(lease, &*tell).await;
                let goes_on = opened.is_ok() && !self.closed.get();
                if let Ok(mut worker) = opened {
                    at_once::keep(&mut worker, &self.registry).await;
                    self.rest(worker);
                }
                let done = if goes_on { 1 } else { 1 + leases.len() };
                self.warming.set(self.warming.get().saturating_sub(done));
                self.warmed.notify_waiters();
                if !goes_on {
                    break;
                }
            }
        }
    }

    async fn take(&self, tell: &dyn Fn(Event)) -> Result<Worker, RefreshError> {
        let employed = self.employed.borrow_mut().take();
        let worker = loop {
            if let Some(worker) = employed {
                break worker;
            }
            let rested = self.idle.borrow_mut().pop();
            match rested {
                Some((worker, since)) => break Worker { rested: true, fresh: since.elapsed() < MOMENT, ..worker },
                None if self.warming.get() > 0 => self.warmed.notified().await,
                None => break self.open(self.lease(), tell).await?,
            }
        };
        if self.stopping.get() {
            let said = "the daemon was stopped before it began";
            return Err(RefreshError::History(SqlError::new(ErrorKind::Connection, said)));
        }
        worker.at_work();
        Ok(worker)
    }

    fn rest(&self, worker: Worker) {
        self.numbers.borrow_mut().insert(worker.lease.number, (worker.locks.pid(), false));
        if !self.closed.get() {
            self.idle.borrow_mut().push((worker, Instant::now()));
        }
    }

    /// Takes over a session that has done other work: what it looked at is not looked at again by another one. `other` is a second one, as
    /// [`Endpoint::second`] gives it.
    ///
    /// # Errors
    /// Where a pooler stands before the server; what the server says.
    pub async fn employ(
        &self,
        mut conn: PgConnection,
        other: Option<PgConnection>,
        tell: &dyn Fn(Event),
    ) -> Result<(), RefreshError> {
        self.endpoint.confirm_unshared(&mut conn, other).await?;
        self.looked.set(Some(Instant::now()));
        let worker = self.worker(conn, self.lease(), tell).await?;
        *self.employed.borrow_mut() = Some(worker);
        Ok(())
    }

    async fn open(&self, lease: Lease, tell: &dyn Fn(Event)) -> Result<Worker, RefreshError> {
        let (target, purpose) = (self.endpoint.direct(), purpose(lease.number));
        let open = target.worker(&purpose);
        let conn = if self.looked.get().is_some_and(|looked| looked.elapsed() < LOOKED) {
            open.await?
        } else {
            let conn = Box::pin(target.unshared(open)).await?;
            self.looked.set(Some(Instant::now()));
            conn
        };
        self.worker(conn, lease, tell).await
    }

    async fn worker(&self, mut conn: PgConnection, lease: Lease, tell: &dyn Fn(Event)) -> Result<Worker, RefreshError> {
        let purpose = purpose(lease.number);
        let (pid, user) = who(&mut conn, &purpose).await?;
        tell(Event::Session { pid });
        let locks = Locks::new(self.endpoint.direct(), &self.registry, &self.project, &purpose, pid);
        let stopping = Rc::clone(&self.stopping);
        Ok(Worker { conn, locks, user, rested: false, fresh: true, kept: false, stopping, lease })
    }

    /// The smallest number that nobody has.
    fn lease(&self) -> Lease {
        let mut numbers = self.numbers.borrow_mut();
        let number = (1..).find(|number| !numbers.contains_key(number)).unwrap_or_default();
        numbers.insert(number, (0, false));
        Lease { numbers: Rc::clone(&self.numbers), number }
    }
}
