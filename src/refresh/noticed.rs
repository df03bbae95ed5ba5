//! Which sources of triggered marts were written to: what their logs have that was not there before. Whether a transaction's rows
//! are there yet is told by snapshots, so that one that commits late is not missed.
//!
//! Whoever follows them looks with [`marts_behind`] first: what was written since each mart's last good refresh, whoever looked
//! then. After that [`noticed`] tells what is new since its last snapshot.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::{QName, log_segments, quote_literal};

/// What was written to the table is there to be read: a mark may stand for a transaction that is still prepared, see [`renew_logs`].
const ENDED: &str = "pg_catalog.pg_visible_in_snapshot(l.datamart_xid, pg_catalog.pg_current_snapshot())";

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Logs with something that the last look did not see.
    pub changed: BTreeSet<String>,
    /// What the next look counts from.
    pub snapshot: String,
    /// Of each log, which one it is: it is another after a crash, or where it was made again.
    pub generations: BTreeMap<String, String>,
    /// A crash or a failover emptied these: anything may have been written to their tables. See [`renew_logs`].
    pub emptied: BTreeSet<String>,
}

/// Looks in which of these logs there is anything of transactions that `since` did not see. One query.
///
/// # Errors
/// What the server says.
pub async fn noticed(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    logs: &BTreeSet<String>,
    since: Option<&str>,
) -> Result<Noticed, SqlError> {
    let rows = |log: &String| {
        let any = log_segments(&QName::new(registry, log)).map(|segment| {
            format!(
                "EXISTS (SELECT FROM {segment} AS l WHERE {ENDED} AND ($2::pg_catalog.pg_snapshot IS NULL \
                 OR NOT pg_catalog.pg_visible_in_snapshot(l.datamart_xid, $2::pg_catalog.pg_snapshot)))"
            )
        });
        format!("SELECT {} AS log WHERE {}", quote_literal(log), any.join(" OR "))
    };
    let changed: Vec<String> = logs.iter().map(rows).collect();
    let changed =
        if changed.is_empty() { "SELECT NULL::text AS log".to_owned() } else { changed.join("\nUNION ALL\n") };
    let sql = in_schema(include_str!("sql/noticed.sql"), registry).replace("{changed}", &changed);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(since).fetch_all(conn).await?;
    let mut noticed = Noticed {
        changed: BTreeSet::new(),
        snapshot: String::new(),
        generations: BTreeMap::new(),
        emptied: BTreeSet::new(),
    };
    for row in rows {
        noticed.snapshot = row.try_get("snapshot")?;
        let Some(log) = row.try_get::<Option<String>, _>("log")?.filter(|log| logs.contains(log)) else { continue };
        if row.try_get("changed")? {
            noticed.changed.insert(log.clone());
        }
        if !row.try_get::<bool, _>("whole")? {
            noticed.emptied.insert(log.clone());
        }
        noticed.generations.insert(log, row.try_get("generation")?);
    }
    Ok(noticed)
}

/// The triggered marts with a source that was written to since their last good refresh. `watched` are the marts that each log
/// means, see [`crate::plan::watched`].
///
/// # Errors
/// What the server says.
pub async fn marts_behind(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    watched: &BTreeMap<String, BTreeSet<QName>>,
) -> Result<BTreeSet<QName>, SqlError> {
    let of_log = |(log, marts): (&String, &BTreeSet<QName>)| {
        let marts: Vec<String> = marts
            .iter()
            .map(|mart| {
                format!("({}, {}, {})", quote_literal(&mart.schema), quote_literal(&mart.name), quote_literal(log))
            })
            .collect();
        let any = log_segments(&QName::new(registry, log)).map(|segment| {
            format!(
                "EXISTS (SELECT FROM {segment} AS l WHERE {ENDED} AND (b.snapshot IS NULL OR NOT pg_catalog.pg_visible_in_snapshot(l.datamart_xid, b.snapshot)))"
            )
        });
        format!(
            "SELECT b.schema, b.name FROM before AS b JOIN (VALUES {}) AS w (schema, name, log) USING (schema, name, log) WHERE b.renewed OR {}",
            marts.join(", "),
            any.join(" OR ")
        )
    };
    if watched.is_empty() {
        return Ok(BTreeSet::new());
    }
    let each: Vec<String> = watched.iter().map(of_log).collect();
    let pairs = || watched.iter().flat_map(|(log, marts)| marts.iter().map(move |mart| (mart, log.as_str())));
    let sql = in_schema(include_str!("sql/marts_behind.sql"), registry).replace("{each}", &each.join("\nUNION\n"));
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(project)
        .bind(pairs().map(|(mart, _)| mart.schema.as_str()).collect::<Vec<_>>())
        .bind(pairs().map(|(mart, _)| mart.name.as_str()).collect::<Vec<_>>())
        .bind(pairs().map(|(_, log)| log).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    let name = |row: &sqlx::postgres::PgRow| {
        Ok(QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?))
    };
    rows.iter().map(name).collect::<Result<_, sqlx::Error>>().map_err(SqlError::from)
}

/// Begins again with the logs that a crash emptied: what was logged before is lost, and whoever counted on it can tell by the
/// generation. What a prepared transaction logged is lost, too, and what it wrote comes when it is committed: a mark stands for it.
/// Gives how many there were.
///
/// # Errors
/// What the server says.
pub async fn renew_logs(conn: &mut PgConnection, registry: &str, project: &str) -> Result<u64, SqlError> {
    let sql = in_schema(include_str!("sql/emptied_logs.sql"), registry);
    let logs: Vec<Option<String>> = sqlx::query_scalar(AssertSqlSafe(sql)).bind(project).fetch_all(&mut *conn).await?;
    if logs.is_empty() {
        return Ok(0);
    }
    // Whoever begins to write after this logs it.
    for log in logs.iter().flatten() {
        let [segment, ..] = log_segments(&QName::new(registry, log));
        let sql = include_str!("sql/mark_prepared.sql").replace("{segment}", &segment.to_string());
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    let sql = in_schema(include_str!("sql/renew_logs.sql"), registry);
    Ok(sqlx::query(AssertSqlSafe(sql)).bind(project).execute(conn).await?.rows_affected())
}
