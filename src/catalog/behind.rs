//! What stands behind views that are nobody's marts.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use super::CatalogError;
use crate::database::SqlError;
use crate::state::QName;

/// What plain views of these names read, directly and through other views. What is no view reads nothing.
///
/// # Errors
/// What the server says.
pub async fn behind(
    conn: &mut PgConnection,
    names: &BTreeSet<QName>,
) -> Result<BTreeMap<QName, BTreeSet<QName>>, CatalogError> {
    let (schemas, relations): (Vec<_>, Vec<_>) =
        names.iter().map(|name| (name.schema.as_str(), name.name.as_str())).unzip();
    let rows = sqlx::query(include_str!("sql/behind.sql")).bind(schemas).bind(relations).fetch_all(conn).await;
    let mut found: BTreeMap<QName, BTreeSet<QName>> = BTreeMap::new();
    for row in rows.map_err(SqlError::from)? {
        let read = |schema, name| {
            let text = |key| row.try_get::<String, _>(key).map_err(SqlError::from);
            Ok::<_, SqlError>(QName::new(text(schema)?, text(name)?))
        };
        found.entry(read("view_schema", "view")?).or_default().insert(read("schema", "name")?);
    }
    Ok(found)
}
