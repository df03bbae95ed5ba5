//! Relations of marts that somebody renamed by hand: the number that the registry has of one proves which it is.

use std::collections::{BTreeMap, HashMap};

use sqlx::{PgConnection, Row};

use super::{CatalogError, Recorded, Relation};
use crate::state::QName;

/// What the relations of marts and versions are called now that are not among `found` under the name that they were applied with. Nobody
/// is asked where none is missing.
pub(super) async fn called(
    conn: &mut PgConnection,
    recorded: &BTreeMap<QName, Recorded>,
    found: &HashMap<QName, Relation>,
) -> Result<BTreeMap<QName, QName>, CatalogError> {
    let marts = recorded.iter().map(|(name, row)| (name, row.relation));
    let versions =
        recorded.values().flat_map(|row| &row.versions).map(|version| (&version.mart.name, version.relation));
    let missing = marts.chain(versions).filter(|(name, _)| !found.contains_key(*name));
    let missing: HashMap<i64, &QName> = missing.filter_map(|(name, oid)| Some((oid?, name))).collect();
    if missing.is_empty() {
        return Ok(BTreeMap::new());
    }
    let oids: Vec<i64> = missing.keys().copied().collect();
    let rows = sqlx::query(include_str!("sql/called.sql")).bind(&oids).fetch_all(conn).await?;
    let mut called = BTreeMap::new();
    for row in rows {
        let now = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        if let Some(was) = missing.get(&row.try_get::<i64, _>("oid")?) {
            called.insert((*was).clone(), now);
        }
    }
    Ok(called)
}
