//! Waiting for what another process does.

use std::time::{Duration, Instant};

/// Asks again and again until the answer is yes; panics where it never is.
pub async fn until(what: &str, mut yes: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !yes().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
