//! What a database has that no manifest need know of: every relation, the jobs that refresh them, its time zone.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::kind::RelationKind;
use crate::sql::parse_qualified_name;
use crate::state::{QName, quote_ident};

/// A user's own relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its name.
    pub name: QName,
    /// What it is.
    pub kind: RelationKind,
    /// Of a partitioned table, how many partitions it has; they are not listed themselves.
    pub partitions: i64,
    /// A view that TimescaleDB made for a continuous aggregate.
    pub continuous: bool,
}

/// A job of pg_cron.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronJob {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: Option<String>,
    /// When it runs, as pg_cron writes it.
    pub schedule: String,
    /// The SQL it runs.
    pub command: String,
    /// Whether it runs at all.
    pub active: bool,
    /// The time zone its schedule means.
    pub zone: String,
}

/// Every relation that is a user's own, by schema and name. The system's, ours, temporary ones, partitions and members of extensions are
/// left out.
///
/// # Errors
/// What the server says.
pub async fn existing(conn: &mut PgConnection) -> Result<Vec<Existing>, CatalogError> {
    let rows = sqlx::query(include_str!("sql/existing.sql")).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(Existing {
                name: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?),
                kind: RelationKind::from_relkind(row.try_get("relkind")?),
                partitions: row.try_get("partitions")?,
                continuous: row.try_get("continuous")?,
            })
        })
        .collect()
}

/// What a relation is to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Whose mart it belongs to.
    pub project: String,
    /// That mart.
    pub mart: QName,
    /// It belongs to a versioned mart: as its view, or as a version.
    pub versioned: bool,
}

/// The relations of all marts that the registry in `schema` knows, whatever project they are of.
///
/// # Errors
/// What the server says.
pub async fn registered(conn: &mut PgConnection, schema: &str) -> Result<BTreeMap<QName, Registered>, CatalogError> {
    let sql = include_str!("sql/registered.sql").replace("{registry}", &quote_ident(schema));
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let mart = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            let relation = row.try_get::<Option<String>, _>("relation")?;
            let name = match relation.as_deref().and_then(parse_qualified_name).as_deref() {
                Some([schema, name]) => QName::new(schema.as_str(), name.as_str()),
                _ => mart.clone(),
            };
            Ok((name, Registered { project: row.try_get("project")?, mart, versioned: row.try_get("versioned")? }))
        })
        .collect()
}

/// The jobs of pg_cron in this database that this role may see; none where there is no pg_cron.
/// <https://github.com/citusdata/pg_cron>
///
/// # Errors
/// What the server says.
pub async fn cron_jobs(conn: &mut PgConnection) -> Result<Vec<CronJob>, CatalogError> {
    let readable = "SELECT COALESCE((SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') \
                    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                    WHERE n.nspname = 'cron' AND c.relname = 'job' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')), false)";
    if !sqlx::query(readable).fetch_one(&mut *conn).await?.try_get::<bool, _>(0)? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(include_str!("sql/cron_jobs.sql")).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(CronJob {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                schedule: row.try_get("schedule")?,
                command: row.try_get("command")?,
                active: row.try_get("active")?,
                zone: row.try_get("zone")?,
            })
        })
        .collect()
}

/// The time zone of a database's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone {
    /// Its name.
    pub name: String,
    /// `false`: this role may not read the server's configuration, and it is that of the server's log, which is mostly the same.
    pub certain: bool,
}

/// The time zone that sessions of this database have unless they say another. A driver may say one at the start, which hides the
/// server's own from `SHOW`.
///
/// # Errors
/// What the server says.
pub async fn time_zone(conn: &mut PgConnection) -> Result<TimeZone, CatalogError> {
    let certain = |name: String| TimeZone { name, certain: true };
    let row = sqlx::query(include_str!("sql/time_zone.sql")).fetch_one(&mut *conn).await?;
    if let Some(zone) = row.try_get::<Option<String>, _>("own")? {
        return Ok(certain(zone));
    }
    if row.try_get::<bool, _>("readable")? {
        let rows = sqlx::query(include_str!("sql/server_time_zone.sql")).fetch_all(conn).await?;
        return match rows.first() {
            Some(row) => Ok(certain(row.try_get("zone")?)),
            None => Ok(certain("UTC".to_owned())),
        };
    }
    Ok(TimeZone { name: row.try_get("log")?, certain: false })
}
