//! Waiting for what another process does.

use std::time::{Duration, Instant};

use chrono::{Timelike, Utc};

/// How long what has to come is waited for: many tests run side by side.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for the next hour where this one is nearly over: what begins in one day, month or hour, of whichever time zone, and
/// ends in the next one sees two.
pub async fn within_an_hour() {
    let left = 3_600 - Utc::now().num_seconds_from_midnight() % 3_600;
    if left <= 30 {
        tokio::time::sleep(Duration::from_secs(u64::from(left) + 1)).await;
    }
}

/// Asks again and again until the answer is yes; panics where it never is.
pub async fn until(what: &str, mut yes: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !yes().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
