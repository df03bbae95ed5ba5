//! Publishing by merge: only rows that differ are written, readers see the old rows until the commit.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::copy::{Built, close};
use super::run::run;
use super::session::{Frame, SessionState};
use super::statement;
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::state::QName;

/// How many rows a merge wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// New rows.
    pub inserted: u64,
    /// Rows with the same key and other values.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
}

/// The columns that tell rows apart: the primary key, or a unique index whose columns are never null.
pub(crate) fn key(live: &Relation) -> Option<Vec<String>> {
    let not_null = |name: &String| live.columns.iter().any(|c| c.name == *name && c.not_null);
    let primary = live.primary_key().map(|(_, index)| index.keys.clone());
    primary.or_else(|| {
        let unique = live
            .indexes
            .values()
            .find(|i| i.unique && i.valid && !i.partial && !i.expressions && i.keys.iter().all(not_null));
        unique.map(|index| index.keys.clone())
    })
}

/// How many rows differ, where there is a key.
///
/// # Errors
/// What PostgreSQL says.
pub async fn differences(
    conn: &mut PgConnection,
    live: &Relation,
    built: &Built,
    frame: &Frame,
) -> Result<Option<i64>, SqlError> {
    let Some(key) = key(live) else { return Ok(None) };
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let sql = statement::count_differences(live, &built.name, &key);
    let counted = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await;
    session.leave(conn).await?;
    Ok(Some(counted?.try_get(0)?))
}

/// Merges the built rows into the live table and drops what was built, in one transaction.
///
/// # Errors
/// What PostgreSQL says; the old rows stay then.
pub async fn merge(conn: &mut PgConnection, live: &Relation, built: &Built, frame: &Frame) -> Result<Merged, SqlError> {
    let mut session = SessionState::in_transaction();
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
    let outcome = write(conn, &mut session, live, built, frame).await;
    close(conn, outcome).await
}

/// The same in the caller's transaction.
pub(super) async fn write(
    conn: &mut PgConnection,
    session: &mut SessionState,
    live: &Relation,
    built: &Built,
    frame: &Frame,
) -> Result<Merged, SqlError> {
    let mut merged = Merged::default();
    match key(live) {
        Some(key) => {
            let [delete, update, insert] = statement::merge_by_key(live, &built.name, &key);
            if let Some(delete) = delete {
                merged.deleted = run(conn, session, frame, &delete).await?;
            }
            if let Some(update) = update {
                merged.updated = change(conn, session, live, &built.name, (&key, &update), frame).await?;
            }
            if let Some(insert) = insert {
                merged.inserted = run(conn, session, frame, &insert).await?;
            }
        }
        None => {
            let [delete, insert] = statement::merge_by_rows(live, &built.name);
            merged.deleted = run(conn, session, frame, &delete).await?;
            merged.inserted = run(conn, session, frame, &insert).await?;
        }
    }
    run(conn, session, frame, &format!("DROP TABLE {}", built.name)).await?;
    Ok(merged)
}

/// Updates rows by key; those of which two exchange a value of another unique index go out, to be put in again by the caller.
pub(super) async fn change(
    conn: &mut PgConnection,
    session: &mut SessionState,
    live: &Relation,
    next: &QName,
    (key, update): (&[String], &str),
    frame: &Frame,
) -> Result<u64, SqlError> {
    session.enter(conn, frame).await?;
    sqlx::raw_sql("SAVEPOINT datamart_update").execute(&mut *conn).await?;
    match run(conn, session, frame, update).await {
        Err(error) if error.is("23505") => {
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_update").execute(&mut *conn).await?;
            run(conn, session, frame, &statement::delete_changed(live, next, key)).await
        }
        done => done,
    }
}
