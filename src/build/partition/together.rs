//! Statements run by several sessions: those that write see one snapshot.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::filling::begin;
use crate::build::copy::close;
use crate::build::run::{Halted, run};
use crate::build::session::{Frame, SessionState};
use crate::database::lock::still_held;
use crate::database::{Endpoint, ErrorKind, SqlError, cancel, helps};
use crate::state::{QName, quote_literal};

/// What is run.
pub struct Together<'a> {
    /// The statements; those that take longest come first.
    pub statements: Vec<&'a str>,
    /// What they read: it is kept from being exchanged before the snapshot is taken in which it is read.
    pub reads: &'a [QName],
    /// What other sessions are told to be for.
    pub purpose: String,
    /// How to get other sessions, and how many there are with the one that is there.
    pub sessions: Option<(&'a Endpoint, usize)>,
    /// Whose session holds the locks without which nothing is committed.
    pub holder: Option<i32>,
}

/// Runs them, each in whichever session is free, and commits. `begins` is told of each before it begins. Gives the snapshot that
/// all of them saw.
///
/// # Errors
/// What the server says of one of them, which is told, or of what is around them; nothing is committed by then, but perhaps of
/// sessions that were done.
pub async fn together(
    conn: &mut PgConnection,
    what: &Together<'_>,
    frame: &Frame,
    begins: &dyn Fn(usize),
) -> Result<String, Halted> {
    begin(conn, what.reads, frame).await.map_err(at(0))?;
    let mut helpers = Vec::new();
    let mut leads = None;
    let outcome = async {
        let snapshot = helped(conn, what, (&mut helpers, &mut leads)).await.map_err(at(0))?;
        let next = AtomicUsize::new(0);
        let all = helpers.iter_mut().chain([&mut *conn]);
        let session = SessionState::in_transaction;
        try_join_all(all.map(|conn| work(conn, session(), what, &next, (frame, begins)))).await?;
        if let Some(pid) = what.holder
            && !still_held(&mut *conn, pid).await.map_err(at(0))?
        {
            return Err(at(0)(SqlError::new(ErrorKind::Cancelled, "its lock was taken away")));
        }
        for helper in &mut helpers {
            sqlx::raw_sql("COMMIT").execute(helper).await.map_err(|error| at(0)(error.into()))?;
        }
        Ok(snapshot)
    };
    let outcome: Result<String, Halted> = outcome.await;
    if outcome.is_err() && leads.is_some() {
        // What is being written would keep what was built from being removed.
        stop(what, leads).await;
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await;
    }
    match outcome {
        Ok(snapshot) => close(conn, Ok(snapshot)).await.map_err(at(0)),
        Err(Halted { done, error }) => Err(match close::<()>(conn, Err(error)).await {
            Err(error) => Halted { done, error },
            Ok(()) => at(done)(SqlError::new(ErrorKind::Cancelled, "it was stopped")),
        }),
    }
}

/// Runs statements outside transactions, each in whichever session is free. `begins` is told of each before it begins.
///
/// # Errors
/// What the server says of one of them, which is told; others may have been done.
pub async fn side_by_side(
    conn: &mut PgConnection,
    what: &Together<'_>,
    frame: &Frame,
    begins: &dyn Fn(usize),
) -> Result<(), Halted> {
    let (mut helpers, mut leads) = (Vec::new(), None);
    let outcome = async {
        others(conn, what, "", (&mut helpers, &mut leads)).await.map_err(at(0))?;
        let next = AtomicUsize::new(0);
        let all = helpers.iter_mut().chain([&mut *conn]);
        try_join_all(all.map(|conn| work(conn, SessionState::alone(), what, &next, (frame, begins)))).await?;
        Ok(())
    };
    let outcome: Result<(), Halted> = outcome.await;
    if outcome.is_err() {
        stop(what, leads).await;
    }
    outcome
}

/// Opens the other sessions, in the snapshot of the first.
async fn helped(
    conn: &mut PgConnection,
    what: &Together<'_>,
    (helpers, leads): (&mut Vec<PgConnection>, &mut Option<i32>),
) -> Result<String, SqlError> {
    let row = sqlx::query("SELECT pg_catalog.pg_current_snapshot()::text").fetch_one(&mut *conn).await?;
    let snapshot = row.try_get(0)?;
    if what.sessions.is_some() {
        let row = sqlx::query("SELECT pg_catalog.pg_export_snapshot()").fetch_one(&mut *conn).await?;
        let exported = quote_literal(row.try_get(0)?);
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT {exported}");
        others(conn, what, &begin, (helpers, leads)).await?;
    }
    Ok(snapshot)
}

/// Opens as many sessions as there is work for, beside the one that is there, which `leads`; each begins with `begin`.
async fn others(
    conn: &mut PgConnection,
    what: &Together<'_>,
    begin: &str,
    (helpers, leads): (&mut Vec<PgConnection>, &mut Option<i32>),
) -> Result<(), SqlError> {
    let Some((endpoint, sessions)) = what.sessions else { return Ok(()) };
    let wanted = sessions.min(what.statements.len());
    if wanted < 2 {
        return Ok(());
    }
    let first = sqlx::query("SELECT pg_catalog.pg_backend_pid()").fetch_one(conn).await?.try_get(0)?;
    *leads = Some(first);
    for _ in 1..wanted {
        // Those that are there do it as well, in more time.
        let Ok(mut helper) = endpoint.direct().session(&what.purpose).await else { break };
        let sql = format!("{begin};{}", helps(first));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut helper).await?;
        helpers.push(helper);
    }
    Ok(())
}

/// Cancels what a session and those that help it do; the helpers' transactions end with them.
async fn stop(what: &Together<'_>, leads: Option<i32>) {
    let (Some((endpoint, _)), Some(pid)) = (what.sessions, leads) else { return };
    // Without a session there is nothing to cancel them with; their statements end by themselves.
    if let Ok(mut conn) = endpoint.direct().session("cancel").await {
        let _ = cancel(&mut conn, &[pid]).await;
    }
}

/// Does what nobody else has begun, until there is no more of it.
async fn work(
    conn: &mut PgConnection,
    mut session: SessionState,
    what: &Together<'_>,
    next: &AtomicUsize,
    (frame, begins): (&Frame, &dyn Fn(usize)),
) -> Result<(), Halted> {
    let outcome = loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(statement) = what.statements.get(number) else { break Ok(()) };
        begins(number);
        if let Err(error) = run(conn, &mut session, frame, statement).await {
            break Err(at(number)(error));
        }
    };
    // Of a transaction that failed nothing is left to undo.
    let left = session.leave(conn).await.map_err(at(0));
    outcome.and(left)
}

fn at(number: usize) -> impl Fn(SqlError) -> Halted {
    move |error| Halted { done: number, error }
}
