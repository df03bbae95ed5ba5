//! The role, settings and timeouts a statement runs with.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::database::SqlError;
use crate::state::{quote_ident, quote_literal};

/// What a statement asks of its session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// The role, where it is not the connection's own.
    pub role: Option<String>,
    /// Settings, in order.
    pub settings: Vec<(String, String)>,
    /// Milliseconds; 0 is for ever.
    pub lock_timeout_ms: u64,
    /// Milliseconds; 0 is for ever.
    pub statement_timeout_ms: u64,
}

/// What a session is set to now, so that only differences are sent.
#[derive(Debug, Default)]
pub struct SessionState {
    current: Option<Frame>,
    local: bool,
}

impl SessionState {
    /// At the beginning of a transaction: everything set is local to it.
    pub fn in_transaction() -> Self {
        Self { current: None, local: true }
    }

    /// Outside transactions: what is set stays until [`SessionState::leave`].
    pub fn alone() -> Self {
        Self::default()
    }

    /// Brings the session to `frame`.
    pub async fn enter(&mut self, conn: &mut PgConnection, frame: &Frame) -> Result<(), SqlError> {
        if self.current.as_ref() == Some(frame) {
            return Ok(());
        }
        let before = self.current.take();
        let sql = self.change(before.unwrap_or_default(), frame);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
        self.current = Some(frame.clone());
        Ok(())
    }

    /// What brings it to `frame`, for one who sends it together with other statements; it is taken to be there then.
    pub(crate) fn entering(&mut self, frame: &Frame) -> String {
        let before = self.current.replace(frame.clone());
        if before.as_ref() == Some(frame) { String::new() } else { self.change(before.unwrap_or_default(), frame) }
    }

    /// What brings it back to our own role and settings, as [`SessionState::entering`].
    pub(crate) fn leaving(&mut self) -> String {
        self.entering(&ours())
    }

    fn change(&self, previous: Frame, frame: &Frame) -> String {
        let mut sql = String::new();
        if previous.role.is_some() {
            sql.push_str("RESET ROLE;");
        }
        let kept = |key: &str| frame.settings.iter().any(|(k, _)| k == key);
        for (key, _) in previous.settings.iter().filter(|(key, _)| !kept(key)) {
            sql.push_str(&back(key, self.local));
        }
        let timeouts = [
            ("lock_timeout", frame.lock_timeout_ms.to_string()),
            ("statement_timeout", frame.statement_timeout_ms.to_string()),
        ];
        let settings = frame.settings.iter().map(|(k, v)| (k.as_str(), v.clone()));
        let set = timeouts.into_iter().chain(settings).map(|(key, value)| {
            let (key, value) = (quote_literal(key), quote_literal(&value));
            format!("pg_catalog.set_config({key}, {value}, {})", self.local)
        });
        sql.push_str(&format!("SELECT {};", set.collect::<Vec<_>>().join(", ")));
        if let Some(role) = &frame.role {
            let scope = if self.local { "LOCAL " } else { "" };
            sql.push_str(&format!("SET {scope}ROLE {};", quote_ident(role)));
        }
        sql
    }

    /// Back to our own role and settings.
    pub async fn leave(&mut self, conn: &mut PgConnection) -> Result<(), SqlError> {
        self.enter(conn, &ours()).await
    }
}

fn ours() -> Frame {
    Frame {
        settings: vec![
            ("search_path".to_owned(), "pg_catalog, pg_temp".to_owned()),
            ("TimeZone".to_owned(), "UTC".to_owned()),
        ],
        ..Frame::default()
    }
}

/// A setting goes back to what the session began with, our pinned search path included.
fn back(key: &str, local: bool) -> String {
    if key == "search_path" {
        return format!("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', {local});");
    }
    let scope = if local { "LOCAL " } else { "" };
    let name: Vec<String> = key.split('.').map(quote_ident).collect();
    format!("SET {scope}{} TO DEFAULT;", name.join("."))
}
