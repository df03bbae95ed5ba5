//! When each mart is refreshed: a queue without a clock of its own. Everything it is told comes with the time, so that a test
//! can say what happens in the hour that does not exist.
//!
//! The loop around it: [`Queue::set`] whenever the marts or their policies changed; [`Queue::start`] after everything that
//! happened and whenever [`Queue::next`] is reached (sleep a minute at most: the clock may be set meanwhile); each run that
//! begins is told to have [`Queue::ended`]. A run that began and is never told to have ended holds up what reads it.

mod job;

use chrono::{DateTime, TimeDelta, Utc};

use crate::refresh::Asked;
use crate::state::QName;

pub use job::{Cause, Ended, Job, Outcome, Past, Requested, Skip, Start};

/// Which marts are due, wait and run.
#[derive(Debug)]
pub struct Queue {
    seed: u64,
}

impl Queue {
    /// An empty queue. `seed` decides by how much waits between retries differ; any number, another one for each process.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// These are the marts now. What is due, running and known of marts that stay is kept; a changed schedule counts from now;
    /// rows of the history that wait for a mart that is gone are given back.
    pub fn set(&mut self, jobs: Vec<Job>, now: DateTime<Utc>) -> Vec<i64> {
        Vec::new()
    }

    /// When something is due next; `None`: not before something happens. Runs that wait for a place or for another run are no
    /// matter of time.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// What begins now, in this order, `free` at most. Each counts as running until it is told to have [`Queue::ended`].
    pub fn start(&mut self, now: DateTime<Utc>, free: usize) -> Vec<Start> {
        Vec::new()
    }

    /// Somebody asks for a refresh; also of a suspended mart. `run` is the row that waits in the history. Requests with the same
    /// `now` are of one instant: what reads another of them runs after it.
    pub fn request(&mut self, mart: &QName, run: i64, asked: &Asked, now: DateTime<Utc>) -> Requested {
        Requested::Unknown
    }

    /// A waiting request is taken back. False where it does not wait (any more).
    pub fn cancel(&mut self, run: i64) -> bool {
        false
    }

    /// A source of a `triggered` mart changed, or its channel was notified (`cause`). It runs after `debounce` of quiet.
    pub fn changed(&mut self, mart: &QName, cause: Cause, now: DateTime<Utc>) {}

    /// A run ended. What is given back was due with it and does not run, because this one was not refreshed.
    pub fn ended(&mut self, mart: &QName, ended: &Ended, now: DateTime<Utc>) -> Vec<Skip> {
        Vec::new()
    }

    /// A mart was refreshed by somebody else, by hand or from SQL, by a run that began at `started`: it counts as a run, and what
    /// reads it follows.
    pub fn refreshed_elsewhere(&mut self, mart: &QName, started: DateTime<Utc>, now: DateTime<Utc>) {}

    /// When a mart runs next, where that is a matter of time. One that is due and waits for its turn says when it was due.
    pub fn next_of(&self, mart: &QName) -> Option<DateTime<Utc>> {
        None
    }

    /// Whether a mart that runs is known to.
    pub fn is_running(&self, mart: &QName) -> bool {
        false
    }

    /// How many runs are due and have not begun.
    pub fn waiting(&self) -> usize {
        0
    }

    /// How long the one that waits longest has been due.
    pub fn lateness(&self, now: DateTime<Utc>) -> TimeDelta {
        TimeDelta::zero()
    }
}
