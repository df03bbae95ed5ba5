//! Waiting and trying again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::{DatabaseError, SqlError};

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Tries in all, the first included.
    pub attempts: u32,
    /// The pause after the first failure; it doubles from there.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Default for Backoff {
    /// Five tries within about two seconds.
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_millis(100), longest: Duration::from_secs(1) }
    }
}

impl Backoff {
    /// The pause after the `failures`-th failure (from 1): doubled each time, between half and the whole of it, at random.
    pub fn pause(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let whole = doubled.min(self.longest);
        whole / 2 + (whole / 2).mul_f64(random())
    }
}

impl Backoff {
    /// Waits the pause after the `failures`-th failure.
    pub async fn wait(&self, failures: u32) {
        tokio::time::sleep(self.pause(failures)).await;
    }
}

/// Waits.
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What tells a passing failure from a lasting one.
pub trait Transient {
    /// Whether the same may pass when tried again.
    fn transient(&self) -> bool;
}

impl Transient for SqlError {
    fn transient(&self) -> bool {
        SqlError::transient(self)
    }
}

impl Transient for DatabaseError {
    fn transient(&self) -> bool {
        DatabaseError::transient(self)
    }
}

/// Runs `operation` until it passes, fails for good, or `backoff` is used up. The operation gets the number of the try, from 1.
///
/// # Errors
/// The last failure.
pub async fn retry<T, E: Transient>(
    backoff: Backoff,
    mut operation: impl AsyncFnMut(u32) -> Result<T, E>,
) -> Result<T, E> {
    let mut attempt = 1;
    loop {
        match operation(attempt).await {
            Err(error) if error.transient() && attempt < backoff.attempts => {
                tokio::time::sleep(backoff.pause(attempt)).await;
                attempt += 1;
            }
            done => return done,
        }
    }
}

/// How often something is read once more, in another snapshot, because somebody replaced it while it was read: the next one sees
/// what stands in its place. Whoever replaces it again and again is told as an error.
#[derive(Debug)]
pub struct Rereads(u32);

impl Default for Rereads {
    fn default() -> Self {
        Self(9)
    }
}

impl Rereads {
    /// Whether to read once more.
    pub fn another(&mut self) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        left
    }
}

/// Between 0 and 1. Every `RandomState` of the standard library has other keys, which is random enough for a pause.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Backoff = Backoff { attempts: 3, first: Duration::from_millis(1), longest: Duration::from_millis(2) };

    async fn tries(code: &str) -> u32 {
        let mut count = 0;
        let failed: Result<(), SqlError> = retry(QUICK, async |attempt| {
            count = attempt;
            Err(SqlError::with_sqlstate(code, ""))
        })
        .await;
        assert!(failed.is_err());
        count
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        assert_eq!(tries("40001").await, 3);
        assert_eq!(tries("42601").await, 1);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let backoff = Backoff::default();
        for failures in 1..40 {
            let pause = backoff.pause(failures);
            assert!(pause <= backoff.longest && pause >= backoff.first / 2);
        }
    }
}
