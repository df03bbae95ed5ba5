//! Rows that are written into a mart find their partitions.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::names::free;
use crate::build::run::run;
use crate::build::session::{Frame, SessionState};
use crate::catalog::{Relation, Undividable, homes, matched, time_of};
use crate::database::{ErrorKind, SqlError};
use crate::plan::with;
use crate::sql::{attach, create_like, log_as_whole, near, revoke_all, tablespace};
use crate::state::{Mart, QName, quote_ident};

/// A mart that cannot be divided as its rows, or the time, ask for.
pub(super) fn undividable(error: impl Into<Undividable>) -> SqlError {
    let error = error.into();
    SqlError::new(ErrorKind::Data, error.to_string()).hinted(error.help())
}

/// Makes the partitions that the rows of `rows` need and `live` lacks, in the caller's transaction. Where there is a default,
/// that takes them.
///
/// # Errors
/// What PostgreSQL says; rows so far away that there would be too many partitions.
pub async fn make_homes(
    conn: &mut PgConnection,
    session: &mut SessionState,
    mart: &Mart,
    live: &Relation,
    rows: &QName,
    frame: &Frame,
) -> Result<(), SqlError> {
    let (Some(partition), Some(Ok(_))) = (&mart.partition, time_of(mart, &live.columns)) else { return Ok(()) };
    if live.partitions.iter().any(|attached| attached.is_default()) {
        return Ok(());
    }
    session.enter(conn, frame).await?;
    let column = quote_ident(&partition.column);
    let (first, last) = (near(&format!("min({column})")), near(&format!("max({column})")));
    let sql = format!("SELECT {first}, {last} FROM {rows} WHERE isfinite({column})");
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await?;
    let (Some(first), Some(last)) = (row.try_get(0)?, row.try_get(1)?) else { return Ok(()) };
    // Those in between, too: the others begin where these end.
    let now: DateTime<Utc> = sqlx::query("SELECT pg_catalog.now()").fetch_one(&mut *conn).await?.try_get(0)?;
    let pieces = homes(mart, live, (first, last), now);
    let pieces = pieces.map_err(undividable)?;
    let mut missing = matched(live, &pieces).missing;
    missing.retain(|piece| piece.range.is_some());
    session.leave(conn).await?;
    free(conn, &live.name, missing.iter().map(|piece| &piece.name)).await?;
    let storage = with(&live.options) + &tablespace(live.tablespace.as_ref());
    let ours = Frame { role: None, settings: Vec::new(), ..frame.clone() };
    for piece in missing {
        run(conn, session, frame, &create_like(&live.name, &piece.name, &storage)).await?;
        if mart.grants.is_some() {
            run(conn, session, frame, &revoke_all(std::slice::from_ref(&piece.name))).await?;
        }
        run(conn, session, &ours, &log_as_whole(&live.name, &piece.name)).await?;
        run(conn, session, frame, &attach(&live.name, piece, &piece.name)).await?;
    }
    session.leave(conn).await
}
