//! What a change would cost: sizes, use, and how long the last refreshes took. Read only where something changes.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::actual::Actual;
use super::measured::{IndexMeasure, Measures};
use super::stats::sizes;
use crate::state::{QName, quote_ident};

/// Measures the marts with these `addresses` (quoted names) in a fixed number of queries.
///
/// # Errors
/// What the server says.
pub async fn measures(
    conn: &mut PgConnection,
    actual: &Actual,
    addresses: &BTreeSet<&str>,
    registry: Option<&str>,
    project: &str,
) -> Result<Measures, CatalogError> {
    let asked = |name: &QName| addresses.contains(name.to_string().as_str());
    let formerly = actual.renamed.iter().filter(|(new, _)| asked(new)).map(|(_, old)| old);
    let mut names: BTreeSet<&QName> = actual.relations.keys().filter(|name| asked(name)).chain(formerly).collect();
    let rows: Vec<_> = names.iter().filter_map(|name| actual.recorded.get(*name)).collect();
    let marts: Vec<&QName> = rows.iter().map(|row| &row.mart.name).collect();
    names.extend(rows.iter().map(|row| row.stored_name()));
    let by_oid: HashMap<i64, &QName> =
        names.into_iter().filter_map(|name| Some((actual.relations.get(name)?.oid, name))).collect();
    let oids: Vec<i64> = by_oid.keys().copied().collect();
    let mut found = Measures::default();
    for (name, stats) in sizes(conn, by_oid.values().copied()).await? {
        found.bytes.insert(name, stats.table_bytes);
    }
    for row in sqlx::query(include_str!("sql/indexes_use.sql")).bind(&oids).fetch_all(&mut *conn).await? {
        let Some(name) = by_oid.get(&row.try_get("relation")?) else { continue };
        let measure = IndexMeasure { bytes: row.try_get("bytes")?, scans: row.try_get("scans")? };
        found.indexes.insert(((*name).clone(), row.try_get("name")?), measure);
    }
    if let (Some(schema), false) = (registry, marts.is_empty()) {
        let sql = include_str!("sql/durations.sql").replace("{registry}", &quote_ident(schema));
        let schemas: Vec<&str> = marts.iter().map(|name| name.schema.as_str()).collect();
        let names: Vec<&str> = marts.iter().map(|name| name.name.as_str()).collect();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(&schemas).bind(&names);
        for row in query.fetch_all(&mut *conn).await? {
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            found.durations.insert(name, row.try_get("duration_ms")?);
        }
    }
    if actual.server.replicas > 0 {
        let sql = "SELECT DISTINCT COALESCE(NULLIF(application_name, ''), client_addr::text, 'pid ' || pid) FROM pg_catalog.pg_stat_replication";
        let rows = sqlx::query(sql).fetch_all(conn).await?;
        found.replicas = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    }
    Ok(found)
}
