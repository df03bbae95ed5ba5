//! What the registry keeps of the last revision: how it went, the plan that waits, what was approved.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::ReconcileError;
use crate::database::Endpoint;
use crate::database::registry::{self, in_schema};

const RECONCILED: &str = include_str!("sql/reconciled.sql");
const APPROVED: &str = include_str!("sql/approved.sql");

/// How far a revision came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// It is not in force.
    Nothing,
    /// The database was as it says.
    Same,
    /// It was applied now.
    Now,
}

/// How a revision went.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub reached: Reached,
    /// `applied`, `pending`, `invalid`, `failed`.
    pub status: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in words.
    pub message: Option<String>,
    /// Where in which files.
    pub problems: Option<Value>,
    /// The plan that waits.
    pub plan: Option<Value>,
    /// Of the plan that waits or failed.
    pub fingerprint: Option<String>,
}

/// Makes the registry, or brings it up to date, as the first apply would.
///
/// # Errors
/// A registry that cannot be made or used.
pub(super) async fn prepare(conn: &mut PgConnection, schema: &str) -> Result<(), ReconcileError> {
    if matches!(registry::state(conn, schema).await?, registry::RegistryState::Ready(_)) {
        return Ok(());
    }
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
    let migrated = registry::migrate(conn, schema).await;
    sqlx::raw_sql(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" }).execute(conn).await?;
    migrated?;
    Ok(())
}

/// Keeps how a revision went; `true` where that is news.
///
/// # Errors
/// What the server says.
pub(super) async fn record(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
    revision: Option<&str>,
    told: &Told,
    now: DateTime<Utc>,
) -> Result<bool, ReconcileError> {
    let reached = match told.reached {
        Reached::Nothing => "none",
        Reached::Same => "same",
        Reached::Now => "now",
    };
    let news = sqlx::query(AssertSqlSafe(in_schema(RECONCILED, schema)))
        .bind(project)
        .bind(revision)
        .bind(now)
        .bind(reached)
        .bind(told.status)
        .bind(told.reason)
        .bind(&told.message)
        .bind(&told.problems)
        .bind(&told.plan)
        .bind(&told.fingerprint)
        .fetch_optional(conn)
        .await?;
    Ok(news.is_some())
}

/// The fingerprint of the plan that somebody approved.
///
/// # Errors
/// What the server says.
pub(super) async fn approved(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
) -> Result<Option<String>, ReconcileError> {
    let sql = AssertSqlSafe(in_schema(APPROVED, schema));
    let found: Option<Option<String>> = sqlx::query_scalar(sql).bind(project).fetch_optional(conn).await?;
    Ok(found.flatten())
}

/// Keeps in the registry how it went; `None` where it could not be written.
pub(super) async fn keep(
    endpoint: &Endpoint,
    (schema, project): &(String, String),
    revision: Option<&str>,
    told: &Told,
    now: DateTime<Utc>,
) -> Option<bool> {
    let kept = async {
        let mut conn = endpoint.session("reconcile").await?;
        prepare(&mut conn, schema).await?;
        let news = record(&mut conn, schema, project, revision, told, now).await?;
        conn.close().await?;
        Ok::<_, ReconcileError>(news)
    };
    match kept.await {
        Ok(news) => Some(news),
        Err(error) => {
            tracing::warn!(%error, "how the revision went could not be written");
            None
        }
    }
}
