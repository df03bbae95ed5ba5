//! What is done at the desk between runs: reading how things are, taking what was asked for, hearing what others tell.
//!
//! What befalls the desk is told, and does not stop the daemon: what was not done is done later.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::agenda::Agenda;
use super::desk::{Desk, Heard};
use super::log::told;
use super::requests::Rows;
use super::touch::Touch;
use super::{Poker, Reason, Seen, ground};
use crate::database::SqlError;
use crate::manifest::Desired;

/// What was not done is tried again after this.
const SOON: Duration = Duration::from_secs(1);

/// Who sits at the desk.
pub(super) struct Clerk {
    pub rows: Rows,
    pub agenda: Agenda,
    desk: Option<Desk>,
    touch: Touch,
    poker: Poker,
    retry_at: Option<Instant>,
    /// What was seen last could not be worked on: it is to be looked at again.
    unsettled: bool,
}

impl Clerk {
    pub fn new(rows: Rows, agenda: Agenda, poker: Poker) -> Self {
        Self { rows, agenda, desk: None, touch: Touch::default(), poker, retry_at: None, unsettled: false }
    }

    /// The desk is open, perhaps again: what was notified meanwhile was not heard.
    pub async fn opened(&mut self, desk: Desk) {
        self.desk = Some(desk);
        self.listen().await;
        if self.agenda.is_known() {
            self.take().await;
            self.poker.poke(Reason::Asked);
        }
    }

    /// The desk broke.
    pub fn lost(&mut self) {
        self.desk = None;
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.desk.is_some()
    }

    /// What is heard next; never, where it is not open. May be dropped and called again.
    pub async fn hear(&mut self) -> Heard {
        match &mut self.desk {
            Some(desk) => desk.hear().await,
            None => std::future::pending().await,
        }
    }

    /// When there is something to do.
    pub fn due(&self) -> Option<Instant> {
        let touch = self.touch.at().filter(|_| self.is_open());
        touch.into_iter().chain(self.retry_at).min()
    }

    /// Does what is due.
    pub async fn time(&mut self) {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.take().await;
        }
        if self.touch.at().is_none_or(|at| at > now) {
            return;
        }
        let Some(desk) = &mut self.desk else { return };
        let looked = async { self.touch.look(desk.connection().await?, &self.rows.registry, &self.rows.project).await };
        let looked = looked.await;
        let marts = self.said("looking which sources changed", looked).unwrap_or_default();
        self.agenda.changed(&marts);
    }

    /// Tries again soon.
    pub fn retry_soon(&mut self) {
        self.retry_at = Some(Instant::now() + SOON);
    }

    /// The database is like this now.
    pub async fn settle(&mut self, desired: &Arc<Desired>, seen: Seen) {
        let settled = match &mut self.desk {
            None => None,
            Some(desk) => {
                let settled = async {
                    let conn = desk.connection().await?;
                    let went = ground::went(&mut *conn, &self.rows.registry, &self.rows.project).await?;
                    self.agenda.settle(conn, (desired, seen), &went).await
                };
                let settled = settled.await;
                self.said("reading how the marts went", settled)
            }
        };
        if settled.is_none() {
            self.unsettled = true;
            self.retry_soon();
        }
        self.agenda.watch(&mut self.touch);
        self.listen().await;
    }

    /// Hears the channels of the marts as they are.
    async fn listen(&mut self) {
        let Some(desk) = &mut self.desk else { return };
        let listening = desk.listen(self.agenda.channels()).await;
        self.said("listening on the marts' channels", listening);
    }

    /// Takes what was asked for.
    pub async fn take(&mut self) {
        self.retry_at = None;
        if std::mem::take(&mut self.unsettled) {
            self.poker.poke(Reason::Asked);
        }
        let Some(desk) = self.desk.as_mut().filter(|_| self.agenda.is_known()) else { return };
        let taken = async { self.agenda.take(desk.connection().await?).await };
        let taken = taken.await;
        if let Some(true) = self.said("taking what was asked for", taken) {
            self.poker.poke(Reason::Asked);
        }
    }

    /// Somebody else refreshed a mart.
    pub async fn refreshed(&mut self, name: &str) {
        let Some(desk) = &mut self.desk else { return };
        let read = async { self.agenda.refreshed(desk.connection().await?, name).await };
        let read = read.await;
        self.said("reading who refreshed a mart", read);
    }

    /// What holds instead of manifests is not what it was.
    pub async fn overrides(&mut self, desired: &Desired) {
        let Some(desk) = &mut self.desk else { return };
        let read = async { self.agenda.overrides(desk.connection().await?, desired).await };
        if let Err(error) = read.await {
            tracing::warn!(error = %told(&error), "cannot read what holds instead of the manifests");
            self.poker.poke(Reason::Asked);
        }
        self.agenda.watch(&mut self.touch);
        self.listen().await;
    }

    /// Ends rows that waited for the same as a run that ended.
    pub async fn join(&mut self, runs: &[i64], run: i64) {
        let Some(desk) = self.desk.as_mut().filter(|_| !runs.is_empty()) else { return };
        let joined = async { self.rows.join(desk.connection().await?, runs, run).await };
        let joined = joined.await;
        self.said("writing how joined requests ended", joined);
    }

    fn said<T>(&mut self, what: &str, done: Result<T, SqlError>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::warn!(error = %error, "{what} failed; trying again");
                self.retry_soon();
                None
            }
        }
    }
}
