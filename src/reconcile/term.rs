//! One leadership: from becoming the leader until the session is lost or the daemon is told to stop. Sleeps until something is due or
//! happens; what takes long is a future beside the others.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::agenda::{Agenda, Begin, NotBegun};
use super::board::Board;
use super::clerk::Clerk;
use super::desk::Heard;
use super::errands::{Errand, Errands};
use super::lead::Candidate;
use super::log::{self, told};
use super::pruning::Pruning;
use super::requests::Rows;
use super::runs::{Finished, Runs};
use super::setup::{Command, Setup, Verdict};
use super::stopping::Stopping;
use super::{Outcome, Reason, Reconciled, Revisions, Seen, Teller, memory};
use crate::database::SqlError;
use crate::manifest::Desired;
use crate::observe::Event;
use crate::refresh::{Method, RefreshError, RunStatus};
use crate::state::Mart;

/// No sleep is longer: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// What could not be seen is looked at again after this.
const SOON: Duration = Duration::from_secs(1);
/// What was to be told has this long to go out once the daemon ends.
const TOLD: Duration = Duration::from_secs(5);

/// How a leadership ends.
pub(super) enum End {
    /// The daemon was told to stop, or its one pass is over.
    Stopped(Verdict),
    /// The session that leads is lost, and why.
    Lost(String),
}

/// What the loop wakes up for.
enum Happened {
    Lost(SqlError),
    Heard(Heard),
    Finished(Box<Finished>),
    Errand(Result<Errand, Reason>),
    Told(Command),
    Time,
}

/// One leadership.
pub(super) struct Term<'a> {
    setup: &'a Setup,
    board: &'a mut Board,
    epoch: i64,
    clerk: Clerk,
    runs: Runs,
    teller: Teller,
    /// Goes on as long as the leadership does.
    _pruning: Option<Pruning>,
    errands: Errands,
    desired: Arc<Desired>,
    /// The marts that were applied, where the manifests cannot be read and name none.
    applied: Arc<Vec<Mart>>,
    stopping: Stopping,
    looked: bool,
    verdict: Verdict,
}

impl<'a> Term<'a> {
    pub fn new(setup: &'a Setup, board: &'a mut Board, revisions: Revisions, epoch: i64) -> Self {
        let rows = Rows { registry: setup.registry.clone(), project: setup.project.clone() };
        let pass = setup.once.then(Utc::now);
        let agenda = Agenda::new(rows.clone(), epoch, &setup.who, pass, revisions.wanted());
        let clerk = Clerk::new(rows.clone(), agenda, revisions.poker());
        Self {
            setup,
            board,
            epoch,
            runs: Runs::new(&setup.endpoint, &rows.registry, &rows.project, setup.hear.clone()),
            teller: Teller::new(&setup.endpoint, &rows.registry, &rows.project),
            _pruning: (!setup.once).then(|| Pruning::new(&setup.endpoint, &rows.registry, &rows.project)),
            errands: Errands::new(&setup.endpoint, &rows.project, revisions),
            clerk,
            // Of a leadership before, or while another daemon led: newer than those of the start.
            desired: setup.vitals.borrow().desired.clone().unwrap_or_else(|| setup.desired.clone()),
            applied: Arc::default(),
            stopping: Stopping::default(),
            looked: false,
            verdict: Verdict::Good,
        }
    }

    /// Leads.
    pub async fn run(mut self, candidate: &mut Candidate, commands: &mut UnboundedReceiver<Command>) -> End {
        if let Err(error) = self.clerk.begin(candidate.connection(), self.epoch).await {
            return End::Lost(told(&error));
        }
        self.errands.open(false);
        let mut beat = pin!(candidate.keep());
        loop {
            self.begin_due();
            self.show();
            if let Some(verdict) = self.over() {
                self.runs.close().await;
                self.teller.finish(TOLD).await;
                return End::Stopped(verdict);
            }
            let (wake, ready, closing) = (self.wake_at(), self.clerk.is_open(), self.runs.closing());
            let happened = tokio::select! {
                error = &mut beat => Happened::Lost(error),
                Some(command) = commands.recv() => Happened::Told(command),
                finished = self.runs.next() => Happened::Finished(Box::new(finished)),
                () = closing.one_more() => Happened::Heard(Heard::Nothing),
                errand = self.errands.next(ready) => Happened::Errand(errand),
                heard = self.clerk.hear() => Happened::Heard(heard),
                () = tokio::time::sleep_until(wake) => Happened::Time,
            };
            match happened {
                Happened::Lost(error) => return self.lost(told(&error)).await,
                Happened::Finished(finished) if finished.is_superseded() => {
                    return self.lost("another daemon leads by now".to_owned()).await;
                }
                happened => {
                    // Whatever it waits for, that the session is lost is noticed meanwhile.
                    let lost = tokio::select! {
                        error = &mut beat => Some(error),
                        () = self.handle(happened) => None,
                    };
                    if let Some(error) = lost {
                        return self.lost(told(&error)).await;
                    }
                }
            }
        }
    }

