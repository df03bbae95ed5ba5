//! The space that logs of changes take: what everybody has seen is emptied, never deleted from, so that nothing is left behind
//! that a look would have to step over.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::database::registry::in_schema;
use crate::database::{ErrorKind, SqlError};
use crate::plan::{log_files, log_function, poison_log};
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
            let behind = unseen(conn, &size.log, at, beyond).await?;
            if !beyond && behind.iter().any(|mart| mart.counts) {
                continue;
            }
            if let Some(given_up) = empty(conn, &size.log, at, beyond).await? {
                tidied.emptied += 1;
                tidied.given_up.extend(given_up);
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
                commits: row.try_get("commits")?,
            },
            segment: usize::try_from(row.try_get::<i32, _>("segment")?).unwrap_or_default() % LOG_SEGMENTS,
            age: row.try_get("age")?,
            bytes: row.try_get("sizes")?,
        })
    };
    let sizes = rows.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    Ok(sizes.into_iter().filter(|size| size.bytes.len() == LOG_SEGMENTS).collect())
}

/// A mart that has not seen all of a segment.
struct Behind {
    /// The relation that stores its rows, or its own where it only has to be refreshed.
    name: QName,
    position: bool,
    /// The log is kept for it.
    counts: bool,
}

/// Who follows the table and has not seen all of a segment; unless `all` are asked for, none behind the first one that it is kept for.
async fn unseen(conn: &mut PgConnection, log: &ChangeLog, segment: usize, all: bool) -> Result<Vec<Behind>, SqlError> {
    let sql = in_schema(include_str!("sql/log_seen.sql"), &log.registry);
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(&log.project)
        .bind(&log.table.schema)
        .bind(&log.table.name)
        .fetch_all(&mut *conn)
        .await?;
    let segment = &log.segments()[segment];
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {segment} WHERE datamart_xid >= pg_catalog.pg_snapshot_xmin($1::pg_catalog.pg_snapshot) \
         AND NOT pg_catalog.pg_visible_in_snapshot(datamart_xid, $1::pg_catalog.pg_snapshot) \
         AND datamart_xid IS DISTINCT FROM $2::pg_catalog.xid8)"
    );
    let mut unseen = Vec::new();
    for row in rows {
        let snapshot: String = row.try_get("snapshot")?;
        let xid: Option<String> = row.try_get("xid")?;
        if sqlx::query_scalar(AssertSqlSafe(sql.clone())).bind(snapshot).bind(xid).fetch_one(&mut *conn).await? {
            unseen.push(Behind {
                name: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?),
                position: row.try_get("position")?,
                counts: row.try_get("counts")?,
            });
        }
        if !all && unseen.last().is_some_and(|mart: &Behind| mart.counts) {
            break;
        }
    }
    Ok(unseen)
}

/// Empties a segment that is not written to; gives whose positions were given up for that, or `None` where it is not the time.
/// Somebody who began before the segment was left may have written to it just now: who has seen it is asked behind a lock that
/// keeps writers off, which nobody waits for.
async fn empty(
    conn: &mut PgConnection,
    log: &ChangeLog,
    at: usize,
    whatever: bool,
) -> Result<Option<Vec<QName>>, SqlError> {
    let segment = log.segments()[at].clone();
    let mut transaction = conn.begin().await?;
    let (mut given_up, mut forgotten) = (BTreeMap::new(), false);
    for mode in ["SHARE", "ACCESS EXCLUSIVE"] {
        let lock = format!("LOCK TABLE {segment} IN {mode} MODE NOWAIT");
        if let Err(error) = sqlx::query(AssertSqlSafe(lock)).execute(&mut *transaction).await.map_err(SqlError::from) {
            transaction.rollback().await?;
            return if error.kind == ErrorKind::Lock { Ok(None) } else { Err(error) };
        }
        // Between the two somebody may have noted a first position.
        let behind = unseen(&mut transaction, log, at, whatever).await?;
        if !whatever && behind.iter().any(|mart| mart.counts) {
            transaction.rollback().await?;
            return Ok(None);
        }
        forgotten |= behind.iter().any(|mart| !mart.position && mart.counts);
        given_up.extend(behind.into_iter().filter(|mart| mart.position).map(|mart| (mart.name, mart.counts)));
    }
    // Whoever has no position is computed whole.
    for name in given_up.keys() {
        let sql = "DELETE FROM {registry}.positions WHERE project = $1 AND schema = $2 AND name = $3";
        sqlx::query(AssertSqlSafe(in_schema(sql, &log.registry)))
            .bind(&log.project)
            .bind(&name.schema)
            .bind(&name.name)
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query(AssertSqlSafe(format!("TRUNCATE {segment}"))).execute(&mut *transaction).await?;
    if forgotten {
        // Who has no position, and follows the log by its refreshes, is told that anything may have changed.
        sqlx::query(AssertSqlSafe(poison_log(log))).execute(&mut *transaction).await?;
    }
    // Who looks with an older snapshot finds other files than it knows, and counts on nothing.
    let files =
        format!("UPDATE {}.captures SET files = {} WHERE {}", quote_ident(&log.registry), log_files(log), is(log));
    sqlx::query(AssertSqlSafe(files)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(given_up.into_iter().filter(|(_, counts)| *counts).map(|(name, _)| name).collect()))
}

/// Goes on to the next segment. Whoever is in the middle of the function writes to the old one still.
async fn rotate(conn: &mut PgConnection, log: &ChangeLog, current: usize) -> Result<(), SqlError> {
    let next = (current + 1) % LOG_SEGMENTS;
    let mut transaction = conn.begin().await?;
    let sql = in_schema(
        "SELECT 1 FROM {registry}.captures WHERE project = $1 AND schema = $2 AND name = $3 AND segment = $4 \
         AND columns = $5 AND types = $6 FOR UPDATE",
        &log.registry,
    );
    let mine = sqlx::query(AssertSqlSafe(sql))
        .bind(&log.project)
        .bind(&log.table.schema)
        .bind(&log.table.name)
        .bind(i16::try_from(current).unwrap_or_default())
        // A log that was made again meanwhile may be of other columns.
        .bind(log.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>())
        .bind(log.columns.iter().map(|column| column.type_name.as_str()).collect::<Vec<_>>())
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
