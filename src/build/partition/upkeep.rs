//! Partitions are there before rows need them, and leave when they are too old.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::exchange::BOUND;
use crate::build::copy::close;
use crate::build::run::{Tries, run};
use crate::build::session::{Frame, SessionState};
use crate::catalog::{Relation, expired, matched, wanted};
use crate::database::{ErrorKind, SqlError};
use crate::plan::with;
use crate::sql::{attach, create_like, move_rows, tablespace};
use crate::state::{Mart, OnExpire, Partition, Piece, quote_ident, quote_idents};

/// What was done about partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkept {
    /// Partitions that were made.
    pub made: usize,
    /// Partitions that left.
    pub gone: usize,
}

/// Makes the partitions that `live` lacks now, and lets go those that are too old. What cannot go because somebody reads it
/// goes the next time. The caller holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says.
pub async fn upkeep(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    frame: &Frame,
    publish_lock_timeout_ms: u64,
) -> Result<Upkept, SqlError> {
    let now = sqlx::query("SELECT pg_catalog.now()").fetch_one(&mut *conn).await?.try_get(0)?;
    let pieces = wanted(mart, &live.columns, Some(live), None, now)
        .map_err(|error| SqlError::new(ErrorKind::Data, error.to_string()))?;
    let brief = Frame { settings: Vec::new(), lock_timeout_ms: publish_lock_timeout_ms, ..frame.clone() };
    let mut upkept = Upkept::default();
    for piece in matched(live, &pieces).missing {
        spare_the_scan(conn, mart, live, piece, frame).await?;
        transaction(conn, &brief, &add(mart, live, piece)).await?;
        upkept.made += 1;
    }
    let detach = mart.partition.as_ref().and_then(Partition::ranges).is_some_and(|r| r.on_expire == OnExpire::Detach);
    for old in expired(mart, live, now) {
        let sql = match detach {
            true => vec![format!("ALTER TABLE {} DETACH PARTITION {}", live.name, old.name)],
            // One that somebody has detached meanwhile is theirs, and stays: detaching it fails.
            false => vec![
                format!("ALTER TABLE {} DETACH PARTITION {}", live.name, old.name),
                format!("DROP TABLE {}", old.name),
            ],
        };
        match transaction(conn, &brief, &sql).await {
            Ok(()) => upkept.gone += 1,
            // What somebody hangs on it keeps it for now.
            Err(error) if ["55P03", "40P01", "2BP01", "23503"].iter().any(|code| error.is(code)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(upkept)
}

/// A partition with the rows that wait for it in the default.
fn add(mart: &Mart, live: &Relation, piece: &Piece) -> Vec<String> {
    let storage = with(&live.options) + &tablespace(live.tablespace.as_ref());
    let mut sql = vec![create_like(&live.name, &piece.name, &storage)];
    let default = live.partitions.iter().find(|attached| attached.is_default());
    let condition = mart.partition.as_ref().and_then(|partition| piece.condition(&partition.column));
    if let (Some(default), Some(condition)) = (default, condition) {
        let columns = quote_idents(live.columns.iter().map(|column| &column.name));
        sql.push(move_rows(&default.name, &piece.name, &columns, &condition));
    }
    sql.push(attach(&live.name, piece, &piece.name));
    sql.extend(default.map(|default| format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {BOUND}", default.name)));
    sql
}

/// Attaching a partition reads the default, and nobody else can meanwhile. Where rows stand there and none of them belongs to the
/// new one, that is said by a constraint, which is found to hold beside readers: then nothing is read. Rows that do belong to it
/// go along, and all are read.
async fn spare_the_scan(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    piece: &Piece,
    frame: &Frame,
) -> Result<(), SqlError> {
    let default = live.partitions.iter().find(|attached| attached.is_default());
    let column = mart.partition.as_ref().map(|partition| &partition.column);
    let condition = column.and_then(|column| piece.condition(column));
    let (Some(default), Some(column), Some(condition)) = (default, column, condition) else { return Ok(()) };
    let (name, column) = (&default.name, quote_ident(column));
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let sql = format!("SELECT EXISTS (SELECT FROM {name}) AND NOT EXISTS (SELECT FROM {name} WHERE {condition})");
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await;
    let mut outcome = match row {
        Ok(row) => row.try_get(0).map_err(SqlError::from),
        Err(error) => Err(error.into()),
    };
    if let Ok(true) = outcome {
        for sql in [
            format!("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {BOUND}"),
            format!(
                "ALTER TABLE {name} ADD CONSTRAINT {BOUND} CHECK (NOT ({column} IS NOT NULL AND {condition})) NOT VALID"
            ),
            format!("ALTER TABLE {name} VALIDATE CONSTRAINT {BOUND}"),
        ] {
            if let Err(error) = run(conn, &mut session, frame, &sql).await {
                outcome = Err(error);
                break;
            }
        }
    }
    session.leave(conn).await?;
    outcome.map(|_: bool| ())
}

/// Statements in one transaction, begun again where a lock is not to be had.
async fn transaction(conn: &mut PgConnection, frame: &Frame, statements: &[String]) -> Result<(), SqlError> {
    let mut tries = Tries::default();
    loop {
        let mut session = SessionState::in_transaction();
        sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
        let outcome = async {
            for sql in statements {
                run(conn, &mut session, frame, sql).await?;
            }
            session.leave(conn).await
        }
        .await;
        match close(conn, outcome).await {
            Err(error) if tries.again(&error).await => {}
            done => return done,
        }
    }
}
