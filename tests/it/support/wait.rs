//! Waiting for what another process does.

use std::time::{Duration, Instant};

/// How long what has to come is waited for: many tests run side by side.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is yes; panics where it never is.
pub async fn until(what: &str, mut yes: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !yes().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
