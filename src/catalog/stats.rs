//! Sizes, row counts and the use of indexes: only for the commands that show them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use crate::state::QName;

/// Sizes in bytes and the planner's estimate of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelationStats {
    /// Table, TOAST and indexes.
    pub total_bytes: i64,
    /// Table and TOAST.
    pub table_bytes: i64,
    /// Indexes.
    pub index_bytes: i64,
    /// The planner's estimate.
    pub estimated_rows: i64,
    /// Sequential scans since the statistics were reset.
    pub seq_scans: i64,
    /// Index scans since the statistics were reset.
    pub index_scans: i64,
}

/// How one index is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexUse {
    /// Its name.
    pub name: String,
    /// As `pg_get_indexdef` prints it.
    pub definition: String,
    /// Unique.
    pub unique: bool,
    /// Bytes.
    pub bytes: i64,
    /// Scans since the statistics were reset.
    pub scans: i64,
    /// Entries read by them.
    pub tuples_read: i64,
}

/// Sizes and estimates by name: what stands there now, which may have taken the place of what was seen before.
pub async fn sizes(
    conn: &mut PgConnection,
    relations: impl Iterator<Item = &QName>,
) -> Result<HashMap<QName, RelationStats>, CatalogError> {
    let (schemas, names): (Vec<&str>, Vec<&str>) =
        relations.map(|relation| (relation.schema.as_str(), relation.name.as_str())).unzip();
    let rows = sqlx::query(include_str!("sql/sizes.sql")).bind(schemas).bind(names).fetch_all(conn).await?;
    let mut found = HashMap::new();
    for row in rows {
        let stats = RelationStats {
            total_bytes: row.try_get("total_bytes")?,
            table_bytes: row.try_get("table_bytes")?,
            index_bytes: row.try_get("index_bytes")?,
            estimated_rows: row.try_get("estimated_rows")?,
            seq_scans: row.try_get::<Option<i64>, _>("seq_scan")?.unwrap_or(0),
            index_scans: row.try_get::<Option<i64>, _>("idx_scan")?.unwrap_or(0),
        };
        found.insert(QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?), stats);
    }
    Ok(found)
}

/// How large a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSize {
    /// Table, TOAST and indexes.
    pub bytes: i64,
    /// When it was last written as a whole, as far as the server's statistics tell.
    pub written_at: Option<DateTime<Utc>>,
}

/// Sizes of a relation's partitions by OID.
pub async fn part_sizes(conn: &mut PgConnection, parent: i64) -> Result<HashMap<i64, PartSize>, CatalogError> {
    let rows = sqlx::query(include_str!("sql/part_sizes.sql")).bind(parent).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let size = PartSize { bytes: row.try_get("bytes")?, written_at: row.try_get("written_at")? };
            Ok((row.try_get("oid")?, size))
        })
        .collect()
}

/// The use of one relation's indexes.
pub async fn statistics(conn: &mut PgConnection, relation: &QName) -> Result<Vec<IndexUse>, CatalogError> {
    let query = sqlx::query(include_str!("sql/index_use.sql")).bind(&relation.schema).bind(&relation.name);
    let rows = query.fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(IndexUse {
                name: row.try_get("name")?,
                definition: row.try_get("definition")?,
                unique: row.try_get("unique")?,
                bytes: row.try_get("bytes")?,
                scans: row.try_get("scans")?,
                tuples_read: row.try_get("tuples_read")?,
            })
        })
        .collect()
}

/// `count(*)`, read in the caller's transaction and role.
pub async fn exact_rows(conn: &mut PgConnection, name: &QName) -> Result<i64, CatalogError> {
    let sql = format!("SELECT count(*) FROM {name}");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}
