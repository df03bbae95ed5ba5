//! When marts are due next, said in the registry to whoever reads it there.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use super::requests::Rows;
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::QName;

/// It is said this long after it changed, of all marts at once: what changes back meanwhile, as while a mart runs, costs nothing.
const LATER: Duration = Duration::from_secs(1);

/// While runs wait for their turn it is put off, so long at most: nobody begins a run meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// When each mart is due.
pub(super) type Times = BTreeMap<QName, DateTime<Utc>>;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// `None`: nothing in this leadership.
    said: Option<Times>,
    /// When to say what changed.
    at: Option<Instant>,
    /// Since when it is to be said.
    since: Option<Instant>,
    /// This role may not.
    refused: bool,
}

impl Due {
    /// Marts may be due at other times than was said.
    pub fn moved(&mut self) {
        if !self.refused {
            let since = *self.since.get_or_insert_with(Instant::now);
            self.at.get_or_insert(since + LATER);
        }
    }

    /// Runs wait: it is said later, unless it was put off for long.
    pub fn put_off(&mut self) -> bool {
        let now = Instant::now();
        let may = self.since.is_some_and(|since| since + PATIENCE > now);
        if may {
            self.at = Some(now + LATER);
        }
        may
    }

    /// When to say what changed; `None` where nothing did.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// This role may not say it: it is not tried again.
    pub fn refuse(&mut self) {
        (self.refused, self.at, self.since) = (true, None, None);
    }

    /// Says what changed, in one statement; in none where nothing did.
    ///
    /// # Errors
    /// What the server says; it is to be said again then.
    pub async fn say(
        &mut self,
        conn: &mut PgConnection,
        (rows, epoch): (&Rows, i64),
        next: Times,
    ) -> Result<(), SqlError> {
        (self.at, self.since) = (None, None);
        let before = self.said.as_ref();
        let news = next.iter().filter(|(mart, at)| before.and_then(|before| before.get(*mart)) != Some(*at));
        let gone = before.into_iter().flatten().filter(|(mart, _)| !next.contains_key(*mart));
        let (mut schemas, mut names, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (mart, at) in news.map(|(mart, at)| (mart, Some(*at))).chain(gone.map(|(mart, _)| (mart, None))) {
            schemas.push(mart.schema.as_str());
            names.push(mart.name.as_str());
            times.push(at);
        }
        if names.is_empty() && before.is_some() {
            return Ok(());
        }
        let sql = in_schema(include_str!("sql/due.sql"), &rows.registry);
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(&rows.project).bind(epoch);
        statement.bind(&schemas).bind(&names).bind(&times).execute(conn).await?;
        self.said = Some(next);
        Ok(())
    }
}
