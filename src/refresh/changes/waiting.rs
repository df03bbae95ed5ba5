//! The keys whose rows wait for a refresh, for those who compare the others.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::keys::{self, Keys};
use super::task::since;
use super::watched;
use super::within::within;
use crate::build::position;
use crate::build::{Frame, SessionState};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::refresh::{Item, Options};
use crate::state::{Changes, Strategy, quote_ident};

/// Keys that changes may affect which the mart has not seen.
#[derive(Debug)]
pub(in crate::refresh) struct Waiting {
    of: Changes,
    keys: Keys,
}

impl Waiting {
    /// How many.
    pub fn keys(&self) -> u64 {
        self.keys.count
    }

    /// The condition that a row, named `alias`, has none of them.
    pub fn without(&self, alias: &str) -> Option<String> {
        (self.keys.count > 0).then(|| format!("({}) IS NOT TRUE", within(&self.of, &self.keys.shape, alias)))
    }

    /// Gives a statement its parameters.
    pub fn bind<'q>(&self, statement: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        self.keys.bind(statement)
    }
}

/// Begins a transaction in which the mart and what it reads stay what they are, and finds the keys; `None` where the logs do not
/// tell them.
///
/// # Errors
/// What the server says; the transaction is open then, too.
pub(in crate::refresh) async fn waiting(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
) -> Result<Option<Waiting>, SqlError> {
    let role = frame.role.as_ref().map(|role| format!("SET LOCAL ROLE {};", quote_ident(role))).unwrap_or_default();
    let reset = if role.is_empty() { "" } else { "RESET ROLE;" };
    let locks = match item.recorded.mart.kind.is_table() {
        true => format!("{role}LOCK TABLE {} IN ACCESS SHARE MODE;{reset}", live.name),
        false => String::new(),
    };
    // What writers keep waits for nobody.
    let watched = watched(item, options).filter(|_| item.recorded.mart.refresh.strategy != Strategy::OnCommit);
    let begin = match &watched {
        Some(watched) => position::begin(watched, frame.role.as_deref(), frame.lock_timeout_ms),
        None => format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = {};", frame.lock_timeout_ms),
    };
    sqlx::raw_sql(AssertSqlSafe(format!("{begin}{locks}"))).execute(&mut *conn).await?;
    let Some(watched) = watched else { return Ok(None) };
    let mut look = position::look(conn, &watched, true).await?;
    let at = match since(watched.changes, &look) {
        Ok(before) => before.at.to_rfc3339(),
        Err(_) => return Ok(None),
    };
    if look.in_part() {
        position::complete(conn, &watched, &mut look).await?;
    }
    let mut session = SessionState::in_transaction();
    // What has keys for parameters is planned for them.
    let enter = format!("SET LOCAL plan_cache_mode = force_custom_plan;{}", session.entering(frame));
    sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut *conn).await?;
    let keys = match keys::question(watched.changes, &look, &at) {
        Ok(question) => Some(question.keys(conn).await?),
        Err(_) => None,
    };
    session.leave(conn).await?;
    let keys = keys.filter(|keys| keys.count <= keys::MOST);
    Ok(keys.map(|keys| Waiting { of: watched.changes.clone(), keys }))
}
