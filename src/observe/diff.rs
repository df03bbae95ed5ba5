//! Two versions of a mart, row by row.

use sqlx::PgConnection;

use super::stats::may_become_owner;
use super::{Looked, ObserveError};
use crate::build::{self, Comparison, Frame};
use crate::catalog::{Recorded, RecordedVersion, Relation};

/// Compares the rows of two versions as the mart's owner, with its settings, by the key of the newer one; at most `samples`
/// rows of each kind come back.
///
/// # Errors
/// [`ObserveError::Absent`] where a version's relation is gone; what the server says.
pub async fn diff(
    conn: &mut PgConnection,
    looked: &Looked<'_>,
    row: &Recorded,
    (a, b): (&RecordedVersion, &RecordedVersion),
    samples: usize,
    (lock_timeout_ms, statement_timeout_ms): (u64, u64),
) -> Result<Comparison, ObserveError> {
    let live = |version: &RecordedVersion| {
        let name = &version.mart.name;
        looked.actual.relations.get(name).ok_or_else(|| ObserveError::Absent { name: name.to_string() })
    };
    let (of_a, of_b) = (live(a)?, live(b)?);
    let newer = if a.number > b.number { of_a } else { of_b };
    let role = may_become_owner(conn, looked, newer).await?.then(|| newer.owner.clone());
    let timeout = row.mart.refresh.timeout.map(|seconds| seconds.saturating_mul(1_000));
    let frame = Frame {
        role,
        settings: b.mart.settings(),
        lock_timeout_ms,
        statement_timeout_ms: timeout.unwrap_or(statement_timeout_ms),
    };
    let key = key(newer);
    Ok(build::compare(conn, &of_a.name, &of_b.name, key.as_deref(), &frame, samples).await?)
}

/// What tells the rows of a version apart: its primary key, or a unique index on plain columns.
fn key(relation: &Relation) -> Option<Vec<String>> {
    let primary = relation.primary_key().map(|(_, index)| index);
    primary.or_else(|| relation.concurrent_index()).map(|index| index.keys.clone())
}
