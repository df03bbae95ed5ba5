//! The partitions of a mart.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::subject::Subject;
use super::{ObserveError, human_size};
use crate::catalog::{CatalogError, Relation, expired, matched, part_sizes, time_of, wanted};
use crate::database::registry::in_schema;
use crate::state::{Mart, range_of};

/// How a mart's partitions are, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionSummary {
    /// How many there are.
    pub count: usize,
    /// How many there should be beside them.
    pub missing: usize,
    /// How many there are that nobody declared.
    pub undeclared: usize,
    /// Rows that no other partition takes, as the planner knows them; left out where there is no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_rows: Option<i64>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Its relation, quoted where needed.
    pub name: String,
    /// What it takes, as PostgreSQL prints it, times in UTC.
    pub bounds: String,
    /// Its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_count: Option<i64>,
    /// `row_count` is the planner's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Bytes, indexes included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Its rows are history: no refresh computes them again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// It takes what no other takes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// When its rows were last written as a whole; left out where nobody noted it and the server's statistics forgot it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built_at: Option<DateTime<Utc>>,
}

/// What of its partitions is there, without a query.
pub(super) fn summary(subject: &Subject<'_>, now: DateTime<Utc>) -> Option<PartitionSummary> {
    let live = subject.live.filter(|live| live.partitioned_by.is_some())?;
    let mart = stored(subject, live)?;
    let applied = subject.recorded.map(|row| row.published().map_or(&row.applied, |version| &version.applied));
    let divided = applied.and_then(|applied| applied.divided.as_ref());
    let pieces = wanted(mart, &live.columns, Some(live), None, divided, now).unwrap_or_default();
    let matched = matched(live, &pieces);
    // One that is too old was declared, and goes with the next refresh.
    let leaving: BTreeSet<i64> = expired(mart, live, now).into_iter().map(|attached| attached.oid).collect();
    let default = live.partitions.iter().find(|attached| attached.is_default());
    Some(PartitionSummary {
        count: live.partitions.len(),
        missing: matched.missing.len() + matched.blocked.len(),
        undeclared: matched.others.iter().filter(|other| !leaving.contains(&other.oid)).count(),
        default_rows: default.and_then(|default| default.rows),
    })
}

/// The mart as the relation that is looked at was made.
fn stored<'a>(subject: &Subject<'a>, live: &Relation) -> Option<&'a Mart> {
    let version = subject.recorded.and_then(|row| row.published()).filter(|version| version.mart.name == live.name);
    Some(version.map_or(subject.mart, |version| &version.mart)).filter(|mart| mart.partition.is_some())
}

/// All partitions, by what they take; two queries, of which one reads sizes and one counts rows. In the caller's transaction
/// and role.
pub(super) async fn partitions(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    (counted, built): (&HashMap<i64, i64>, &HashMap<i64, DateTime<Utc>>),
    now: DateTime<Utc>,
) -> Result<Vec<PartitionStatus>, ObserveError> {
    let sizes = part_sizes(conn, live.oid).await?;
    if live.partitions.iter().any(|attached| !sizes.contains_key(&attached.oid)) {
        return Err(CatalogError::outdated().into());
    }
    let frozen = frozen(mart, live, now);
    let mut partitions: Vec<PartitionStatus> = live
        .partitions
        .iter()
        .map(|attached| {
            let size = sizes.get(&attached.oid);
            let bytes = size.map(|size| size.bytes);
            PartitionStatus {
                name: attached.name.to_string(),
                bounds: attached.bound.clone(),
                row_count: Some(counted.get(&attached.oid).copied().unwrap_or(0)),
                estimated: false,
                size_bytes: bytes,
                size: bytes.map(human_size),
                frozen: frozen
                    .as_ref()
                    .is_some_and(|before| range_of(&attached.bound).is_some_and(|(_, until)| until <= *before)),
                default: attached.is_default(),
                built_at: built.get(&attached.oid).copied().or(size.and_then(|size| size.written_at)),
            }
        })
        .collect();
    // Bounds of times stand in order as texts; the default stands last.
    partitions.sort_by(|a, b| (a.default, &a.bounds, &a.name).cmp(&(b.default, &b.bounds, &b.name)));
    Ok(partitions)
}

/// Until when rows are history, as a value of the mart's column.
fn frozen(mart: &Mart, live: &Relation, now: DateTime<Utc>) -> Option<String> {
    let seconds = mart.refresh.incremental.as_ref()?.frozen_before?;
    let (kind, zone) = time_of(mart, &live.columns)?.ok()?;
    let age = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
    Some(kind.write(now.with_timezone(&zone).naive_local().checked_sub_signed(age)?, zone))
}

/// When partitions were built, as far as that was noted.
pub(super) async fn built(
    conn: &mut PgConnection,
    registry: Option<&str>,
    live: &Relation,
) -> Result<HashMap<i64, DateTime<Utc>>, ObserveError> {
    let Some(registry) = registry else { return Ok(HashMap::new()) };
    // A registry that is older than this has none.
    let there = "SELECT pg_catalog.to_regclass(pg_catalog.format('%I.partitions', $1)) IS NOT NULL";
    if !sqlx::query_scalar::<_, bool>(there).bind(registry).fetch_one(&mut *conn).await? {
        return Ok(HashMap::new());
    }
    let sql = in_schema(
        "SELECT relation::bigint, built_at FROM {registry}.partitions WHERE parent = $1::bigint::oid",
        registry,
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(live.oid).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Rows by partition, counted.
pub(super) async fn count(conn: &mut PgConnection, live: &Relation) -> Result<HashMap<i64, i64>, ObserveError> {
    let sql = format!("SELECT tableoid::bigint, count(*) FROM {} GROUP BY 1", live.name);
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
