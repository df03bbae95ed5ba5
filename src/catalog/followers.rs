//! What depends on marts and is none: views and materialized views of others, which follow a mart that is exchanged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::actual::{Follower, Relation};
use super::existing::time_zone;
use crate::state::{Mart, QName, quote_ident};

/// The views and materialized views that depend on `relations`, directly or through each other, and are none of `managed`.
/// Asks nothing where there are none.
pub(super) async fn followers(
    conn: &mut PgConnection,
    managed: &BTreeSet<QName>,
    relations: &HashMap<QName, Relation>,
) -> Result<BTreeMap<QName, Follower>, CatalogError> {
    let dependents = relations.values().flat_map(|relation| &relation.dependents);
    let views = dependents.filter(|dependent| matches!(dependent.kind.as_str(), "view" | "materialized view"));
    let direct: BTreeSet<&QName> =
        views.filter_map(|view| view.relation.as_ref()).filter(|name| !managed.contains(name)).collect();
    let mut found = BTreeMap::new();
    if direct.is_empty() {
        return Ok(found);
    }
    let schemas: Vec<&str> = direct.iter().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = direct.iter().map(|name| name.name.as_str()).collect();
    let sql = include_str!("sql/followers.sql");
    let rows = sqlx::query(sql).bind(&schemas).bind(&names).fetch_all(&mut *conn).await?;
    let timezone = time_zone(conn).await?.name;
    for row in rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        if !managed.contains(&name) {
            let follower = Follower {
                is_read: relations.contains_key(&name),
                assumable: row.try_get("assumable")?,
                lacks: row.try_get("lacks")?,
                timezone: timezone.clone(),
                declared: None,
            };
            found.insert(name, follower);
        }
    }
    Ok(found)
}

/// Which of them other projects declare, in the registry in `schema`.
pub(super) async fn declared(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
    followers: &mut BTreeMap<QName, Follower>,
) -> Result<(), CatalogError> {
    let names = followers.keys().collect();
    let rows = rows_of_others(conn, schema, project, &names).await?;
    for row in rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let mart: Mart = serde_json::from_str(row.try_get("declared")?)
            .map_err(|error| CatalogError::Registry { mart: name.to_string(), message: error.to_string() })?;
        if let Some(follower) = followers.get_mut(&name) {
            follower.declared = Some((row.try_get("project")?, Box::new(mart)));
        }
    }
    Ok(())
}

/// Which of these relations are marts of other projects, in the registry in `schema`.
pub(super) async fn of_others(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
    names: &BTreeSet<&QName>,
) -> Result<BTreeMap<QName, String>, CatalogError> {
    let rows = rows_of_others(conn, schema, project, names).await?;
    let of = |row: &PgRow| {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        Ok((name, row.try_get("project")?))
    };
    rows.iter().map(of).collect()
}

/// The marts of other projects that read these relations, each with its project, in the registry in `schema`.
pub(super) async fn readers_of_others(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
    names: &BTreeSet<&QName>,
) -> Result<BTreeMap<QName, Vec<(QName, String)>>, CatalogError> {
    let mut readers: BTreeMap<QName, Vec<(QName, String)>> = BTreeMap::new();
    for row in asked(conn, include_str!("sql/read_elsewhere.sql"), schema, project, names).await? {
        let read = QName::new(row.try_get::<String, _>("read_schema")?, row.try_get::<String, _>("read_name")?);
        let reader = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        readers.entry(read).or_default().push((reader, row.try_get("project")?));
    }
    Ok(readers)
}

async fn rows_of_others(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
    names: &BTreeSet<&QName>,
) -> Result<Vec<PgRow>, CatalogError> {
    asked(conn, include_str!("sql/others_declared.sql"), schema, project, names).await
}

async fn asked(
    conn: &mut PgConnection,
    sql: &str,
    schema: &str,
    project: &str,
    names: &BTreeSet<&QName>,
) -> Result<Vec<PgRow>, CatalogError> {
    let sql = sql.replace("{registry}", &quote_ident(schema));
    let schemas: Vec<&str> = names.iter().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
    Ok(sqlx::query(AssertSqlSafe(sql)).bind(project).bind(&schemas).bind(&names).fetch_all(conn).await?)
}
