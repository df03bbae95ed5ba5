//! How a run ended, as the statements that close its row take it.

use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::{Method, Run};

/// Gives a statement its first parameters, `$1` to `$14`: the run and how it ended.
pub(super) fn ended<'q>(statement: Query<'q, Postgres, PgArguments>, run: &'q Run) -> Query<'q, Postgres, PgArguments> {
    statement
        .bind(run.run)
        .bind(run.status.as_str())
        .bind(run.method.map(Method::as_str))
        .bind(&run.reason)
        .bind(run.finished_at)
        .bind(run.duration_ms)
        .bind(run.rows_inserted)
        .bind(run.rows_updated)
        .bind(run.rows_deleted)
        .bind(run.row_count)
        .bind(run.size_bytes)
        .bind(&run.newest)
        .bind(&run.snapshot)
        .bind(run.error.as_ref().and_then(|e| serde_json::to_value(e).ok()))
}
