//! Names beside the marts' own: who has them, and what was built under them and never published.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{PgConnection, Row};

use super::CatalogError;
use super::actual::{Actual, Left, Taken};
use super::kind::RelationKind;
use crate::state::{QName, aside_prefix, is_aside_mark};

impl Actual {
    /// The same without what applies left among the dependents of relations: it is no reader that anybody would miss.
    pub fn without_left(&self) -> Self {
        let mut cleared = self.clone();
        for relation in cleared.relations.values_mut() {
            relation.dependents.retain(|d| d.relation.as_ref().is_none_or(|name| !self.left.contains_key(name)));
        }
        cleared
    }
}

/// Who has the names of `names`.
pub(super) async fn taken(
    conn: &mut PgConnection,
    names: &BTreeSet<QName>,
) -> Result<HashMap<QName, Taken>, CatalogError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let schemas: Vec<&str> = names.iter().map(|n| n.schema.as_str()).collect();
    let names: Vec<&str> = names.iter().map(|n| n.name.as_str()).collect();
    let rows = sqlx::query(include_str!("sql/taken.sql")).bind(&schemas).bind(&names).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let of_schema: Option<String> = row.try_get("of_schema")?;
            let of_name: Option<String> = row.try_get("of_name")?;
            let taken = Taken {
                oid: row.try_get("oid")?,
                kind: RelationKind::from_relkind(row.try_get("relkind")?),
                index_of: of_schema.zip(of_name).map(|(schema, name)| QName::new(schema, name)),
                owner: row.try_get("owner")?,
                comment: row.try_get("comment")?,
            };
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            Ok((name, taken))
        })
        .collect()
}

/// What applies of `project` left.
pub(super) async fn left(conn: &mut PgConnection, project: &str) -> Result<BTreeMap<QName, Left>, CatalogError> {
    let rows = sqlx::query(include_str!("sql/left.sql")).bind(aside_prefix(project)).fetch_all(conn).await?;
    let mut names: HashMap<i64, QName> = HashMap::new();
    let mut found = Vec::new();
    for row in &rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let left = Left {
            oid: row.try_get("oid")?,
            kind: RelationKind::from_relkind(row.try_get("relkind")?),
            owner: row.try_get("owner")?,
            mark: row.try_get("mark")?,
            readers: BTreeSet::new(),
        };
        // A copy under another name is somebody's own.
        if is_aside_mark(&left.mark, &name) {
            names.insert(left.oid, name.clone());
            found.push((name, left, row.try_get::<Vec<i64>, _>("readers")?));
        }
    }
    let readers = |oids: Vec<i64>| oids.iter().filter_map(|oid| names.get(oid).cloned()).collect();
    Ok(found.into_iter().map(|(name, left, oids)| (name, Left { readers: readers(oids), ..left })).collect())
}
