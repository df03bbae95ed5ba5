//! The space that logs of changes take: what everybody has seen is emptied, never deleted from, so that nothing is left behind
//! that a look would have to step over.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::database::registry::in_schema;
use crate::database::{ErrorKind, SqlError};
use crate::plan::{log_files, log_function};
use crate::state::{ChangeLog, LOG_SEGMENTS, LoggedColumn, QName, quote_ident, quote_literal};

/// A segment of so many bytes is written to no longer.
const LARGE: i64 = 16 << 20;

/// … and one of so many where it was for a while: every writer's session has to read its function again after that.
const WORTH_IT: i64 = 256 << 10;
const A_WHILE: f64 = 10.0;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Segments that were emptied.
    pub emptied: usize,
    /// Logs that are written to another segment now.
    pub rotated: usize,
    /// Relations of marts that have not seen what had to go: they are computed whole next time.
    pub given_up: BTreeSet<QName>,
}

struct Size {
    log: ChangeLog,
    segment: usize,
    age: f64,
    bytes: Vec<i64>,
}

/// Empties the segments of a project's logs that every mart has seen, goes on to the next where one has grown, and gives up the
/// marts that keep a log beyond `max_log` bytes. Where somebody writes to a segment just now, a later call does it.
///
/// # Errors
/// What the server says.
pub async fn tidy_logs(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    max_log: Option<u64>,
) -> Result<Tidied, SqlError> {
    let mut tidied = Tidied::default();
    for size in sizes(conn, registry, project).await? {
        let current = size.segment;
        let grown = size.bytes[current] > LARGE || (size.bytes[current] > WORTH_IT && size.age > A_WHILE);
        let left = |at: usize| at != current && size.bytes[at] > 0;
        if !grown && !(0..LOG_SEGMENTS).any(left) {
            continue;
        }
        let total: i64 = size.bytes.iter().sum();
        let beyond = max_log.is_some_and(|most| u64::try_from(total).unwrap_or_default() > most);
        let mut free = !left((current + 1) % LOG_SEGMENTS);
        for at in (0..LOG_SEGMENTS).filter(|at| left(*at)) {
            let unseen = unseen(conn, &size.log, at).await?;
            if beyond {
                tidied.given_up.extend(give_up(conn, &size.log, &unseen).await?);
            } else if !unseen.is_empty() {
                continue;
            }
            if empty(conn, &size.log, at, beyond).await? {
                tidied.emptied += 1;
                free |= at == (current + 1) % LOG_SEGMENTS;
            }
        }
        if grown && free {
            rotate(conn, &size.log, current).await?;
            tidied.rotated += 1;
        }
    }
    Ok(tidied)
}

async fn sizes(conn: &mut PgConnection, registry: &str, project: &str) -> Result<Vec<Size>, SqlError> {
    let sql = in_schema(include_str!("sql/log_sizes.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(registry).fetch_all(conn).await?;
    let size = |row: &sqlx::postgres::PgRow| -> Result<Size, sqlx::Error> {
        let columns =
            row.try_get::<Vec<String>, _>("columns")?.into_iter().zip(row.try_get::<Vec<String>, _>("types")?);
        Ok(Size {
            log: ChangeLog {
                registry: registry.to_owned(),
                project: project.to_owned(),
                table: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?),
                columns: columns.map(|(name, type_name)| LoggedColumn { name, type_name }).collect(),
                logged: row.try_get("logged")?,
            },
            segment: usize::try_from(row.try_get::<i32, _>("segment")?).unwrap_or_default() % LOG_SEGMENTS,
            age: row.try_get("age")?,
            bytes: row.try_get("sizes")?,
        })
    };
    let sizes = rows.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    Ok(sizes.into_iter().filter(|size| size.bytes.len() == LOG_SEGMENTS).collect())
}

/// Who follows the table and has not seen all of a segment; true for those that have a position.
async fn unseen(conn: &mut PgConnection, log: &ChangeLog, segment: usize) -> Result<Vec<(QName, bool)>, SqlError> {
    let sql = in_schema(include_str!("sql/log_seen.sql"), &log.registry);
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(&log.project)
        .bind(&log.table.schema)
        .bind(&log.table.name)
        .fetch_all(&mut *conn)
        .await?;
    let mut unseen = Vec::new();
    for row in rows {
        let segment = &log.segments()[segment];
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {segment} WHERE NOT pg_catalog.pg_visible_in_snapshot(datamart_xid, $1::pg_catalog.pg_snapshot))"
        );
        let snapshot: String = row.try_get("snapshot")?;
        if sqlx::query_scalar(AssertSqlSafe(sql)).bind(snapshot).fetch_one(&mut *conn).await? {
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            unseen.push((name, row.try_get("position")?));
        }
    }
    Ok(unseen)
}

