//! Ctrl-C and SIGTERM: what runs on the server is cancelled there, what is not begun is not begun.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;

use datamart::database::{self, Endpoint};
use tokio::signal::unix::{SignalKind, signal};

use super::error::CommandError;
use super::print::{self, Style};

/// The server processes that work for us, and whether they were asked to stop.
#[derive(Debug)]
pub struct Interrupt {
    endpoint: Endpoint,
    style: Style,
    pids: RefCell<BTreeSet<i32>>,
    stopped: Cell<bool>,
}

impl Interrupt {
    /// For work on this database.
    pub fn new(endpoint: &Endpoint, style: Style) -> Self {
        Self { endpoint: endpoint.clone(), style, pids: RefCell::default(), stopped: Cell::new(false) }
    }

    /// One more server process works for us.
    pub fn watch(&self, pid: i32) {
        self.pids.borrow_mut().insert(pid);
    }

    /// Whether somebody asked to stop.
    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Runs `work` to its end, which comes soon after a signal: each one cancels the statements that run then.
    ///
    /// # Errors
    /// Where signals cannot be listened for.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, CommandError> {
        let listen = |kind| signal(kind).map_err(|e| CommandError::internal(format!("cannot listen for signals: {e}")));
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = interrupt.recv() => self.cancel().await,
                _ = terminate.recv() => self.cancel().await,
            }
        }
    }

    async fn cancel(&self) {
        self.stopped.set(true);
        print::note(self.style, "Stopping: cancelling what runs on the server.");
        let pids: Vec<i32> = self.pids.borrow().iter().copied().collect();
        // Without a session there is nothing to cancel with; the server notices our end by itself.
        if let Ok(mut conn) = self.endpoint.direct().session("cancel").await {
            let _ = database::cancel(&mut conn, &pids).await;
        }
    }
}
