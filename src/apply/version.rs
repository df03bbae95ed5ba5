//! The registry's rows of versions.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::catalog::Held;
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::{Mart, QName};

/// A version, as it is written.
pub(super) struct VersionRow<'a> {
    pub of: &'a QName,
    pub number: u32,
    pub declared: &'a Mart,
    /// As JSON.
    pub applied: String,
    pub oid: Option<i64>,
    pub revision: Option<&'a str>,
}

/// Writes a version's row.
pub(super) async fn write(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    row: &VersionRow<'_>,
) -> Result<(), SqlError> {
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/version.sql"), registry)))
        .bind(project)
        .bind(&row.of.schema)
        .bind(&row.of.name)
        .bind(i32::try_from(row.number).unwrap_or(i32::MAX))
        .bind(row.declared.name.to_string())
        .bind(row.declared.fingerprint().0)
        .bind(serde_json::to_string(row.declared).unwrap_or_default())
        .bind(&row.applied)
        .bind(row.oid)
        .bind(row.revision)
        .execute(conn)
        .await?;
    Ok(())
}

/// Says which version of a mart is published, and which rollback decides that.
pub(super) async fn publish(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    mart: &QName,
    number: u32,
    held: Option<&Held>,
) -> Result<(), SqlError> {
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/publish.sql"), registry)))
        .bind(project)
        .bind(&mart.schema)
        .bind(&mart.name)
        .bind(i32::try_from(number).unwrap_or(i32::MAX))
        .bind(held.and_then(|held| serde_json::to_string(held).ok()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Says of a mart's row whether it is behind, by one of our statements.
pub(super) async fn mark(
    conn: &mut PgConnection,
    sql: &str,
    registry: &str,
    project: &str,
    mart: &QName,
) -> Result<(), SqlError> {
    let query = sqlx::query(AssertSqlSafe(in_schema(sql, registry)));
    query.bind(project).bind(&mart.schema).bind(&mart.name).execute(conn).await?;
    Ok(())
}

/// Forgets a version that is gone.
pub(super) async fn forget(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    mart: &QName,
    number: u32,
) -> Result<(), SqlError> {
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/forget_version.sql"), registry)))
        .bind(project)
        .bind(&mart.schema)
        .bind(&mart.name)
        .bind(i32::try_from(number).unwrap_or(i32::MAX))
        .execute(conn)
        .await?;
    Ok(())
}
