//! A table mart's next rows, built beside the live ones.

use sqlx::{PgConnection, Row};

use super::check::{CheckResult, check_all, failure};
use super::run::run;
use super::session::{Frame, SessionState};
use super::statement;
use crate::catalog::Relation;
use crate::database::{ErrorKind, SqlError};
use crate::state::{Kind, Mart, QName, is_aside_mark, next_mark, next_name};

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The table with the next rows.
    pub name: QName,
    /// How many.
    pub rows: u64,
    /// `pg_current_snapshot()` of the fill.
    pub snapshot: String,
}

/// Fills `<mart>__next` from the mart's query, runs the mart's checks on it in the same snapshot, and commits. The caller
/// holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says, or a check that does not pass; nothing is left behind then.
pub async fn build_aside(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Built, SqlError> {
    remove_leftovers(conn, &mart.name, Needed::Yes, frame).await?;
    let name = mart.name.sibling(next_name(&mart.name.name));
    let mut session = SessionState::in_transaction();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let mut outcome = fill(conn, &mut session, mart, live, &name, frame).await;
    if outcome.is_ok() {
        let checked = check_all(conn, &mut session, frame, mart, &name, checks).await;
        if let Some(error) = checked.err().or_else(|| failure(checks)) {
            outcome = Err(error);
        }
    }
    close(conn, outcome).await
}

async fn fill(
    conn: &mut PgConnection,
    session: &mut SessionState,
    mart: &Mart,
    live: &Relation,
    name: &QName,
    frame: &Frame,
) -> Result<Built, SqlError> {
    let row = sqlx::query("SELECT pg_catalog.pg_current_snapshot()::text").fetch_one(&mut *conn).await?;
    let rows = run(conn, session, frame, &statement::create_next(mart, live, name)).await?;
    run(conn, session, frame, &statement::mark_next(Kind::Table, &mart.name, name)).await?;
    session.leave(conn).await?;
    same_columns(conn, name, live).await?;
    Ok(Built { name: name.clone(), rows, snapshot: row.try_get(0)? })
}

/// Whether what was built has the columns of the live relation.
///
/// # Errors
/// It has others, by name.
pub(super) async fn same_columns(conn: &mut PgConnection, name: &QName, live: &Relation) -> Result<(), SqlError> {
    let columns = sqlx::query(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute \
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    )
    .bind(name.to_string())
    .fetch_all(&mut *conn)
    .await?;
    let is: Vec<(String, String)> =
        columns.iter().map(|c| Ok((c.try_get(0)?, c.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?;
    let should = live.columns.iter().map(|c| (c.name.clone(), c.type_name.clone()));
    if !is.iter().cloned().eq(should) {
        let words = |list: Vec<String>| list.join(", ");
        return Err(SqlError::new(
            ErrorKind::Conflict,
            format!(
                "the query gives other columns now ({}) than {} has ({}); `datamart plan` shows the change",
                words(is.iter().map(|(n, t)| format!("{n} {t}")).collect()),
                live.name,
                words(live.columns.iter().map(|c| format!("{} {}", c.name, c.type_name)).collect()),
            ),
        ));
    }
    Ok(())
}

/// Commits what went well, rolls back what did not.
///
/// # Errors
/// Those of `outcome`; a commit that fails.
pub async fn close<T>(conn: &mut PgConnection, outcome: Result<T, SqlError>) -> Result<T, SqlError> {
    match outcome {
        Ok(value) => {
            sqlx::raw_sql("COMMIT").execute(conn).await?;
            Ok(value)
        }
        Err(error) => {
            // The connection may be gone; the server rolls back then by itself.
            let _ = sqlx::raw_sql("ROLLBACK").execute(conn).await;
            Err(error)
        }
    }
}

/// Whether a refresh builds under the name of what was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// It does: what was not built by us is an error.
    Yes,
    /// It refreshes in place: what is not ours stays.
    No,
}

/// Removes what a killed refresh or apply of `mart` left, with what of the same kind reads it: rows that are older than
/// those that are served from now on must never be published.
///
/// # Errors
/// What PostgreSQL says.
pub async fn remove_leftovers(
    conn: &mut PgConnection,
    mart: &QName,
    needed: Needed,
    frame: &Frame,
) -> Result<(), SqlError> {
    let name = mart.sibling(next_name(&mart.name));
    let rows = sqlx::query(include_str!("sql/leftovers.sql"))
        .bind(&name.schema)
        .bind(&name.name)
        .fetch_all(&mut *conn)
        .await?;
    let mut drops = Vec::new();
    for row in &rows {
        let found = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let mark: Option<String> = row.try_get("mark")?;
        let of_refresh = found == name && mark.as_deref() == Some(next_mark(mart).as_str());
        if !of_refresh && !mark.is_some_and(|mark| is_aside_mark(&mark, &found)) {
            if needed == Needed::No {
                return Ok(());
            }
            return Err(SqlError::new(
                ErrorKind::Conflict,
                match found == name {
                    true => format!(
                        "{name} exists and was not built by datamart; rename or drop it, its name is needed to refresh {mart}"
                    ),
                    false => format!("{found} reads {name}, which an apply left; drop it, or let it read {mart}"),
                },
            ));
        }
        drops.push((
            row.try_get::<Option<String>, _>("role")?,
            format!("DROP {} {found}", row.try_get::<&str, _>("kind")?),
        ));
    }
    if drops.is_empty() {
        return Ok(());
    }
    let mut session = SessionState::alone();
    let mut outcome = Ok(0);
    for (role, sql) in drops {
        let frame = Frame { role, settings: Vec::new(), ..frame.clone() };
        outcome = run(conn, &mut session, &frame, &sql).await;
        if outcome.is_err() {
            break;
        }
    }
    session.leave(conn).await?;
    outcome.map(|_| ())
}
