//! Marts that are computed whole, while what they read is logged: others follow it. Where nothing was logged since their rows were
//! computed, and their query gives the same as long as nothing changes, there is nothing to do.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};

use super::changes::{self, nothing};
use super::decision::Decision;
use super::outcome::Outcome;
use super::{How, Item, Options};
use crate::build::Frame;
use crate::build::position::{self, Look, Standing};
use crate::catalog::{Actual, Recorded, Relation};
use crate::compile::settled;
use crate::database::{ErrorKind, SqlError};
use crate::state::{Changes, Kind, QName};

/// What a look found.
pub(super) enum Found {
    /// Nothing changed: the transaction is open, so that the row of history is committed in it.
    Unchanged(Box<Outcome>),
    /// The rows have to be computed; afterwards it can be noted what they have seen.
    Changed(Option<Box<Stand>>),
}

/// Where a mart stands before its rows are computed.
pub(super) struct Stand {
    changes: Changes,
    look: Look,
}

/// Whether all tables behind what a mart reads have logs.
pub(super) fn is_logged(row: &Recorded, actual: &Actual) -> bool {
    let captures = &actual.captures;
    let reads = &row.applied.reads;
    let logged = |read: &QName| {
        let tables = captures.behind.get(read);
        tables.is_some_and(|tables| tables.iter().all(|table| captures.logs.contains_key(table)))
    };
    !captures.logs.is_empty() && !reads.is_empty() && reads.values().all(|read| logged(&read.name))
}

/// Looks whether anything changed since the mart's rows were computed.
///
/// # Errors
/// Where the server is gone, or somebody stopped it; whatever else stands against looking does not stand against computing.
pub(super) async fn look(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
) -> Result<Found, SqlError> {
    let recorded = &item.recorded;
    let mart = &recorded.mart;
    let concerned = item.logged && item.series.is_none() && recorded.applied.changes.is_none();
    // What is too old goes by the clock.
    if !concerned || mart.retention.is_some() || mart.partition.is_some() {
        return Ok(Found::Changed(None));
    }
    let found = attempt(conn, item, live, options, frame).await;
    if let Ok(Attempt::Unchanged(outcome)) = found {
        return Ok(Found::Unchanged(outcome));
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await?;
    match found {
        Ok(Attempt::Changed(stand)) => {
            let Stand { changes, look } = *stand;
            let look = changes::counting(conn, options, &changes::watched_by(item, options, &changes), look).await?;
            Ok(Found::Changed(look.map(|look| Box::new(Stand { changes, look }))))
        }
        Err(error) if matches!(error.kind, ErrorKind::Connection | ErrorKind::Cancelled) => Err(error),
        _ => Ok(Found::Changed(None)),
    }
}

/// What came of looking, in a transaction that is open still.
enum Attempt {
    Unchanged(Box<Outcome>),
    Changed(Box<Stand>),
    /// It cannot be told.
    Unknown,
}

async fn attempt(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    frame: &Frame,
) -> Result<Attempt, SqlError> {
    let recorded = &item.recorded;
    let begin = format!("BEGIN READ ONLY; SET LOCAL lock_timeout = {}", frame.lock_timeout_ms);
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *conn).await?;
    let reads: BTreeSet<_> = recorded.applied.reads.values().map(|read| read.name.clone()).collect();
    let Some(changes) = settled(conn, &recorded.applied.compiled, &reads).await? else {
        return Ok(Attempt::Unknown);
    };
    let watched = changes::watched_by(item, options, &changes);
    let begin = position::begin(&watched, frame.role.as_deref(), frame.lock_timeout_ms);
    sqlx::raw_sql(AssertSqlSafe(format!("ROLLBACK; {begin}"))).execute(&mut *conn).await?;
    let look = position::look(conn, &watched, true).await?;
    let new: u64 = look.pending.iter().map(|pending| pending.rows).sum();
    // Somebody may have taken them away.
    let rows_are_there = match recorded.mart.kind {
        Kind::Table => !live.empty || look.standing.rows == Some(0),
        _ => live.populated,
    };
    let same = changes::since(&changes, &look).is_ok() && new == 0;
    if same && rows_are_there && item.asked.how != How::Full {
        let decision = Decision { rung: "none", pending: Some(0), ..Decision::default() };
        let outcome = nothing(conn, item, (&watched, &look), None, ("nothing changed", decision)).await?;
        return Ok(Attempt::Unchanged(outcome));
    }
    Ok(Attempt::Changed(Box::new(Stand { changes, look })))
}

/// Notes where a mart stands whose rows are published; in their transaction where that is open.
///
/// # Errors
/// What the server says.
pub(super) async fn note(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    stand: Option<Box<Stand>>,
    rows: Option<i64>,
) -> Result<(), SqlError> {
    let Some(stand) = stand else { return Ok(()) };
    let Stand { changes, look } = *stand;
    let standing = Standing { rows, ..Standing::default() };
    position::published(conn, &changes::watched_by(item, options, &changes), &look, &standing).await
}
