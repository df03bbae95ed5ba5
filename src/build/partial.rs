//! Some of a table mart's rows, computed and written into the live table in one transaction.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::check::{CheckResult, check_all, failure};
use super::copy::{Needed, close, remove_leftovers, same_columns};
use super::merge::{Merged, change, key};
use super::partition::make_homes;
use super::run::run;
use super::session::{Frame, SessionState};
use super::statement;
use crate::catalog::Relation;
use crate::database::{ErrorKind, SqlError};
use crate::state::{Mart, QName, next_name};

/// From so many rows on their table is analysed before it is joined.
const MANY: u64 = 1_000;

/// Which rows are computed, and which rows of the mart they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The query that gives them, with the mart's columns.
    pub query: String,
    /// A condition on the mart's rows, named `m`: those that are not given again go. `None`: no row goes.
    pub within: Option<String>,
    /// Columns that tell rows apart; empty: those of the table's own key, where it has one.
    pub key: Vec<String>,
    /// What is deleted beside, such as rows that are too old to be kept.
    pub also: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How many rows.
    pub merged: Merged,
    /// `pg_current_snapshot()` of the rows.
    pub snapshot: String,
}

/// Computes rows and writes those that differ into the live table, in one snapshot; then the mart's checks see all of its
/// rows. Readers see the old rows until all of it is committed. The caller holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says, or a check that does not pass; the old rows stay then, and nothing is left behind.
pub async fn write_rows(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    rows: &Rows,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Written, SqlError> {
    remove_leftovers(conn, &mart.name, Needed::Yes, frame).await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let outcome = async {
        let mut session = SessionState::in_transaction();
        let written = write(conn, &mut session, mart, live, rows, frame).await?;
        check_all(conn, &mut session, frame, mart, &live.name, checks).await?;
        if let Some(failure) = failure(checks) {
            return Err(failure);
        }
        session.leave(conn).await?;
        Ok(written)
    }
    .await;
    close(conn, outcome).await
}

async fn write(
    conn: &mut PgConnection,
    session: &mut SessionState,
    mart: &Mart,
    live: &Relation,
    rows: &Rows,
    frame: &Frame,
) -> Result<Written, SqlError> {
    let row = sqlx::query("SELECT pg_catalog.pg_current_snapshot()::text").fetch_one(&mut *conn).await?;
    let next = mart.name.sibling(next_name(&mart.name.name));
    let computed = run(conn, session, frame, &statement::create_part(live, &next, &rows.query)).await?;
    session.leave(conn).await?;
    same_columns(conn, &next, live).await?;
    make_homes(conn, session, mart, live, &next, frame).await?;
    if computed >= MANY {
        run(conn, session, frame, &format!("ANALYZE {next}")).await?;
    }
    let mut merged = merge(conn, session, live, &next, rows, frame).await?;
    if let Some(also) = &rows.also {
        merged.deleted += run(conn, session, frame, also).await?;
    }
    run(conn, session, frame, &format!("DROP TABLE {next}")).await?;
    Ok(Written { merged, snapshot: row.try_get(0)? })
}

async fn merge(
    conn: &mut PgConnection,
    session: &mut SessionState,
    live: &Relation,
    next: &QName,
    rows: &Rows,
    frame: &Frame,
) -> Result<Merged, SqlError> {
    let mut merged = Merged::default();
    let given = !rows.key.is_empty();
    let key = if given { Some(rows.key.clone()) } else { key(live) };
    if let Some(within) = &rows.within {
        let delete = statement::delete_within(live, next, key.as_deref(), within);
        merged.deleted = run(conn, session, frame, &delete).await?;
    }
    let Some(key) = key else {
        merged.inserted = run(conn, session, frame, &statement::insert_all(live, next)).await?;
        return Ok(merged);
    };
    if given {
        unambiguous(conn, session, next, &key, frame).await?;
    }
    let [_, update, insert] = statement::merge_by_key(live, next, &key);
    if let Some(update) = update {
        merged.updated = change(conn, session, live, next, (&key, &update), frame).await?;
    }
    match statement::merge_null_keys(live, next, &key) {
        Some([update, whole, partly]) => {
            if let Some(update) = update {
                merged.updated += run(conn, session, frame, &update).await?;
            }
            for insert in [whole, partly].iter().flatten() {
                merged.inserted += run(conn, session, frame, insert).await?;
            }
        }
        None => {
            if let Some(insert) = insert {
                merged.inserted = run(conn, session, frame, &insert).await?;
            }
        }
    }
    Ok(merged)
}

/// Of two rows with one key nobody knows which is right.
async fn unambiguous(
    conn: &mut PgConnection,
    session: &mut SessionState,
    next: &QName,
    key: &[String],
    frame: &Frame,
) -> Result<(), SqlError> {
    session.enter(conn, frame).await?;
    let twice = sqlx::query(AssertSqlSafe(statement::key_twice(next, key))).fetch_optional(&mut *conn).await?;
    match twice {
        Some(row) => {
            let key = key.join(", ");
            let value: String = row.try_get(0)?;
            Err(SqlError::new(ErrorKind::Data, format!("the query has several rows with the same {key}: {value}")))
        }
        None => Ok(()),
    }
}
