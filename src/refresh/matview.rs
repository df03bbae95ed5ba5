//! REFRESH MATERIALIZED VIEW with all that belongs to it, in as few messages and commits as there can be.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::outcome::{Outcome, figures};
use super::{Item, Method};
use crate::build::{self, CheckResult, Frame, SessionState};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::state::Mart;

/// Refreshes one, if its checks let it. The transaction is left open, so that the row of history is committed along with
/// the rows.
///
/// # Errors
/// What PostgreSQL says; nothing is open then, and the old rows stay.
pub(super) async fn refresh(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    method: Method,
    frame: &Frame,
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
        let mut before = None;
        if !mart.checks.is_empty() {
            before = Some(Before::of(&sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?)?);
            build::check_all(conn, &mut session, frame, mart, &live.name, checks).await?;
            if let Some(failure) = build::failure(checks) {
                return Err(failure);
            }
            session.leave(conn).await?;
            sql = String::new();
        }
        if method == Method::Plain {
            // Its readers wait until the commit, so that the rest comes after it, and fails nothing any more.
            sql.push_str("COMMIT");
            let told = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
            outcome.snapshot = Some(before.map_or_else(|| Before::of(&told), Ok)?.snapshot);
            published(conn, item, live, frame, &mut outcome).await?;
            return Ok(outcome);
        }
        let enter = session.entering(frame);
        let (figures, leave) = (figures(item, &live.name, &outcome), session.leaving());
        sql.push_str(&format!("{enter}{figures};{leave}{}", written(live, conn.server_version_num())));
        // Without checks that is all of it, in one message: each costs as much as the refresh of a small mart.
        let told = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
        let before = before.map_or_else(|| Before::of(&told), Ok)?;
        outcome.read(&told)?;
        if before.tell(&told, &mut outcome)? {
            let sql = format!("{}ANALYZE {};{}", session.entering(frame), live.name, session.leaving());
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
        }
        Ok(outcome)
    }
    .await;
    if begun.is_err() {
        // The connection may be gone; the server rolls back then by itself.
        let _ = sqlx::raw_sql("ROLLBACK").execute(conn).await;
    }
    begun
}

/// What is done once the rows are published, in a transaction that stays open. What cannot be done is left, and said.
///
/// # Errors
/// A connection that is lost.
async fn published(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    frame: &Frame,
    outcome: &mut Outcome,
) -> Result<(), SqlError> {
    let mut session = SessionState::in_transaction();
    let enter = session.entering(frame);
    let (figures, leave) = (figures(item, &live.name, outcome), session.leaving());
    let sql = format!("BEGIN;{enter}ANALYZE {};{figures};{leave}", live.name);
    let done = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await {
        Ok(told) => outcome.read(&told),
        Err(error) => {
            // The row of history is written in a transaction all the same.
            sqlx::raw_sql("ROLLBACK;BEGIN").execute(conn).await?;
            Err(error.into())
        }
    };
    outcome.afterwards("it was not analysed, or its rows were not counted", done)
}

/// What begins a transaction, tells the snapshot of the rows, or an older one, and refreshes.
fn begin(session: &mut SessionState, mart: &Mart, live: &Relation, method: Method, frame: &Frame) -> String {
    // What is checked is seen in the snapshot that it was computed in.
    let level = if mart.checks.is_empty() { "" } else { " ISOLATION LEVEL REPEATABLE READ" };
    let word = if method == Method::Concurrently { "CONCURRENTLY " } else { "" };
    let enter = session.entering(frame);
    let name = &live.name;
    format!(
        "BEGIN{level};SELECT pg_catalog.pg_current_snapshot()::text AS snapshot, {};{enter}\
         REFRESH MATERIALIZED VIEW {word}{name};",
        counted(live)
    )
}

/// How many rows the session wrote: of transactions that ended shortly before, too.
fn counted(live: &Relation) -> String {
    let oid = live.oid;
    format!(
        "pg_catalog.pg_stat_get_xact_tuples_inserted({oid}::oid) AS came, pg_catalog.pg_stat_get_xact_tuples_deleted({oid}::oid) AS went"
    )
}

/// Asks what the transaction wrote, and whether it is to be analysed whatever that was: where nobody counts what is written, or the rows
/// never were.
fn written(live: &Relation, version: Option<u32>) -> String {
    let oid = live.oid;
    // The server before reads a file to tell.
    let never = match version {
        Some(150_000..) => format!(
            "coalesce(pg_stat_get_last_analyze_time({oid}::oid), pg_stat_get_last_autoanalyze_time({oid}::oid)) IS NULL"
        ),
        _ => format!("(SELECT reltuples < 0 FROM pg_class WHERE oid = {oid}::oid)"),
    };
    format!("SELECT current_setting('track_counts')::bool AS counted, {never} AS never, {}", counted(live))
}

/// What [`begin`] tells.
struct Before {
    snapshot: String,
    /// Rows that the session wrote before.
    written: [i64; 2],
}

impl Before {
    /// Among other rows.
    fn of(told: &[PgRow]) -> Result<Self, SqlError> {
        let row = told.iter().find(|row| row.try_column("snapshot").is_ok()).ok_or(sqlx::Error::RowNotFound)?;
        Ok(Self { snapshot: row.try_get("snapshot")?, written: rows(row)? })
    }

    /// Notes what was written since, as [`written`] tells among other rows; whether it is to be analysed. What is known of its rows
    /// holds after a refresh that found none that differ. One that differs goes, and comes as it is now.
    fn tell(self, told: &[PgRow], outcome: &mut Outcome) -> Result<bool, SqlError> {
        let row = told.iter().find(|row| row.try_column("counted").is_ok()).ok_or(sqlx::Error::RowNotFound)?;
        outcome.snapshot = Some(self.snapshot);
        if !row.try_get::<bool, _>("counted")? {
            return Ok(true);
        }
        let [came, went] = rows(row)?;
        let [came, went] = [came - self.written[0], went - self.written[1]];
        (outcome.inserted, outcome.updated, outcome.deleted) = (Some(came), Some(0), Some(went));
        Ok(row.try_get("never")? || came + went > 0)
    }
}

fn rows(row: &PgRow) -> Result<[i64; 2], SqlError> {
    Ok([row.try_get("came")?, row.try_get("went")?])
}
