//! The session of a daemon that hears what others notify, and on which it reads and writes the little it needs between runs.

use std::collections::BTreeSet;

use sqlx::postgres::{PgListener, PgNotification};
use sqlx::{Acquire, PgConnection};

use crate::database::{DatabaseError, Endpoint, SqlError};

/// Asks daemons to do something: `{"project": …, "what": "runs" | "overrides" | "approval" | "revision"}`.
pub const WAKE: &str = "datamart_wake";
/// Tells which mart was refreshed.
pub const REFRESHED: &str = "datamart_refreshed";

/// Nothing on this session may hold up the runs.
const BRIEF: &str = "SET lock_timeout = 500; SET statement_timeout = 10000";

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Somebody asks this project's daemons for something.
    Wake(String),
    /// A mart was refreshed, by the session of this server process.
    Refreshed(String, u32),
    /// A channel of marts was notified.
    Channel(String),
    /// Something that is not for us.
    Nothing,
    /// The session broke.
    Lost,
}

/// The session.
pub struct Desk {
    listener: PgListener,
    project: String,
    channels: BTreeSet<String>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Desk {
    /// Opens it, and listens for requests.
    ///
    /// # Errors
    /// What the way to the server says.
    pub async fn open(endpoint: &Endpoint, project: &str) -> Result<Self, DatabaseError> {
        let mut listener = endpoint.listener("daemon desk").await?;
        sqlx::raw_sql(BRIEF).execute(&mut listener).await?;
        listener.listen_all([WAKE, REFRESHED]).await?;
        Ok(Self { listener, project: project.to_owned(), channels: BTreeSet::new() })
    }

    /// Listens on these channels beside our own, and no others.
    ///
    /// # Errors
    /// What the server says.
    pub async fn listen(&mut self, channels: BTreeSet<String>) -> Result<(), SqlError> {
        for gone in self.channels.difference(&channels).filter(|name| !ours(name)) {
            self.listener.unlisten(gone).await?;
        }
        for new in channels.difference(&self.channels).filter(|name| !ours(name)) {
            self.listener.listen(new).await?;
        }
        self.channels = channels;
        Ok(())
    }

    /// What is heard next. May be dropped and called again: nothing is lost.
    pub async fn hear(&mut self) -> Heard {
        match self.listener.try_recv().await {
            Ok(Some(said)) => self.understood(&said),
            Ok(None) | Err(_) => Heard::Lost,
        }
    }

    /// The session itself, for something brief.
    ///
    /// # Errors
    /// Where it broke.
    pub async fn connection(&mut self) -> Result<&mut PgConnection, SqlError> {
        Ok(self.listener.acquire().await?)
    }

    fn understood(&self, said: &PgNotification) -> Heard {
        match said.channel() {
            WAKE => wake(said.payload(), &self.project),
            REFRESHED => Heard::Refreshed(said.payload().to_owned(), said.process_id()),
            channel => Heard::Channel(channel.to_owned()),
        }
    }
}

fn ours(channel: &str) -> bool {
    channel == WAKE || channel == REFRESHED
}

/// What our project is asked for. Whoever may connect may notify: what is not understood is passed by.
fn wake(payload: &str, project: &str) -> Heard {
    let Ok(said) = serde_json::from_str::<serde_json::Value>(payload) else { return Heard::Nothing };
    match (said["project"].as_str(), said["what"].as_str()) {
        (Some(of), Some(what)) if of == project => Heard::Wake(what.to_owned()),
        _ => Heard::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_to_our_project_wakes() {
        let heard = |payload| wake(payload, "shop");
        assert_eq!(heard(r#"{"project": "shop", "what": "runs"}"#), Heard::Wake("runs".to_owned()));
        for other in [r#"{"project": "other", "what": "runs"}"#, "", "runs", "[]", r#"{"project": "shop"}"#] {
            assert_eq!(heard(other), Heard::Nothing, "{other}");
        }
    }
}
