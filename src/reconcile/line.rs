//! A line of things to do that is never waited for: where it is full, the oldest one goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The line. Whoever has a clone may add to it; one takes from it.
#[derive(Debug)]
pub(super) struct Line<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    room: usize,
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    dropped: u64,
    closed: bool,
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Line<T> {
    /// A line with room for so many.
    pub fn new(room: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), dropped: 0, closed: false });
        Self(Arc::new(Shared { room, state, changed: Notify::new() }))
    }

    /// Adds one.
    pub fn push(&self, one: T) {
        let mut state = self.state();
        if state.waiting.len() >= self.0.room {
            state.waiting.pop_front();
            state.dropped += 1;
        }
        state.waiting.push_back(one);
        drop(state);
        self.0.changed.notify_one();
    }

    /// Nothing more comes; what waits is still taken.
    pub fn close(&self) {
        self.state().closed = true;
        self.0.changed.notify_one();
    }

    /// The next one, and how many went since the one before; `None` once the line is closed and empty. May be dropped and called again.
    pub async fn next(&self) -> Option<(T, u64)> {
        loop {
            {
                let mut state = self.state();
                if let Some(one) = state.waiting.pop_front() {
                    return Some((one, std::mem::take(&mut state.dropped)));
                }
                if state.closed {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_goes_where_there_is_no_room() {
        let line = Line::new(2);
        for one in 1..=5 {
            line.clone().push(one);
        }
        assert_eq!(line.next().await, Some((4, 3)));
        line.close();
        assert_eq!((line.next().await, line.next().await), (Some((5, 0)), None));
    }

    #[tokio::test]
    async fn who_takes_waits_for_what_comes() {
        let line = Line::new(2);
        let (taken, ()) = futures_util::future::join(line.next(), async { line.push("one") }).await;
        assert_eq!(taken, Some(("one", 0)));
    }
}
