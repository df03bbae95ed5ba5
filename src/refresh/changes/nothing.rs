//! What is told of a refresh that had nothing to do.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::keeping::counted;
use crate::build::position::{Look, Watched};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::refresh::decision::Decision;
use crate::refresh::outcome::Outcome;
use crate::refresh::{Item, Method, RunStatus};

/// Nothing was written: the figures are those of the run before. The transaction is open.
///
/// # Errors
/// What the server says.
pub(in crate::refresh) async fn nothing(
    conn: &mut PgConnection,
    (item, live): (&Item, &Relation),
    (watched, look): (&Watched<'_>, &Look),
    method: Option<Method>,
    (reason, decision): (&str, Decision),
) -> Result<Box<Outcome>, SqlError> {
    let sql = in_schema(include_str!("../sql/figures_again.sql"), watched.registry);
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(watched.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(live.name.to_string())
        .fetch_one(conn)
        .await?;
    Ok(Box::new(Outcome {
        method,
        reason: Some(reason.to_owned()),
        status: Some(RunStatus::Noop),
        inserted: Some(0),
        updated: Some(0),
        deleted: Some(0),
        row_count: counted(item, &look.standing),
        newest: row.try_get("newest")?,
        size_bytes: row.try_get("bytes")?,
        snapshot: Some(look.now.snapshot.clone()),
        own: look.own,
        decision: Some(decision),
        open: true,
        ..Outcome::default()
    }))
}
