//! Positions of several marts that are noted in one transaction, in which triggers may write what the first of them read.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Watched, segments};
use crate::database::SqlError;
use crate::database::registry::in_schema;

/// Looks whether the transaction, which is about to be committed, logged more of what marts read than their looks had seen of it;
/// these look at all of it again next time. With each mart, what its [`super::Look`] says is the transaction's own.
///
/// # Errors
/// What the server says.
pub async fn confirm<'a>(
    conn: &mut PgConnection,
    marts: impl IntoIterator<Item = (Watched<'a>, i64)>,
) -> Result<(), SqlError> {
    let marts: Vec<(Watched<'_>, i64)> = marts.into_iter().collect();
    let Some((first, _)) = marts.first() else { return Ok(()) };
    let rows: Vec<(&Watched<'_>, i64, String)> = marts
        .iter()
        .flat_map(|(watched, own)| segments(watched).into_iter().map(move |segment| (watched, *own, segment)))
        .collect();
    let sql = in_schema(include_str!("../sql/confirm_positions.sql"), first.registry);
    sqlx::query(AssertSqlSafe(sql))
        .bind(first.project)
        .bind(rows.iter().map(|(watched, ..)| watched.name.schema.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(watched, ..)| watched.name.name.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, own, _)| *own).collect::<Vec<_>>())
        .bind(rows.iter().map(|(.., segment)| segment.as_str()).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}
