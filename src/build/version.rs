//! Another version of a mart: built beside the published one, then taken by the mart's view.

use sqlx::{PgConnection, Row};

use super::check::{CheckResult, check_all, failure};
use super::copy::{Built, Needed, close, remove_leftovers, same_columns};
use super::run::run;
use super::session::{Frame, SessionState};
use super::statement;
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::plan::carry::{comment_on, rights};
use crate::plan::{create, with};
use crate::sql::{create_index, retained};
use crate::state::{Kind, Mart, derived_name, next_name, quote_ident, quote_idents};

/// Fills `<version>__next` from the version's query, checks it in the same snapshot, and commits; then indexes, statistics
/// and visibility map. `like` is the published version. The caller holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says, or a check that does not pass; nothing is left behind then.
pub async fn build_version(
    conn: &mut PgConnection,
    version: &Mart,
    like: &Relation,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Built, SqlError> {
    remove_leftovers(conn, &version.name, Needed::Yes, frame).await?;
    let mut session = SessionState::in_transaction();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let mut outcome = fill(conn, &mut session, version, like, frame).await;
    if let Ok(built) = &outcome {
        let checked = check_all(conn, &mut session, frame, version, &built.name, checks).await;
        if let Some(error) = checked.err().or_else(|| failure(checks)) {
            outcome = Err(error);
        }
    }
    let built = close(conn, outcome).await?;
    let completed = complete(conn, version, like, &built, frame).await;
    if completed.is_err() {
        // What was built goes; where the connection is gone, the next refresh removes it.
        let _ = remove_leftovers(conn, &version.name, Needed::Yes, frame).await;
    }
    completed.map(|()| built)
}

async fn fill(
    conn: &mut PgConnection,
    session: &mut SessionState,
    version: &Mart,
    like: &Relation,
    frame: &Frame,
) -> Result<Built, SqlError> {
    let name = version.name.sibling(next_name(&version.name.name));
    let row = sqlx::query("SELECT pg_catalog.pg_current_snapshot()::text").fetch_one(&mut *conn).await?;
    let type_of = |name: &str| Some(like.columns.iter().find(|column| column.name == name)?.type_name.clone());
    let query = retained(version, &version.query, type_of);
    let rows = run(conn, session, frame, &create(version, &name, &query, Some(like))).await?;
    run(conn, session, frame, &statement::mark_next(version.kind, &version.name, &name)).await?;
    session.leave(conn).await?;
    same_columns(conn, &name, like).await?;
    Ok(Built { name, rows, snapshot: row.try_get(0)? })
}

async fn complete(
    conn: &mut PgConnection,
    version: &Mart,
    like: &Relation,
    built: &Built,
    frame: &Frame,
) -> Result<(), SqlError> {
    let mut statements = Vec::new();
    if version.kind == Kind::Table {
        for column in like.columns.iter().filter(|column| column.not_null) {
            let column = quote_ident(&column.name);
            statements.push(format!("ALTER TABLE {} ALTER COLUMN {column} SET NOT NULL", built.name));
        }
        if !version.primary_key.is_empty() {
            statements.push(format!(
                "ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})",
                built.name,
                quote_ident(&next_name(&primary_key(version))),
                quote_idents(&version.primary_key)
            ));
        }
    }
    let indexes = version.indexes.iter();
    statements.extend(indexes.map(|index| create_index(index, &built.name, &next_name(&index.name), false)));
    statements.push(format!("VACUUM (ANALYZE) {}", built.name));
    let mut session = SessionState::alone();
    let mut outcome = Ok(0);
    for sql in statements {
        outcome = run(conn, &mut session, frame, &sql).await;
        if outcome.is_err() {
            break;
        }
    }
    session.leave(conn).await?;
    outcome.map(|_| ())
}

/// The statements that give the built version its rights, names and comment, and to `view` another definition.
pub fn publish_version(
    version: &Mart,
    like: &Relation,
    view: &Relation,
    built: &Built,
    defaults: &[String],
    major: i32,
) -> [Vec<String>; 2] {
    let kind = version.kind.sql();
    let mut sql = rights(&built.name, defaults.iter(), &like.grants, major);
    sql.push(comment_on(version.kind, &built.name, version.description.as_ref()));
    sql.push(format!("ALTER {kind} {} RENAME TO {}", built.name, quote_ident(&version.name.name)));
    let key = (!version.primary_key.is_empty()).then(|| primary_key(version));
    for index in version.indexes.iter().map(|index| index.name.clone()).chain(key) {
        let aside = version.name.sibling(next_name(&index));
        sql.push(format!("ALTER INDEX {aside} RENAME TO {}", quote_ident(&index)));
    }
    let columns = quote_idents(view.columns.iter().map(|column| &column.name));
    let options = with(&view.options);
    let select = format!("CREATE OR REPLACE VIEW {}{options} AS\nSELECT {columns} FROM {}", view.name, version.name);
    [sql, vec![select]]
}

fn primary_key(version: &Mart) -> String {
    derived_name(&version.name.name, "_pkey")
}
