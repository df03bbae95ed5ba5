//! The registry's marts.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::actual::{Applied, Recorded};
use crate::state::{Fingerprint, Mart, QName, quote_ident};

/// The marts the registry in `schema` knows of `project`.
pub async fn recorded(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
) -> Result<BTreeMap<QName, Recorded>, CatalogError> {
    let sql = include_str!("sql/marts.sql").replace("{registry}", &quote_ident(schema));
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    let mut marts = BTreeMap::new();
    for row in rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let unreadable =
            |error: serde_json::Error| CatalogError::Registry { mart: name.to_string(), message: error.to_string() };
        let mart: Mart = serde_json::from_str(row.try_get("declared")?).map_err(unreadable)?;
        let applied: Applied = serde_json::from_str(row.try_get("applied")?).map_err(unreadable)?;
        let recorded = Recorded {
            mart,
            fingerprint: Fingerprint(row.try_get("fingerprint")?),
            status: row.try_get("status")?,
            applied,
            relation: row.try_get("relation")?,
            file: row.try_get::<Option<String>, _>("file")?.unwrap_or_default(),
            revision: row.try_get("revision")?,
            created_at: row.try_get("created_at")?,
            changed_at: row.try_get("changed_at")?,
        };
        marts.insert(name, recorded);
    }
    Ok(marts)
}
