//! The history of a registry that no apply has brought up to date yet: rows are written, nothing is counted.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ended::ended;
use super::{Item, Method, Options, Run};
use crate::database::SqlError;
use crate::database::registry::in_schema;

/// Whether an error means that the registry is such a one, or that this role may not count.
pub(super) fn is(error: &SqlError) -> bool {
    ["42P01", "42703", "42501"].iter().any(|code| error.is(code))
}

pub(super) async fn begin(
    conn: &mut PgConnection,
    options: &Options,
    item: &Item,
    method: Method,
    run: &Run,
    host: &str,
) -> Result<i64, SqlError> {
    let abandon = in_schema(include_str!("sql/before_totals/abandon.sql"), &options.registry);
    sqlx::query(AssertSqlSafe(abandon))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/before_totals/begin.sql"), &options.registry)))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(method.as_str())
        .bind(&run.reason)
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(host)
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

pub(super) async fn finish(conn: &mut PgConnection, options: &Options, run: &Run) -> Result<(), SqlError> {
    // A mart has checks only where an apply brought the registry up to date for them.
    if !run.checks.is_empty() {
        sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/before_totals/checks.sql"), &options.registry)))
            .bind(run.run)
            .bind(serde_json::to_value(&run.checks).ok())
            .execute(&mut *conn)
            .await?;
    }
    let statement =
        sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/before_totals/finish.sql"), &options.registry)));
    ended(statement, run).execute(conn).await?;
    Ok(())
}

pub(super) async fn not_begun(
    conn: &mut PgConnection,
    options: &Options,
    item: &Item,
    run: &Run,
    host: &str,
) -> Result<i64, SqlError> {
    let row = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/before_totals/not_begun.sql"), &options.registry)))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(&run.reason)
        .bind(run.status.as_str())
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(host)
        .bind(run.error.as_ref().and_then(|e| serde_json::to_value(e).ok()))
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}