    async fn handle(&mut self, happened: Happened) {
        match happened {
            // That ends the loop.
            Happened::Lost(_) => {}
            Happened::Told(command) => self.obey(command).await,
            Happened::Finished(finished) => self.finished(*finished).await,
            Happened::Errand(Ok(errand)) => self.done(errand).await,
            Happened::Errand(Err(reason)) => self.errands.look(reason),
            Happened::Heard(heard) => self.heard(heard).await,
            Happened::Time => self.time().await,
        }
    }

    /// When to wake up if nothing happens.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let due = self.clerk.agenda.next().filter(|_| !self.stopping.has_begun() && !self.setup.once);
        let due = due.map(|at| now + (at - Utc::now()).to_std().unwrap_or_default());
        let tired = self.runs.tired_at().map(Instant::from_std);
        let shown = self.board.due().map(Instant::from_std);
        let times = [due, tired, shown, self.clerk.due(), self.stopping.deadline()];
        times.into_iter().flatten().min().unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP)
    }

    /// Begins what is due and has a place.
    fn begin_due(&mut self) {
        if self.stopping.has_begun() {
            return;
        }
        let free = self.clerk.agenda.places(self.runs.running(), self.runs.computing());
        for Begin { start, item, along, options } in self.clerk.agenda.begin(free) {
            self.board.began((Utc::now() - start.due_at).to_std().unwrap_or_default());
            self.board.moved();
            self.runs.start(start, item, along, options);
        }
        self.runs.expect(self.clerk.agenda.soon());
    }

    fn show(&mut self) {
        let clerk = &mut self.clerk;
        self.board.load(self.runs.computing(), || clerk.agenda.waiting());
        self.board.show(|| clerk.all_next());
    }

    /// Whether all is done that is to be done.
    fn over(&self) -> Option<Verdict> {
        let (runs, errands) = (self.runs.is_idle(), self.errands.is_empty());
        let stopped = self.stopping.is_over(runs, errands);
        let passed = self.setup.once && self.looked && runs && errands;
        (stopped || passed).then(|| self.verdict())
    }

    fn verdict(&self) -> Verdict {
        if self.setup.once { self.verdict } else { Verdict::Good }
    }

    async fn obey(&mut self, command: Command) {
        match (command, self.stopping.has_begun()) {
            (Command::Reload, false) => {
                tracing::info!("told to read the manifests again");
                self.errands.poke(Reason::Asked);
            }
            (Command::Reload, true) => {}
            (Command::Stop, false) => {
                self.stopping.begin(self.setup.grace);
                tracing::info!(running = self.runs.running(), "told to stop: nothing begins any more");
                if self.setup.once {
                    self.verdict = Verdict::Bad;
                }
            }
            (Command::Stop, true) => self.cancel().await,
        }
    }

    /// What runs has had its time.
    async fn cancel(&mut self) {
        if self.stopping.cancel() {
            tracing::info!(running = self.runs.running(), "cancelling what runs on the server");
        }
        self.runs.cancel().await;
    }

    /// The leadership is over: nothing of it goes on.
    async fn lost(mut self, why: String) -> End {
        let ended = async {
            self.runs.cancel().await;
            while !self.runs.is_idle() {
                self.runs.next().await;
            }
        };
        // Where the server is out of reach there is nobody to wait for.
        let _ = tokio::time::timeout(Duration::from_secs(3), ended).await;
        // Who was told to stop does not lead again.
        if self.stopping.has_begun() { End::Stopped(self.verdict()) } else { End::Lost(why) }
    }

    async fn time(&mut self) {
        if self.stopping.is_due() {
            self.cancel().await;
        }
        self.clerk.time().await;
        self.runs.close_resting().await;
    }

    async fn done(&mut self, errand: Errand) {
        match errand {
            Errand::Desk(Ok(desk)) => {
                self.clerk.opened(desk).await;
                if !self.clerk.agenda.is_known() && !self.setup.once {
                    self.errands.see(&self.desired, Duration::ZERO);
                }
            }
            // What a revision came to is newer, if it came to anything.
            Errand::Seen(seen) if self.clerk.agenda.is_known() => drop(seen),
            Errand::Seen(seen) => match *seen {
                Ok(seen) => {
                    self.settle(seen).await;
                    self.clerk.take().await;
                }
                Err(error) => {
                    tracing::warn!(kind = error.kind(), "cannot look at the database: {}", told(&error));
                    self.errands.see(&self.desired, SOON);
                }
            },
            // One pass waits for no better times.
            Errand::Desk(Err(error)) if self.setup.once && self.errands.gave_up() => {
                tracing::error!(error = %told(&error), "cannot listen for requests");
                (self.looked, self.verdict) = (true, Verdict::Bad);
            }
            Errand::Desk(Err(error)) => {
                tracing::warn!(error = %told(&error), "cannot listen for requests; trying again");
                if !self.stopping.has_begun() {
                    self.errands.open(false);
                }
            }
            Errand::Looked(reconciled) => self.looked(*reconciled).await,
            Errand::Drifted(None) => {}
            Errand::Drifted(Some(mut drifted)) => {
                log::drifted(&drifted);
                if drifted.trouble.is_none() {
                    self.teller.tell(Event::Drifted(drifted.found.clone(), drifted.healed.clone()));
                }
                if let Some(seen) = drifted.seen.take() {
                    self.settle(seen).await;
                }
            }
        }
        memory::give_back();
    }

    async fn looked(&mut self, reconciled: Reconciled) {
        log::reconciled(&reconciled);
        self.looked = true;
        let trouble = log::trouble(&reconciled.outcome);
        if trouble.is_some() {
            self.verdict = Verdict::Bad;
        }
        // What went wrong before goes on doing so.
        if reconciled.outcome != Outcome::AsBefore && self.board.trouble(trouble) {
            log::recovered(&reconciled);
        }
        if let Some(desired) = reconciled.desired {
            self.board.in_force(&desired);
            self.desired = desired;
        }
        if let Some(seen) = reconciled.seen {
            self.settle(seen).await;
        }
        self.clerk.take().await;
    }

    /// The database is like this now.
    async fn settle(&mut self, seen: Seen) {
        let recorded = seen.actual.recorded.values().filter(|_| self.desired.marts.is_empty());
        self.applied = Arc::new(recorded.map(|row| row.mart.clone()).collect());
        self.clerk.settle(&self.desired, seen).await;
        if !self.clerk.agenda.is_known() {
            // One pass that refreshed nothing was not a good one.
            self.verdict = Verdict::Bad;
            if !self.setup.once {
                // No revision may come to anything; the marts that are there are refreshed all the same.
                self.errands.see(&self.desired, SOON);
            }
        }
        self.board.moved();
        self.tell_settled();
    }

    fn tell_settled(&self) {
        self.teller.tell(Event::Settled(Arc::clone(&self.desired), Arc::clone(&self.applied)));
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Lost => {
                tracing::warn!("the session that listens broke; opening another one");
                self.clerk.lost();
                self.errands.open(true);
            }
            Heard::Wake(what) => match what.as_str() {
                "runs" => self.clerk.take().await,
                "overrides" => self.overrides().await,
                "approval" => self.errands.poke(Reason::Approved),
                "revision" => self.errands.poke(Reason::Asked),
                _ => {}
            },
            Heard::Refreshed(_, pid) if self.runs.knows(pid) => {}
            Heard::Refreshed(name, _) => {
                self.teller.tell(Event::Elsewhere(name.clone()));
                self.clerk.refreshed(&name).await;
                self.board.moved();
            }
            Heard::Channel(channel) => self.clerk.agenda.notified(&channel),
        }
    }

    async fn overrides(&mut self) {
        self.clerk.overrides(&self.desired).await;
        // What was changed beside the manifests is drift, and shown as such without waiting for its hour.
        self.errands.poke(Reason::Drift);
        self.board.moved();
        self.tell_settled();
    }

    async fn finished(&mut self, finished: Finished) {
        let skipped = self.clerk.agenda.finished(&finished);
        for NotBegun { item, options, reason, joined } in skipped {
            self.runs.skip(item, options, reason, joined);
        }
        self.board.moved();
        match &finished.result {
            Ok(run) => {
                self.teller.tell(Event::Ended(Box::new(run.clone())));
                match run.status {
                    RunStatus::Failed | RunStatus::Cancelled => self.verdict = Verdict::Bad,
                    RunStatus::Skipped if finished.cause.is_some() && run.is_paused() => {
                        self.board.paused(Some(run.reason.clone()))
                    }
                    _ if run.method.is_some_and(Method::is_whole) => self.board.paused(None),
                    _ => {}
                }
                self.clerk.ended(&finished.joined, run.run).await;
            }
            Err(error) => {
                self.verdict = Verdict::Bad;
                if !matches!(error, RefreshError::Lock(_)) {
                    // It may have begun, and its end could not be written.
                    self.clerk.recover_later(self.epoch + 1);
                }
                if finished.waited.is_some() {
                    // Its row may wait still.
                    self.clerk.retry_soon();
                }
            }
        }
    }
}
