//! How long things wait: retries, first runs, failures that do not pass. Nothing here is random: the same mart waits the same.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::state::QName;

/// A due time that is made up later than this was missed: nobody was there. Below, it is only late (a daemon took over).
pub(super) const MISSED_AFTER: TimeDelta = TimeDelta::seconds(60);

/// First runs are spread over this much at most, however long the interval is.
const SPREAD: TimeDelta = TimeDelta::minutes(5);

/// The first retry comes after half of this to the whole.
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(1);

/// Retries are no further apart than this, unless the run itself takes longer.
const LAST_RETRY: TimeDelta = TimeDelta::minutes(5);

/// How long a failure that does not pass holds a mart back at first, and at most.
const FIRST_HOLD: TimeDelta = TimeDelta::minutes(1);
const LAST_HOLD: TimeDelta = TimeDelta::hours(1);

/// Seconds of a policy.
pub(super) fn seconds(seconds: u64) -> TimeDelta {
    i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX)
}

/// A measured duration.
pub(super) fn measured(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Later by so much; as late as can be said, where that is too much.
pub(super) fn later(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Earlier by so much.
pub(super) fn earlier(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// A mart's part of `within` (five minutes at most), by its name: what is made together does not run together for ever.
pub(super) fn spread(mart: &QName, within: TimeDelta) -> TimeDelta {
    part(within.min(SPREAD), hash(mart, 0))
}

/// How long a failure that can pass waits: twice as long each time, between half of that and the whole, and not less than the
/// run took, so that a statement that ends by its timeout does not keep the server busy.
pub(super) fn backoff(mart: &QName, failures: u32, lasted: TimeDelta, seed: u64) -> TimeDelta {
    let whole = doubled(FIRST_RETRY, failures, LAST_RETRY);
    let jitter = part(whole / 2, hash(mart, seed ^ u64::from(failures)));
    (whole / 2 + jitter).max(lasted)
}

/// How long a failure that does not pass holds a mart back.
pub(super) fn hold(failures: u32) -> TimeDelta {
    doubled(FIRST_HOLD, failures, LAST_HOLD)
}

fn doubled(first: TimeDelta, times: u32, last: TimeDelta) -> TimeDelta {
    let factor = 1i32 << times.saturating_sub(1).min(16);
    (first * factor).min(last)
}

/// Between nothing and the whole, by the hash.
fn part(whole: TimeDelta, hash: u64) -> TimeDelta {
    let nanos = whole.num_nanoseconds().unwrap_or(i64::MAX);
    let part = (u128::from(nanos.unsigned_abs()) * u128::from(hash)) >> 64;
    TimeDelta::nanoseconds(i64::try_from(part).unwrap_or(0))
}

/// FNV-1a, then mixed: a name's hash is the same in every process and release.
fn hash(mart: &QName, seed: u64) -> u64 {
    let bytes = mart.schema.bytes().chain([0]).chain(mart.name.bytes());
    let mut hash = bytes
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        hash = (hash ^ (hash >> 30)).wrapping_mul(factor);
    }
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mart(name: &str) -> QName {
        QName::new("public", name)
    }

    #[test]
    fn first_runs_are_spread_over_their_interval_evenly_and_always_the_same() {
        let minute = TimeDelta::seconds(60);
        let all: Vec<i64> = (0..1_000).map(|i| spread(&mart(&format!("m{i}")), minute).num_seconds()).collect();
        let quarter = |q: i64| all.iter().filter(|s| (q * 15..(q + 1) * 15).contains(*s)).count();
        assert!((0..4).all(|q| (200..300).contains(&quarter(q))), "{:?}", (0..4).map(quarter).collect::<Vec<_>>());
        assert_eq!(spread(&mart("sales"), minute), spread(&mart("sales"), minute));
    }

    #[test]
    fn a_long_interval_does_not_wait_long_for_its_first_run() {
        let longest = (0..1_000).map(|i| spread(&mart(&format!("m{i}")), TimeDelta::days(1))).max();
        assert!(longest.is_some_and(|longest| longest <= SPREAD && longest > SPREAD / 2), "{longest:?}");
    }

    #[test]
    fn retries_wait_twice_as_long_each_time_up_to_five_minutes() {
        for (failures, whole) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (40, 300)] {
            let whole = TimeDelta::seconds(whole);
            let waits: Vec<_> = (0..100).map(|seed| backoff(&mart("a"), failures, TimeDelta::zero(), seed)).collect();
            assert!(waits.iter().all(|wait| whole / 2 <= *wait && *wait <= whole), "{failures}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{failures} has no jitter");
        }
    }

    #[test]
    fn a_run_that_took_long_is_not_retried_sooner() {
        assert_eq!(backoff(&mart("a"), 1, TimeDelta::hours(1), 7), TimeDelta::hours(1));
    }

    #[test]
    fn a_failure_that_does_not_pass_holds_back_an_hour_at_most() {
        assert_eq!([1, 2, 3, 7, 99].map(|n| hold(n).num_minutes()), [1, 2, 4, 60, 60]);
    }
}
