//! How much a build may add to the database.

use std::cell::Cell;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use sqlx::{PgConnection, Row};

use crate::database::retry::pause;
use crate::database::{ErrorKind, SqlError};
use crate::state::human_size;

/// How often the database is measured. That reads the sizes of its files, no more.
const EVERY: Duration = Duration::from_millis(500);
/// A statement that was cancelled gets so long, and what cleans up after it, before another one is.
const GRACE: Duration = Duration::from_secs(10);

/// The most that a build may add, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeLimit {
    /// Bytes.
    pub bytes: u64,
    /// `[limits] max_size`, or a variable of the environment.
    pub origin: String,
}

impl SizeLimit {
    fn exceeded(&self, grown: u64) -> SqlError {
        let show = |bytes: u64| human_size(i64::try_from(bytes).unwrap_or(i64::MAX));
        let message = format!(
            "stopped, because the database grew by {} during the build, and {} allows {}; \
             the measure is coarse: what others wrote meanwhile counts, too",
            show(grown),
            self.origin,
            show(self.bytes)
        );
        SqlError::new(ErrorKind::Resource, message)
    }
}

/// Runs `work`, whose statements are those of the server process `pid`, and cancels the one that runs when the database has
/// grown past `limit` since the work began: PostgreSQL hides how large a build is that is not committed. `watcher` is a
/// session of its own. Whoever sets `anew` begins another build, which is measured by itself.
///
/// What the work gave comes back, with the error that stands for its own where it was stopped. Where the watching session
/// breaks, the work goes on without it.
///
/// # Errors
/// Where the database cannot be measured; nothing was begun then.
pub async fn within<T>(
    watcher: &mut PgConnection,
    pid: i32,
    limit: &SizeLimit,
    anew: &Cell<bool>,
    work: impl Future<Output = T>,
) -> Result<(T, Option<SqlError>), SqlError> {
    let before = size(watcher).await?;
    let stopped: Cell<Option<u64>> = Cell::new(None);
    let done = {
        let work = pin!(work);
        let watch = pin!(watch(watcher, pid, limit, before, anew, &stopped));
        match select(work, watch).await {
            Either::Left((done, _)) => done,
            Either::Right((_, work)) => work.await,
        }
    };
    Ok((done, stopped.get().map(|grown| limit.exceeded(grown))))
}

async fn watch(
    watcher: &mut PgConnection,
    pid: i32,
    limit: &SizeLimit,
    mut before: u64,
    anew: &Cell<bool>,
    stopped: &Cell<Option<u64>>,
) -> Result<(), SqlError> {
    let mut cancelled: Option<Instant> = None;
    loop {
        pause(EVERY).await;
        let now = size(watcher).await?;
        if anew.replace(false) {
            before = now;
        }
        let grown = now.saturating_sub(before);
        if grown <= limit.bytes || cancelled.is_some_and(|at| at.elapsed() < GRACE) {
            continue;
        }
        // Between two statements there is nothing to cancel.
        let sql = "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND state = 'active'";
        // What is cancelled may be told before this is answered.
        let known = stopped.replace(Some(grown));
        if sqlx::query(sql).bind(pid).fetch_optional(&mut *watcher).await?.is_some() {
            cancelled = Some(Instant::now());
        } else {
            stopped.set(known);
        }
    }
}

async fn size(conn: &mut PgConnection) -> Result<u64, SqlError> {
    let sql = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";
    let bytes: i64 = sqlx::query(sql).fetch_one(conn).await?.try_get(0)?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}
