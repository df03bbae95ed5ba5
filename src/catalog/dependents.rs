//! What depends on relations.

use std::collections::HashMap;

use sqlx::{PgConnection, Row};

use super::CatalogError;
use super::actual::{Dependent, Relation};
use crate::state::QName;

/// Reads what depends on these relations.
pub(super) async fn dependents(
    conn: &mut PgConnection,
    oids: &[i64],
    found: &mut HashMap<i64, Relation>,
) -> Result<(), CatalogError> {
    let rows = sqlx::query(include_str!("sql/dependents.sql")).bind(oids).fetch_all(conn).await?;
    for row in rows {
        let kind: String = row.try_get("kind")?;
        let schema: Option<String> = row.try_get("schema")?;
        let name: Option<String> = row.try_get("name")?;
        let relation = schema.zip(name).map(|(s, n)| QName::new(s, n));
        let name = match &relation {
            Some(relation) => relation.to_string(),
            None => row.try_get("description")?,
        };
        if let Some(of) = found.get_mut(&row.try_get::<i64, _>("oid")?) {
            of.dependents.push(Dependent { kind, name, relation });
        }
    }
    Ok(())
}
