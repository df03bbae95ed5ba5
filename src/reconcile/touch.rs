//! The logs of what changes: those of triggered marts' sources are looked at as often as the most impatient of them wants, and not at
//! all where there are none. The space of all logs is looked at once somebody has read them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;

use super::ground::Ground;
use crate::database::SqlError;
use crate::plan;
use crate::refresh::{marts_behind, noticed, renew_logs, tidy_logs};
use crate::state::{QName, Strategy};

/// Between two looks, where no mart says anything.
const DEBOUNCE: u64 = 1;

/// Between two looks at the space that logs take, while marts are refreshed.
const TIDY: Duration = Duration::from_secs(10);

/// … after the log went on to its next segment: who was just writing to the one before is done by then, and it can be emptied.
const SOON: Duration = Duration::from_secs(1);

/// … and while none is: a log that nobody reads grows, too.
const LEISURE: Duration = Duration::from_secs(300);

/// Which logs mean which marts, and when to look next.
#[derive(Debug, Default)]
pub(super) struct Touch {
    watched: BTreeMap<String, BTreeSet<QName>>,
    every: Duration,
    /// What the next look counts from.
    snapshot: Option<String>,
    /// Which logs they were at the last look.
    generations: BTreeMap<String, String>,
    max_log: Option<u64>,
    at: Option<Instant>,
    /// When to look at the space; `None`: there are no logs.
    tidy_at: Option<Instant>,
    tidied: Option<Instant>,
}

impl Touch {
    /// The marts are like this now. Where others are watched than before, what was written since each was refreshed is looked up.
    pub fn settle(&mut self, ground: &Ground) {
        let watched = plan::watched(&ground.seen.actual);
        if watched != self.watched {
            self.snapshot = None;
        }
        self.watched = watched;
        let marts = ground.seen.actual.recorded.values().map(|row| &row.mart.refresh);
        let triggered = marts.filter(|policy| policy.strategy == Strategy::Triggered);
        let every = triggered.map(|policy| policy.debounce.unwrap_or(DEBOUNCE).max(1)).min();
        self.every = Duration::from_secs(every.unwrap_or(DEBOUNCE));
        self.max_log = ground.options.max_log;
        self.at = (!self.watched.is_empty()).then(|| self.at.unwrap_or_else(Instant::now));
        let logs = &ground.seen.actual.captures.logs;
        self.tidy_at = (!logs.is_empty()).then(|| self.tidy_at.unwrap_or_else(Instant::now));
    }

    /// Whether nobody has looked yet at what is watched.
    pub fn is_first(&self) -> bool {
        self.snapshot.is_none()
    }

    /// When to look; `None`: nothing is watched, and nothing is logged.
    pub fn at(&self) -> Option<Instant> {
        self.at.into_iter().chain(self.tidy_at).min()
    }

    /// A mart was refreshed: it may have been the last one that had to read something.
    pub fn ran(&mut self) {
        let now = Instant::now();
        let soon = self.tidied.map_or(now, |tidied| now.max(tidied + TIDY));
        self.tidy_at = self.tidy_at.map(|at| at.min(soon));
    }

    /// Looks, if it is time to: the marts with a source that was written to.
    ///
    /// # Errors
    /// What the server says; it is looked again then.
    pub async fn look(
        &mut self,
        conn: &mut PgConnection,
        registry: &str,
        project: &str,
    ) -> Result<BTreeSet<QName>, SqlError> {
        if self.at.is_none_or(|at| at > Instant::now()) {
            return Ok(BTreeSet::new());
        }
        self.at = Some(Instant::now() + self.every);
        let logs = self.watched.keys().cloned().collect();
        let look = noticed(&mut *conn, registry, project, &logs, self.snapshot.as_deref()).await?;
        if !look.emptied.is_empty() {
            renew_logs(&mut *conn, registry, project).await?;
        }
        let mut marts = BTreeSet::new();
        if self.snapshot.is_none() {
            marts = marts_behind(&mut *conn, registry, project, &self.watched).await?;
        } else {
            // What was in a log that is another one now, nobody knows.
            let other =
                look.generations.iter().filter(|(log, now)| self.generations.get(*log).is_some_and(|was| was != *now));
            let other = other.map(|(log, _)| log);
            let changed = look.changed.iter().chain(other).filter_map(|log| self.watched.get(log));
            marts.extend(changed.flatten().cloned());
        }
        let emptied = look.emptied.iter().filter_map(|log| self.watched.get(log));
        marts.extend(emptied.flatten().cloned());
        self.snapshot = Some(look.snapshot);
        self.generations = look.generations;
        Ok(marts)
    }

    /// Frees what everybody has read, if it is time to.
    ///
    /// # Errors
    /// What the server says; it is done later then.
    pub async fn tidy(&mut self, conn: &mut PgConnection, registry: &str, project: &str) -> Result<(), SqlError> {
        let now = Instant::now();
        if self.tidy_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        (self.tidied, self.tidy_at) = (Some(now), Some(now + LEISURE));
        let tidied = tidy_logs(conn, registry, project, self.max_log).await?;
        if tidied.rotated > 0 {
            self.tidy_at = Some(now + SOON);
        }
        if !tidied.given_up.is_empty() {
            let marts: Vec<String> = tidied.given_up.iter().map(ToString::to_string).collect();
            let marts = marts.join(", ");
            tracing::warn!(
                marts,
                "logs grew beyond max_log before these were refreshed: all of their rows are computed next time"
            );
        }
        Ok(())
    }
}
