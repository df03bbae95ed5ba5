//! The checks of a mart, on what is published.

use sqlx::PgConnection;

use super::stats::may_become_owner;
use super::{Looked, ObserveError};
use crate::build::{self, CheckResult, Frame, SessionState};
use crate::state::Mart;

/// Runs a mart's checks as its owner, with its settings, in the caller's read-only transaction.
///
/// # Errors
/// [`ObserveError::Absent`] where nothing is applied; a connection that is lost. What a check says is in its result.
pub async fn check(
    conn: &mut PgConnection,
    looked: &Looked<'_>,
    mart: &Mart,
    (lock_timeout_ms, statement_timeout_ms): (u64, u64),
) -> Result<Vec<CheckResult>, ObserveError> {
    let relation = looked.actual.relations.get(&mart.name).filter(|_| looked.actual.recorded.contains_key(&mart.name));
    let relation = relation.ok_or_else(|| ObserveError::Absent { name: mart.name.to_string() })?;
    let role = may_become_owner(conn, looked, relation).await?.then(|| relation.owner.clone());
    let timeout = mart.refresh.timeout.map(|seconds| seconds.saturating_mul(1_000));
    let frame = Frame {
        role,
        settings: mart.settings(),
        lock_timeout_ms,
        statement_timeout_ms: timeout.unwrap_or(statement_timeout_ms),
    };
    let mut session = SessionState::in_transaction();
    let mut results = Vec::with_capacity(mart.checks.len());
    build::check_all(conn, &mut session, &frame, mart, &relation.name, &mut results).await?;
    session.leave(conn).await?;
    Ok(results)
}
