//! Partitions are there before rows need them, and leave when they are too old.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::bound::{Do, forget, say, transaction};
use super::home::undividable;
use super::names::{free, name_of_its_own};
use crate::build::session::{Frame, SessionState};
use crate::catalog::{Divided, Missed, Relation, expired, is_frozen, matched, wanted};
use crate::database::SqlError;
use crate::plan::with;
use crate::sql::{
    attach, create_like, detach, fill_partition, forget_bound, is_row_by_row, log_as_whole, move_rows, none_of,
    retained, revoke_all, tablespace,
};
use crate::state::{Mart, OnExpire, Partition, Piece, QName, quote_idents};

/// What was done about partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkept {
    /// Partitions that were made.
    pub made: usize,
    /// Partitions that left.
    pub gone: Vec<QName>,
}

/// A mart whose partitions are looked after.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// As declared.
    pub mart: &'a Mart,
    /// As it is.
    pub live: &'a Relation,
    /// Where its partitions began and ended when it was applied.
    pub applied: Option<&'a Divided>,
    /// Partitions that somebody took away are made and filled again; else they are left to whoever does that.
    pub fills: bool,
}

/// Makes the partitions that a mart lacks now, and lets go those that are too old. What cannot go because somebody reads it
/// goes the next time. The caller holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says.
pub async fn upkeep(
    conn: &mut PgConnection,
    kept: &Kept<'_>,
    frame: &Frame,
    publish_lock_timeout_ms: u64,
) -> Result<Upkept, SqlError> {
    let Kept { mart, live, applied, fills } = *kept;
    let now: DateTime<Utc> = sqlx::query("SELECT pg_catalog.now()").fetch_one(&mut *conn).await?.try_get(0)?;
    let pieces = wanted(mart, &live.columns, Some(live), None, applied, now).map_err(undividable)?;
    let brief = Frame { settings: Vec::new(), lock_timeout_ms: publish_lock_timeout_ms, ..frame.clone() };
    let ours = Frame { role: None, ..brief.clone() };
    let mut upkept = Upkept::default();
    let mut missing = matched(live, &pieces).missing;
    let default = live.partitions.iter().find(|attached| attached.is_default());
    let missed = Missed { mart, live, applied, now };
    let emptied: BTreeSet<&QName> = missed.emptied(&missing).into_iter().map(|piece| &piece.name).collect();
    let refilled: BTreeSet<&QName> = missed.refilled(&missing).into_iter().map(|piece| &piece.name).collect();
    // Frozen rows that are gone may be attached again; a partition without them would stand in their place.
    let comes = |piece: &Piece| {
        !emptied.contains(&piece.name) || fills && (default.is_some() || !is_frozen(mart, live, piece, now))
    };
    missing.retain(|piece| comes(piece));
    if let Some(default) = default {
        forget(conn, &default.name, &brief).await;
    }
    free(conn, &live.name, missing.iter().map(|piece| &piece.name)).await?;
    // What is said of all rows together, one partition need not be.
    let mut of_rows = mart.clone();
    of_rows.checks.retain(|check| is_row_by_row(&check.form));
    for piece in missing {
        let filled = refilled.contains(&piece.name);
        let statements = add(mart, live, piece, &pieces, filled);
        let statements: Vec<(&Frame, Do<'_>)> = statements
            .into_iter()
            .flat_map(|made| match made {
                Made::Rows(sql) => vec![(frame, Do::Run(sql)), (frame, Do::Check(&of_rows, &piece.name))],
                Made::Briefly(sql) => vec![(&brief, Do::Run(sql))],
                Made::Ours(sql) => vec![(&ours, Do::Run(sql))],
            })
            .collect();
        let mut made = spare_the_scan(conn, mart, live, piece, (frame, &brief)).await;
        if made.is_ok() {
            made = transaction(conn, &statements).await;
        }
        match (made, default) {
            (Ok(()), _) => upkept.made += 1,
            (Err(error), Some(default)) => {
                forget(conn, &default.name, &brief).await;
                // A default takes the rows until somebody who reads it for long is done.
                let busy = error.is("55P03") || error.is("40P01");
                if filled || !busy {
                    return Err(error);
                }
            }
            (Err(error), None) => return Err(error),
        }
    }
    let detaches = mart.partition.as_ref().and_then(Partition::ranges).is_some_and(|r| r.on_expire == OnExpire::Detach);
    for old in expired(mart, live, now) {
        let sql = if detaches {
            detach(&live.name, &old.name, name_of_its_own(conn, &live.name, &old.name).await?.as_ref())
        } else {
            // One that somebody has detached meanwhile is theirs, and stays: detaching it fails.
            let mut sql = detach(&live.name, &old.name, None);
            sql.push(format!("DROP TABLE {}", old.name));
            sql
        };
        let sql: Vec<(&Frame, Do<'_>)> = sql.into_iter().map(|sql| (&brief, Do::Run(sql))).collect();
        match transaction(conn, &sql).await {
            Ok(()) => upkept.gone.push(old.name.clone()),
            // What somebody hangs on it keeps it for now.
            Err(error) if ["55P03", "40P01", "2BP01", "23503"].iter().any(|code| error.is(code)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(upkept)
}

/// A statement that makes a partition.
enum Made {
    /// It computes rows, as the mart's query does.
    Rows(String),
    /// It waits for locks no longer than a publication.
    Briefly(String),
    /// It does so as us, not as the mart's owner.
    Ours(String),
}

/// A partition with the rows that wait for it in the default, or, where it had rows, with those that its query gives.
fn add(mart: &Mart, live: &Relation, piece: &Piece, pieces: &[Piece], filled: bool) -> Vec<Made> {
    let storage = with(&live.options) + &tablespace(live.tablespace.as_ref());
    let mut made = vec![Made::Briefly(create_like(&live.name, &piece.name, &storage))];
    if mart.grants.is_some() {
        made.push(Made::Briefly(revoke_all(std::slice::from_ref(&piece.name))));
    }
    let default = live.partitions.iter().find(|attached| attached.is_default());
    let takes = mart.partition.as_ref().and_then(|partition| partition.takes(&live.name, piece, pieces));
    if let Some(condition) = takes {
        let columns = quote_idents(live.columns.iter().map(|column| &column.name));
        let type_of = |name: &str| Some(live.columns.iter().find(|c| c.name == name)?.type_name.clone());
        if filled {
            let query = retained(mart, &mart.query, type_of);
            made.push(Made::Rows(fill_partition(&piece.name, &columns, &query, &condition)));
        }
        made.extend(default.map(|default| match filled {
            true => Made::Briefly(format!("DELETE FROM {} WHERE {condition}", default.name)),
            false => Made::Briefly(move_rows(&default.name, &piece.name, &columns, &condition)),
        }));
    }
    made.push(Made::Ours(log_as_whole(&live.name, &piece.name)));
    made.push(Made::Briefly(attach(&live.name, piece, &piece.name)));
    made.extend(default.map(|default| Made::Briefly(forget_bound(&default.name))));
    if filled {
        made.push(Made::Briefly(format!("ANALYZE {}", piece.name)));
    }
    made
}

/// Attaching a partition reads the default, and nobody else can meanwhile. Where rows stand there and none of them belongs to the
/// new one, that is said by a constraint, which is found to hold beside readers: then nothing is read. Rows that do belong to it
/// go along, and all are read.
async fn spare_the_scan(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    piece: &Piece,
    (frame, brief): (&Frame, &Frame),
) -> Result<(), SqlError> {
    let default = live.partitions.iter().find(|attached| attached.is_default());
    let column = mart.partition.as_ref().map(|partition| &partition.column);
    let condition = column.and_then(|column| piece.own(column));
    let (Some(default), Some(condition)) = (default, condition) else { return Ok(()) };
    let name = &default.name;
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let sql = format!("SELECT EXISTS (SELECT FROM {name}) AND NOT EXISTS (SELECT FROM {name} WHERE {condition})");
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await;
    session.leave(conn).await?;
    if row?.try_get(0)? {
        say(conn, name, &none_of(&[condition]), frame, brief).await?;
    }
    Ok(())
}
