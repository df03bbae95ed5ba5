//! REFRESH MATERIALIZED VIEW with all that belongs to it, in as few messages and commits as there can be.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::outcome::{Outcome, figures, keep};
use super::{Item, Method};
use crate::build::{self, CheckResult, Frame, SessionState};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::state::Mart;

/// Refreshes one, if its checks let it. The transaction is left open, so that the row of history is committed along with
/// the rows. `holder` is the server process that holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says; nothing is open then. The old rows stay, but where a plain refresh could not be analysed: its readers
/// wait until the commit, so that this comes after it.
pub(super) async fn refresh(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    method: Method,
    (frame, holder): (&Frame, i32),
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let mart = &item.recorded.mart;
    if !item.tidy {
        build::remove_leftovers(conn, &mart.name, build::Needed::No, frame).await?;
    }
    let begun = async {
        let mut session = SessionState::in_transaction();
        let mut outcome = Outcome { method: Some(method), open: true, ..Outcome::default() };
        outcome.snapshot = Some(rows(conn, &mut session, mart, live, method, frame, checks).await?);
        if !mart.checks.is_empty() {
            session.leave(conn).await?;
            keep(conn, holder).await?;
        }
        if method == Method::Plain {
            sqlx::raw_sql("COMMIT; BEGIN").execute(&mut *conn).await?;
            session = SessionState::in_transaction();
        }
        let enter = session.entering(frame);
        let (figures, leave) = (figures(item, &live.name, &outcome), session.leaving());
        let sql = format!("{enter}ANALYZE {};{figures};{leave}", live.name);
        let told = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
        outcome.read(&told)?;
        Ok(outcome)
    }
    .await;
    if begun.is_err() {
        // The connection may be gone; the server rolls back then by itself.
        let _ = sqlx::raw_sql("ROLLBACK").execute(conn).await;
    }
    begun
}

/// Begins a transaction, refreshes and checks in it; tells the snapshot of the rows, or an older one.
async fn rows(
    conn: &mut PgConnection,
    session: &mut SessionState,
    mart: &Mart,
    live: &Relation,
    method: Method,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<String, SqlError> {
    // What is checked is seen in the snapshot that it was computed in.
    let level = if mart.checks.is_empty() { "" } else { " ISOLATION LEVEL REPEATABLE READ" };
    let enter = session.entering(frame);
    let sql = format!("BEGIN{level}; SELECT pg_catalog.pg_current_snapshot()::text AS snapshot;{enter}");
    let told = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
    let snapshot = told.first().ok_or(sqlx::Error::RowNotFound)?.try_get("snapshot")?;
    let word = if method == Method::Concurrently { "CONCURRENTLY " } else { "" };
    build::run(conn, session, frame, &format!("REFRESH MATERIALIZED VIEW {word}{}", live.name)).await?;
    build::check_all(conn, session, frame, mart, &live.name, checks).await?;
    match build::failure(checks) {
        Some(failure) => Err(failure),
        None => Ok(snapshot),
    }
}
