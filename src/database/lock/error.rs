//! Why a lock was not had.

use chrono::{DateTime, Utc};

use super::Holder;
use crate::database::{DatabaseError, SqlError};

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("{}", held_text(name, *pid, host.as_deref(), application.as_deref(), *since))]
    Held {
        /// The lock's name: `apply`, or a mart.
        name: String,
        /// The holder's process on the database server, where it could be seen.
        pid: Option<i32>,
        /// The machine the holder's command runs on.
        host: Option<String>,
        /// What the holder says it does.
        application: Option<String>,
        /// Since when.
        since: Option<DateTime<Utc>>,
    },
    /// The server failed us.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl LockError {
    /// Held by this one, where it could be seen.
    pub(super) fn held(name: String, holder: Option<Holder>) -> Self {
        let (pid, host, application, since) = match holder {
            Some(h) => (Some(h.pid), h.host, h.application, h.since),
            None => (None, None, None, None),
        };
        Self::Held { name, pid, host, application, since }
    }

    /// The fixed word of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            LockError::Held { .. } => "lock",
            LockError::Database(error) => error.kind(),
        }
    }
}

impl From<SqlError> for LockError {
    fn from(error: SqlError) -> Self {
        LockError::Database(error.into())
    }
}

fn held_text(
    name: &str,
    pid: Option<i32>,
    host: Option<&str>,
    application: Option<&str>,
    since: Option<DateTime<Utc>>,
) -> String {
    let mut facts = Vec::new();
    facts.extend(application.map(str::to_owned));
    facts.extend(host.map(|host| format!("on {host}")));
    facts.extend(pid.map(|pid| format!("pid {pid}")));
    facts.extend(since.map(|at| format!("since {}", at.format("%Y-%m-%d %H:%M:%S UTC"))));
    match facts.is_empty() {
        true => format!("the lock {name} is held by another session"),
        false => format!("the lock {name} is held by another session ({})", facts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named() {
        let since = DateTime::from_timestamp(1_700_000_000, 0);
        let text = held_text("apply", Some(7), Some("build-3"), Some("datamart: apply"), since);
        assert_eq!(
            text,
            "the lock apply is held by another session (datamart: apply, on build-3, pid 7, since 2023-11-14 22:13:20 UTC)"
        );
        assert_eq!(held_text("a", None, None, None, None), "the lock a is held by another session");
    }
}