/// Whoever has no position is computed whole.
async fn give_up(
    conn: &mut PgConnection,
    log: &ChangeLog,
    unseen: &[(QName, bool)],
) -> Result<BTreeSet<QName>, SqlError> {
    let with_position = unseen.iter().filter(|(_, position)| *position).map(|(name, _)| name);
    let mut given_up = BTreeSet::new();
    for name in with_position {
        let sql = in_schema(
            "DELETE FROM {registry}.positions WHERE project = $1 AND schema = $2 AND name = $3",
            &log.registry,
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(&log.project)
            .bind(&name.schema)
            .bind(&name.name)
            .execute(&mut *conn)
            .await?;
        given_up.insert(name.clone());
    }
    Ok(given_up)
}

/// Empties a segment that is not written to. What is in it was seen, unless somebody who began before it was left wrote just
/// now: that is looked for again behind a lock that keeps writers off, which nobody waits for.
async fn empty(conn: &mut PgConnection, log: &ChangeLog, at: usize, whatever: bool) -> Result<bool, SqlError> {
    let segment = log.segments()[at].clone();
    let mut transaction = conn.begin().await?;
    for mode in ["SHARE", "ACCESS EXCLUSIVE"] {
        let lock = format!("LOCK TABLE {segment} IN {mode} MODE NOWAIT");
        if let Err(error) = sqlx::query(AssertSqlSafe(lock)).execute(&mut *transaction).await.map_err(SqlError::from) {
            transaction.rollback().await?;
            return if error.kind == ErrorKind::Lock { Ok(false) } else { Err(error) };
        }
        if mode == "SHARE" && !whatever && !unseen(&mut transaction, log, at).await?.is_empty() {
            transaction.rollback().await?;
            return Ok(false);
        }
    }
    sqlx::query(AssertSqlSafe(format!("TRUNCATE {segment}"))).execute(&mut *transaction).await?;
    // Who looks with an older snapshot finds other files than it knows, and counts on nothing.
    let files =
        format!("UPDATE {}.captures SET files = {} WHERE {}", quote_ident(&log.registry), log_files(log), is(log));
    sqlx::query(AssertSqlSafe(files)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Goes on to the next segment. Whoever is in the middle of the function writes to the old one still.
async fn rotate(conn: &mut PgConnection, log: &ChangeLog, current: usize) -> Result<(), SqlError> {
    let next = (current + 1) % LOG_SEGMENTS;
    let mut transaction = conn.begin().await?;
    let sql = in_schema(
        "SELECT 1 FROM {registry}.captures WHERE project = $1 AND schema = $2 AND name = $3 AND segment = $4 FOR UPDATE",
        &log.registry,
    );
    let mine = sqlx::query(AssertSqlSafe(sql))
        .bind(&log.project)
        .bind(&log.table.schema)
        .bind(&log.table.name)
        .bind(i16::try_from(current).unwrap_or_default())
        .fetch_optional(&mut *transaction)
        .await?;
    if mine.is_some() {
        sqlx::query(AssertSqlSafe(log_function(log, next))).execute(&mut *transaction).await?;
        let function = quote_literal(&format!("{}()", log.name()));
        let sql = format!(
            "UPDATE {}.captures SET segment = {next}, rotated_at = now(), body = (SELECT pg_catalog.md5(p.prosrc) FROM pg_catalog.pg_proc AS p \
             WHERE p.oid = {function}::pg_catalog.regprocedure) WHERE {}",
            quote_ident(&log.registry),
            is(log)
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn is(log: &ChangeLog) -> String {
    let [project, schema, name] = [&log.project, &log.table.schema, &log.table.name].map(|text| quote_literal(text));
    format!("project = {project} AND schema = {schema} AND name = {name}")
}
