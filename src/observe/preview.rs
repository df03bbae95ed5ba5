//! Some rows of a mart.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::stats::{become_owner, become_role, count};
use super::{Looked, ObserveError};
use crate::state::{QName, quote_ident};

/// A column of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewColumn {
    /// Its name.
    pub name: String,
    /// Its type, as PostgreSQL prints it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// Some rows, in the two forms they are shown in.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The columns, in order.
    pub columns: Vec<PreviewColumn>,
    /// The rows, by column, as the server writes them: no digit and no depth is lost on the way.
    pub rows: Vec<Box<RawValue>>,
    /// How many.
    pub preview_count: usize,
    /// How many there are in all.
    pub total_rows: i64,
    /// The rows as PostgreSQL prints them; `None` is NULL.
    #[serde(skip)]
    pub texts: Vec<Vec<Option<String>>>,
}

/// Reads at most `limit` rows and counts all of them, as `reader` or else the mart's owner, in the caller's read-only transaction.
///
/// # Errors
/// [`ObserveError::Absent`] where nothing is applied; what the server says.
pub async fn preview(
    conn: &mut PgConnection,
    looked: &Looked<'_>,
    name: &QName,
    limit: u32,
    reader: Option<&str>,
) -> Result<Preview, ObserveError> {
    let relation = looked.actual.relations.get(name).filter(|_| looked.actual.recorded.contains_key(name));
    let relation = relation.ok_or_else(|| ObserveError::Absent { name: name.to_string() })?;
    match reader {
        Some(role) => become_role(conn, role).await?,
        None => become_owner(conn, looked, relation).await?,
    }
    let total_rows = count(conn, name).await?;
    let texts: Vec<String> = relation.columns.iter().map(|c| format!("t.{}::text", quote_ident(&c.name))).collect();
    let sql = format!(
        "SELECT row_to_json(t.*)::text, ARRAY[{}]::text[] FROM (SELECT * FROM {name} LIMIT {limit}) AS t",
        texts.join(", ")
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await?;
    let mut preview = Preview {
        columns: relation
            .columns
            .iter()
            .map(|column| PreviewColumn { name: column.name.clone(), type_name: column.type_name.clone() })
            .collect(),
        rows: Vec::with_capacity(rows.len()),
        preview_count: rows.len(),
        total_rows,
        texts: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        let json: String = row.try_get(0)?;
        preview.rows.push(RawValue::from_string(json).map_err(|error| sqlx::Error::Decode(error.into()))?);
        preview.texts.push(row.try_get(1)?);
    }
    Ok(preview)
}
