//! REFRESH MATERIALIZED VIEW with all that belongs to it, in as few messages and commits as there can be.

use sqlx::postgres::PgRow;
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
        let mut sql = begin(&mut session, mart, live, method, frame);
        if !mart.checks.is_empty() {
            outcome.snapshot = Some(snapshot(&sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?)?);
            build::check_all(conn, &mut session, frame, mart, &live.name, checks).await?;
            if let Some(failure) = build::failure(checks) {
                return Err(failure);
            }
            session.leave(conn).await?;
            keep(conn, holder).await?;
            sql = String::new();
        }
        if method == Method::Plain {
            sql.push_str("COMMIT;BEGIN;");
            session = SessionState::in_transaction();
        }
        let enter = session.entering(frame);
        let (figures, leave) = (figures(item, &live.name, &outcome), session.leaving());
        sql.push_str(&format!("{enter}ANALYZE {};{figures};{leave}", live.name));
        // Without checks that is all of it, in one message: each costs as much as the refresh of a small mart.
        let told = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
        if outcome.snapshot.is_none() {
            outcome.snapshot = Some(snapshot(&told)?);
        }
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

/// What begins a transaction, tells the snapshot of the rows, or an older one, and refreshes.
fn begin(session: &mut SessionState, mart: &Mart, live: &Relation, method: Method, frame: &Frame) -> String {
    // What is checked is seen in the snapshot that it was computed in.
    let level = if mart.checks.is_empty() { "" } else { " ISOLATION LEVEL REPEATABLE READ" };
    let word = if method == Method::Concurrently { "CONCURRENTLY " } else { "" };
    let enter = session.entering(frame);
    let name = &live.name;
    format!(
        "BEGIN{level};SELECT pg_catalog.pg_current_snapshot()::text AS snapshot;{enter}\
         REFRESH MATERIALIZED VIEW {word}{name};"
    )
}

/// The snapshot that [`begin`] tells, among other rows.
fn snapshot(told: &[PgRow]) -> Result<String, SqlError> {
    let row = told.iter().find(|row| row.try_column("snapshot").is_ok());
    Ok(row.ok_or(sqlx::Error::RowNotFound)?.try_get("snapshot")?)
}
