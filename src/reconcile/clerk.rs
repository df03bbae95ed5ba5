//! What is done at the desk between runs: reading how things are, taking what was asked for, hearing what others tell.
//!
//! What befalls the desk is told, and does not stop the daemon: what was not done is done later.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;

use super::agenda::Agenda;
use super::desk::{Desk, Heard};
use super::due::{Due, Times};
use super::log::told;
use super::requests::Rows;
use super::touch::Touch;
use super::{Poker, Reason, Seen, ground};
use crate::database::retry::Backoff;
use crate::database::{ErrorKind, SqlError};
use crate::manifest::Desired;

/// Nothing at the desk takes longer: a server that is gone without a word says nothing. Longer than its statements may take there.
const BRIEF: Duration = Duration::from_secs(12);
/// What was not done is tried again after these pauses.
const SOON: Backoff = Backoff { attempts: u32::MAX, first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// The work of a leader that is gone ends within this, or is left to the locks of its marts.
const RECOVERY: Duration = Duration::from_secs(4);

/// Rows of runs that nobody finished are looked at again after this.
const UNFINISHED: Duration = Duration::from_secs(5);

/// Who sits at the desk.
pub(super) struct Clerk {
    pub rows: Rows,
    pub agenda: Agenda,
    desk: Option<Desk>,
    /// The desk did not answer, or broke, in the middle of something: another one is to be opened.
    broke: bool,
    touch: Touch,
    poker: Poker,
    retry_at: Option<Instant>,
    /// How often in a row something was not done.
    failures: u32,
    /// What was seen last could not be worked on: it is to be looked at again.
    unsettled: bool,
    /// Rows of runs may be open that nobody works on, of leaderships before this one; when to look.
    unfinished: Option<(Instant, i64)>,
    due: Due,
}

impl Clerk {
    pub fn new(rows: Rows, agenda: Agenda, poker: Poker) -> Self {
        Self {
            rows,
            agenda,
            desk: None,
            broke: false,
            touch: Touch::default(),
            poker,
            retry_at: None,
            failures: 0,
            unsettled: false,
            unfinished: None,
            due: Due::default(),
        }
    }

    /// Waits for what a leader before left at work, and closes the rows of its runs; later, where that takes long.
    ///
    /// # Errors
    /// What the server says to the session that leads.
    pub async fn begin(&mut self, leader: &mut PgConnection, epoch: i64) -> Result<(), SqlError> {
        let recovered = async {
            while self.rows.recover(leader, epoch).await? > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        match tokio::time::timeout(RECOVERY, recovered).await {
            Ok(done) => done,
            Err(_) => {
                self.recover_later(epoch);
                Ok(())
            }
        }
    }

    /// The desk is open, perhaps again: what was notified meanwhile was not heard.
    pub async fn opened(&mut self, desk: Desk) {
        (self.desk, self.broke) = (Some(desk), false);
        self.listen().await;
        if self.agenda.is_known() {
            self.take().await;
            self.poker.poke(Reason::Asked);
        }
    }

    /// The desk broke.
    pub fn lost(&mut self) {
        (self.desk, self.broke) = (None, false);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.desk.is_some()
    }

    /// What is heard next; never, where it is not open. May be dropped and called again.
    pub async fn hear(&mut self) -> Heard {
        match &mut self.desk {
            Some(desk) => desk.hear().await,
            None if self.broke => Heard::Lost,
            None => std::future::pending().await,
        }
    }

    /// When there is something to do.
    pub fn due(&self) -> Option<Instant> {
        let due = self.due.at().filter(|_| self.agenda.is_known());
        let touch = self.touch.at().into_iter().chain(self.unfinished.map(|(at, _)| at)).chain(due);
        touch.filter(|_| self.is_open()).chain(self.retry_at).min()
    }

    /// Rows of runs before leadership `epoch` may be open that nobody finishes: they are closed once nobody works on them.
    pub fn recover_later(&mut self, epoch: i64) {
        let epoch = self.unfinished.map_or(epoch, |(_, known)| known.max(epoch));
        self.unfinished = Some((Instant::now() + UNFINISHED, epoch));
    }

    async fn recover(&mut self) {
        let Some((_, epoch)) = self.unfinished.filter(|(at, _)| *at <= Instant::now()) else { return };
        let Some(desk) = &mut self.desk else { return };
        let recovered = async { self.rows.recover(desk.connection().await?, epoch).await };
        let recovered = brief(recovered).await;
        self.unfinished = None;
        if self.said("closing the rows of runs that nobody finished", recovered) != Some(0) {
            self.recover_later(epoch);
        }
    }

    /// When every mart is due, to be told where that may not be what it was. Of one pass nothing is said in the registry: after it
    /// nobody would keep to it.
    pub fn all_next(&mut self) -> Times {
        if !self.agenda.is_pass() {
            self.due.moved();
        }
        self.agenda.all_next()
    }

    /// Says when marts are due, where that is to be said.
    async fn say_due(&mut self) {
        if self.due.at().is_none_or(|at| at > Instant::now()) || !self.agenda.is_known() {
            return;
        }
        // Of two hundred that are due at once the others begin first.
        if self.agenda.waiting() > 0 && self.due.put_off() {
            return;
        }
        let Some(desk) = &mut self.desk else { return };
        let (of, next) = ((&self.rows, self.agenda.epoch), self.agenda.all_next());
        let said = brief(async { self.due.say(desk.connection().await?, of, next).await }).await;
        match said {
            // Whoever may not will not either next time; the marts are refreshed all the same.
            Err(error) if error.kind == ErrorKind::Privilege => {
                tracing::warn!(error = %error, "when marts are due is not said in the registry");
                self.due.refuse();
            }
            said => {
                if self.said("saying when marts are due", said).is_none() {
                    self.due.moved();
                }
            }
        }
    }

    /// Does what is due.
    pub async fn time(&mut self) {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.take().await;
        }
        self.recover().await;
        self.say_due().await;
        if self.touch.at().is_none_or(|at| at > now) {
            return;
        }
        let Some(desk) = &mut self.desk else { return };
        let first = self.touch.is_first();
        let looked = async { self.touch.look(desk.connection().await?, &self.rows.registry, &self.rows.project).await };
        let looked = brief(looked).await;
        let marts = self.said("looking which sources changed", looked).unwrap_or_default();
        self.agenda.changed(&marts, first);
        let Some(desk) = &mut self.desk else { return };
        let tidied = async { self.touch.tidy(desk.connection().await?, &self.rows.registry, &self.rows.project).await };
        let tidied = brief(tidied).await;
        self.said("freeing the space of logs", tidied);
    }

    /// Tries again soon, and later each time until something goes well.
    pub fn retry_soon(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(Instant::now() + SOON.pause(self.failures));
    }

    /// Something went well.
    fn well(&mut self) {
        self.failures = 0;
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
                let settled = brief(settled).await;
                self.said("reading how the marts went", settled)
            }
        };
        match settled {
            Some(()) => self.well(),
            None => {
                self.unsettled = true;
                if self.retry_at.is_none() {
                    self.retry_soon();
                }
            }
        }
        self.agenda.watch(&mut self.touch);
        self.listen().await;
        if self.agenda.is_pass() {
            self.time().await;
        }
    }

    /// Hears the channels of the marts as they are.
    async fn listen(&mut self) {
        let Some(desk) = &mut self.desk else { return };
        let listening = brief(desk.listen(self.agenda.channels())).await;
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
        let taken = brief(taken).await;
        if let Some(true) = self.said("taking what was asked for", taken) {
            self.poker.poke(Reason::Asked);
        }
    }

    /// Somebody else refreshed a mart.
    pub async fn refreshed(&mut self, name: &str) {
        self.touch.ran();
        let Some(desk) = &mut self.desk else { return };
        let read = async { self.agenda.refreshed(desk.connection().await?, name).await };
        let read = brief(read).await;
        self.said("reading who refreshed a mart", read);
    }

    /// What holds instead of manifests is not what it was.
    pub async fn overrides(&mut self, desired: &Desired) {
        let Some(desk) = &mut self.desk else { return };
        let read = async { self.agenda.overrides(desk.connection().await?, desired).await };
        let read = match tokio::time::timeout(BRIEF, read).await {
            Ok(read) => read,
            Err(_) => Err(silent().into()),
        };
        if let Err(error) = read {
            tracing::warn!(error = %told(&error), "cannot read what holds instead of the manifests");
            self.give_up(error.kind());
            self.poker.poke(Reason::Asked);
        }
        self.agenda.watch(&mut self.touch);
        self.listen().await;
    }

    /// A run ended, and with it rows that waited for the same.
    pub async fn ended(&mut self, runs: &[i64], run: i64) {
        self.well();
        self.touch.ran();
        let Some(desk) = self.desk.as_mut().filter(|_| !runs.is_empty()) else { return };
        let joined = async { self.rows.join(desk.connection().await?, runs, run).await };
        let joined = brief(joined).await;
        self.said("writing how joined requests ended", joined);
    }

    fn said<T>(&mut self, what: &str, done: Result<T, SqlError>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::warn!(error = %error, "{what} failed; trying again");
                self.give_up(error.kind.as_str());
                self.retry_soon();
                None
            }
        }
    }

    /// A session that broke, or was left in the middle of a statement, is of no use any more.
    fn give_up(&mut self, kind: &str) {
        if kind == ErrorKind::Connection.as_str() && self.desk.take().is_some() {
            self.broke = true;
        }
    }
}

async fn brief<T>(work: impl Future<Output = Result<T, SqlError>>) -> Result<T, SqlError> {
    tokio::time::timeout(BRIEF, work).await.unwrap_or_else(|_| Err(silent()))
}

fn silent() -> SqlError {
    SqlError::new(ErrorKind::Connection, format!("no answer within {} s", BRIEF.as_secs()))
}
