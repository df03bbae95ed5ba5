//! The sources of triggered marts: looked at as often as the most impatient of them wants, and not at all where there are none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;

use super::ground::Ground;
use crate::database::SqlError;
use crate::plan;
use crate::refresh::{tidy_touched, touched, touched_marts};
use crate::state::{QName, Strategy};

/// Between two looks, where no mart says anything.
const DEBOUNCE: u64 = 1;

/// Which sources mean which marts, and when to look next.
#[derive(Debug, Default)]
pub(super) struct Touch {
    watched: BTreeMap<i64, BTreeSet<QName>>,
    every: Duration,
    /// What the next look counts from.
    snapshot: Option<String>,
    at: Option<Instant>,
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
        self.at = (!self.watched.is_empty()).then(|| self.at.unwrap_or_else(Instant::now));
    }

    /// When to look; `None`: nothing is watched.
    pub fn at(&self) -> Option<Instant> {
        self.at
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
        let look = touched(&mut *conn, registry, self.snapshot.as_deref()).await?;
        let marts = if look.emptied {
            self.watched.values().flatten().cloned().collect()
        } else if self.snapshot.is_none() {
            touched_marts(&mut *conn, registry, project, &self.watched).await?
        } else {
            look.sources.iter().filter_map(|source| self.watched.get(source)).flatten().cloned().collect()
        };
        self.snapshot = Some(look.snapshot);
        if look.crowded {
            // Where somebody writes just now, a later look does it.
            let _ = tidy_touched(conn, registry).await;
        }
        Ok(marts)
    }
}
