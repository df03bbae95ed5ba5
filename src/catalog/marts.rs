//! The registry's marts.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::recorded::{Applied, Recorded, RecordedVersion};
use crate::state::{Fingerprint, Mart, QName, quote_ident};

/// The marts the registry in `schema` knows of `project`.
pub async fn recorded(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
) -> Result<BTreeMap<QName, Recorded>, CatalogError> {
    let sql = include_str!("sql/marts.sql").replace("{registry}", &quote_ident(schema));
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(&mut *conn).await?;
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
            versions: Vec::new(),
            held: row.try_get::<Option<String>, _>("held")?.and_then(|held| serde_json::from_str(&held).ok()),
            part: None,
        };
        marts.insert(name, recorded);
    }
    versions(conn, schema, project, &mut marts).await?;
    Ok(marts)
}

/// Adds their versions to the marts.
async fn versions(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
    marts: &mut BTreeMap<QName, Recorded>,
) -> Result<(), CatalogError> {
    if marts.values().all(|recorded| recorded.mart.versions.is_none()) {
        return Ok(());
    }
    let sql = include_str!("sql/versions.sql").replace("{registry}", &quote_ident(schema));
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    for row in rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let Some(recorded) = marts.get_mut(&name) else { continue };
        let unreadable =
            |error: serde_json::Error| CatalogError::Registry { mart: name.to_string(), message: error.to_string() };
        let (Some(declared), Some(applied)) =
            (row.try_get::<Option<&str>, _>("declared")?, row.try_get::<Option<&str>, _>("applied")?)
        else {
            continue;
        };
        recorded.versions.push(RecordedVersion {
            number: u32::try_from(row.try_get::<i32, _>("version")?).unwrap_or_default(),
            mart: serde_json::from_str(declared).map_err(unreadable)?,
            applied: serde_json::from_str(applied).map_err(unreadable)?,
            published: row.try_get("published")?,
            relation: row.try_get("relation")?,
            revision: row.try_get("revision")?,
            created_at: row.try_get("created_at")?,
        });
    }
    for recorded in marts.values_mut() {
        if let Some(reads) = recorded.published().map(|version| version.applied.reads.clone()) {
            recorded.applied.reads.extend(reads);
        }
    }
    Ok(())
}
