//! From when on the rows of a partitioned mart are computed.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::part::type_of;
use crate::build::{Cut, Frame, SessionState};
use crate::catalog::{Relation, frozen_until, time_of};
use crate::database::SqlError;
use crate::state::{Mart, Partition, quote_literal};

/// From when on rows are computed: from the beginning of the partition of `start`, and never what is history.
pub(super) async fn cut(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    start: Option<&str>,
    frame: &Frame,
) -> Result<Option<Cut>, SqlError> {
    let frozen = mart.refresh.incremental.as_ref().and_then(|incremental| incremental.frozen_before);
    let ranges = mart.partition.as_ref().and_then(Partition::ranges);
    let (Some(ranges), Some(Ok((kind, zone)))) = (ranges, time_of(mart, &live.columns)) else { return Ok(None) };
    if start.is_none() && frozen.is_none() {
        return Ok(None);
    }
    let column = mart.partition.as_ref().and_then(|partition| type_of(live, &partition.column)).unwrap_or_default();
    let start = match start {
        None => "NULL::timestamp".to_owned(),
        Some(start) => format!("{}::{column}::timestamp", quote_literal(start)),
    };
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let row = sqlx::query(AssertSqlSafe(format!("SELECT pg_catalog.now(), {start}"))).persistent(false);
    let row = row.fetch_one(&mut *conn).await;
    session.leave(conn).await?;
    let row = row?;
    let now: DateTime<Utc> = row.try_get(0)?;
    let start: Option<NaiveDateTime> = row.try_get(1)?;
    let history = frozen_until(mart, &live.columns, now);
    // Without a `cut` everything is computed, what has no time among it.
    let at = [start.map(|start| ranges.interval.floor(start)), history].into_iter().flatten().max();
    Ok(at.map(|at| {
        let value = kind.write(at, zone);
        let at = kind.read(&value, zone).unwrap_or(at);
        Cut { at, value, keeps_timeless: start.is_some() }
    }))
}
