//! How a daemon that was told to stop comes to its end: what runs has its time, then it is cancelled, then it is left.

use std::time::Duration;

use tokio::time::Instant;

/// What is cancelled has this long to end.
const CANCELLED: Duration = Duration::from_secs(10);

/// Where it is on its way.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    deadline: Option<Instant>,
    cancelled: bool,
}

impl Stopping {
    /// Whether it was told to stop.
    pub fn has_begun(&self) -> bool {
        self.deadline.is_some()
    }

    /// What runs has so long.
    pub fn begin(&mut self, grace: Duration) {
        self.deadline = Some(Instant::now() + grace);
    }

    /// What runs is cancelled; `true` the first time.
    pub fn cancel(&mut self) -> bool {
        let first = !self.cancelled;
        if first {
            (self.cancelled, self.deadline) = (true, Some(Instant::now() + CANCELLED));
        }
        first
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether what runs has had its time.
    pub fn is_due(&self) -> bool {
        !self.cancelled && self.is_late()
    }

    /// Whether the end is there. `runs` and `errands`: nothing of them is at work.
    pub fn is_over(&self, runs: bool, errands: bool) -> bool {
        let ended = runs && (errands || self.cancelled);
        self.has_begun() && (ended || self.cancelled && self.is_late())
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}
