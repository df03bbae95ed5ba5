//! Which sources of triggered marts were written to. A trigger on each notes the transaction; whether its rows are there yet is
//! told by snapshots, so that a transaction that commits late is not missed.
//!
//! Whoever follows them looks with [`touched_marts`] first: what was written since each mart's last good refresh, whoever looked
//! then. After that [`touched`] tells what is new since its last snapshot, and [`tidy_touched`] empties the table now and then.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::database::registry::in_schema;
use crate::database::{ErrorKind, SqlError};
use crate::state::QName;

/// More rows than this are tidied away.
const MANY: i64 = 5_000;

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Sources that were written to since the last look, by OID.
    pub sources: BTreeSet<i64>,
    /// What the next look counts from.
    pub snapshot: String,
    /// A crash or a failover emptied the table: everything may have been written to.
    pub emptied: bool,
    /// There are so many rows that [`tidy_touched`] is worth its lock.
    pub crowded: bool,
}

/// Looks which sources were written to by transactions that `since` did not see, or by any. One query; where a crash emptied the
/// table, one more.
///
/// # Errors
/// What the server says.
pub async fn touched(conn: &mut PgConnection, registry: &str, since: Option<&str>) -> Result<Touched, SqlError> {
    let sql = in_schema(include_str!("sql/touched.sql"), registry);
    let row = sqlx::query(AssertSqlSafe(sql)).bind(since).fetch_one(&mut *conn).await?;
    let emptied = !row.try_get::<bool, _>("whole")?;
    if emptied {
        let sql = "INSERT INTO {registry}.touched SELECT 0, '3' WHERE NOT EXISTS (SELECT FROM {registry}.touched WHERE source = 0)";
        sqlx::query(AssertSqlSafe(in_schema(sql, registry))).execute(conn).await?;
    }
    Ok(Touched {
        sources: row.try_get::<Vec<i64>, _>("sources")?.into_iter().collect(),
        snapshot: row.try_get("snapshot")?,
        emptied,
        crowded: row.try_get::<i64, _>("rows")? > MANY,
    })
}

/// The marts with a source that was written to since their last good refresh. `watched` are the marts that each source means, see
/// [`crate::plan::watched`].
///
/// # Errors
/// What the server says.
pub async fn touched_marts(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    watched: &BTreeMap<i64, BTreeSet<QName>>,
) -> Result<BTreeSet<QName>, SqlError> {
    let pairs = || watched.iter().flat_map(|(source, marts)| marts.iter().map(move |mart| (mart, *source)));
    let rows = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/touched_marts.sql"), registry)))
        .bind(project)
        .bind(pairs().map(|(mart, _)| mart.schema.as_str()).collect::<Vec<_>>())
        .bind(pairs().map(|(mart, _)| mart.name.as_str()).collect::<Vec<_>>())
        .bind(pairs().map(|(_, source)| source).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    let name = |row: &sqlx::postgres::PgRow| {
        Ok(QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?))
    };
    rows.iter().map(name).collect::<Result<_, sqlx::Error>>().map_err(SqlError::from)
}

/// Takes away what every triggered mart has seen. False where somebody writes to a source just now: the lock is not waited for,
/// because writers would wait behind it.
///
/// # Errors
/// What the server says.
pub async fn tidy_touched(conn: &mut PgConnection, registry: &str) -> Result<bool, SqlError> {
    let mut transaction = conn.begin().await?;
    let lock = in_schema("LOCK TABLE {registry}.touched IN ACCESS EXCLUSIVE MODE NOWAIT", registry);
    if let Err(error) = sqlx::query(AssertSqlSafe(lock)).execute(&mut *transaction).await.map_err(SqlError::from) {
        transaction.rollback().await?;
        return if error.kind == ErrorKind::Lock { Ok(false) } else { Err(error) };
    }
    let kept = in_schema(include_str!("sql/touched_kept.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(kept)).fetch_all(&mut *transaction).await?;
    let mut sources: Vec<i64> = vec![0];
    let mut transactions: Vec<String> = vec!["3".to_owned()];
    for row in rows {
        sources.push(row.try_get("source")?);
        transactions.push(row.try_get("xid")?);
    }
    let truncate = in_schema("TRUNCATE {registry}.touched", registry);
    sqlx::query(AssertSqlSafe(truncate)).execute(&mut *transaction).await?;
    let insert =
        "INSERT INTO {registry}.touched SELECT s::oid, x::xid8 FROM unnest($1::bigint[], $2::text[]) AS t (s, x)";
    sqlx::query(AssertSqlSafe(in_schema(insert, registry)))
        .bind(sources)
        .bind(transactions)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}
