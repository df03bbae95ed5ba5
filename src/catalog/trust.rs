//! Whose code would run where a definition is only read back.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use crate::database::SqlError;

/// What is not to be read back, as it would run functions of other roles with this role's rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Untrusted {
    /// Queries, by the relation's OID, and whose functions they would run.
    pub queries: BTreeMap<i64, String>,
    /// Indexes, by the relation's OID and the index's name, and whose functions they would run.
    pub indexes: BTreeMap<(i64, String), String>,
}

/// Which definitions of these relations would run functions of roles that are neither this one nor superusers, were they read back:
/// PostgreSQL checks constants of domains while it reads a query, and computes constants while it makes an index.
///
/// # Errors
/// What the server says.
pub async fn untrusted(conn: &mut PgConnection, relations: &[i64]) -> Result<Untrusted, SqlError> {
    let rows = sqlx::query(include_str!("sql/untrusted.sql")).bind(relations).fetch_all(conn).await?;
    let mut found = Untrusted::default();
    for row in rows {
        let (relation, owner) = (row.try_get("relation")?, row.try_get("owner")?);
        match row.try_get::<Option<String>, _>("index")? {
            Some(index) => found.indexes.insert((relation, index), owner),
            None => found.queries.insert(relation, owner),
        };
    }
    Ok(found)
}
