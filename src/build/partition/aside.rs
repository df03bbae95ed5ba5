//! The next rows of a partitioned mart, or of some of its partitions, divided as it is.

use sqlx::PgConnection;

use super::beside::{self, Others};
use super::filling::{Filling, begin};
use super::next::{NextParts, Which};
use crate::build::check::{CheckResult, check_all, failure};
use crate::build::copy::{Needed, close, remove_leftovers};
use crate::build::session::{Frame, SessionState};
use crate::catalog::Relation;
use crate::database::{ErrorKind, SqlError};
use crate::state::{Mart, next_name};

/// Fills `<mart>__next`, divided as `live` is, from the mart's query, runs the mart's checks on it in the same snapshot, and
/// commits. There are only the partitions `which` speaks of. With `others` partitions are filled side by side where that pays. The
/// caller holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says, or a check that does not pass; nothing is left behind then.
pub async fn build_parts(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    (which, others): (&Which, Option<&Others<'_>>),
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<NextParts, SqlError> {
    remove_leftovers(conn, &mart.name, Needed::Yes, frame).await?;
    if let Some(others) = others
        && let Some(next) = beside::fill(conn, &filling(mart, live, which)?, others, frame, checks).await?
    {
        return Ok(next);
    }
    begin(conn, &which.reads, frame).await?;
    let outcome = fill_parts(conn, mart, live, which, frame, checks).await;
    close(conn, outcome).await
}

/// The same in a transaction that the caller began, and ends; nothing is left of builds before it.
///
/// # Errors
/// What PostgreSQL says, or a check that does not pass.
pub async fn fill_parts(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    which: &Which,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<NextParts, SqlError> {
    let filling = filling(mart, live, which)?;
    let mut session = SessionState::in_transaction();
    let next = filling.fill(conn, &mut session, frame).await?;
    check_all(conn, &mut session, frame, mart, &filling.name, checks).await?;
    match failure(checks) {
        Some(error) => Err(error),
        None => Ok(next),
    }
}

fn filling<'a>(mart: &'a Mart, live: &'a Relation, which: &'a Which) -> Result<Filling<'a>, SqlError> {
    let Some(partition) = &mart.partition else {
        return Err(SqlError::new(ErrorKind::Internal, format!("{} is not divided", mart.name)));
    };
    Ok(Filling { mart, live, partition, which, name: mart.name.sibling(next_name(&mart.name.name)) })
}
