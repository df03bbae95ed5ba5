//! One mart, looked at closely.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::mart::IndexStatus;
use super::{Looked, MartStatus, ObserveError, ages, human_size, partitions};
use crate::catalog::{self, CatalogError, Relation};
use crate::state::{QName, quote_ident};

/// Exact rows, the use of its indexes, and its ages with the newest of its data read now. In the caller's transaction, which
/// this may leave failed where the relation cannot be read.
///
/// # Errors
/// [`ObserveError::Absent`] where nothing is applied; what the server says.
pub async fn stats(conn: &mut PgConnection, looked: &Looked<'_>, name: &QName) -> Result<MartStatus, ObserveError> {
    let absent = || ObserveError::Absent { name: name.to_string() };
    let marts = super::status(conn, looked).await?;
    let mut mart = marts.into_iter().find(|mart| mart.id == *name).ok_or_else(absent)?;
    let relation = looked.actual.stored(name).filter(|_| looked.actual.recorded.contains_key(name));
    let relation = relation.ok_or_else(absent)?;
    let used = catalog::statistics(conn, &relation.name).await?;
    mart.indexes = used
        .into_iter()
        .map(|index| IndexStatus {
            name: index.name,
            definition: index.definition,
            unique: index.unique,
            size_bytes: Some(index.bytes),
            size: Some(human_size(index.bytes)),
            scans: Some(index.scans),
        })
        .collect();
    if relation.populated {
        read(conn, looked, name, relation, &mut mart).await?;
    }
    Ok(mart)
}

/// Counts the rows and looks for the newest, as the mart's owner.
async fn read(
    conn: &mut PgConnection,
    looked: &Looked<'_>,
    name: &QName,
    relation: &Relation,
    mart: &mut MartStatus,
) -> Result<(), ObserveError> {
    let divided = mart.partitioned.is_some();
    let built = if divided { partitions::built(conn, looked.registry, relation).await? } else { HashMap::new() };
    become_owner(conn, looked, relation).await?;
    let counted = if divided { partitions::count(conn, relation).await? } else { HashMap::new() };
    mart.row_count = Some(if divided { counted.values().sum() } else { count(conn, &relation.name).await? });
    mart.estimated = false;
    let declared = looked.desired.and_then(|desired| desired.marts.iter().find(|d| d.mart.name == *name));
    let recorded = looked.actual.recorded.get(name).map(|row| &row.mart);
    let Some(wanted) = declared.map(|d| &d.mart).or(recorded) else {
        return leave(conn).await;
    };
    if divided {
        mart.partitions = partitions::partitions(conn, wanted, relation, (&counted, &built), looked.now).await?;
    }
    let column = wanted.freshness.as_ref().and_then(|freshness| freshness.column.as_ref());
    let there = |column: &&String| relation.columns.iter().any(|c| c.name == **column);
    if let Some(column) = column.filter(there) {
        let sql = format!("SELECT to_jsonb(max({})) #>> '{{}}' FROM {}", quote_ident(column), relation.name);
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?;
        let newest: Option<String> = row.try_get(0)?;
        let newest = newest.as_deref().and_then(|newest| ages::newest(wanted, newest));
        let mut all = mart.ages.unwrap_or_default();
        all.data = newest.map(|at| (looked.now - at).num_seconds().max(0));
        mart.ages = Some(all);
        mart.age_seconds = ages::age(wanted, &all);
        mart.freshness = super::Freshness::of(wanted, &all, looked.now);
    }
    leave(conn).await
}

/// Reads on as the relation's owner, for what a view calls runs with the reader's rights. A role that may not become the owner
/// reads with its own rights, which are less.
/// <https://www.postgresql.org/docs/current/rules-privileges.html>
pub(super) async fn become_owner(
    conn: &mut PgConnection,
    looked: &Looked<'_>,
    relation: &Relation,
) -> Result<(), ObserveError> {
    match may_become_owner(conn, looked, relation).await? {
        true => become_role(conn, &relation.owner).await,
        false => Ok(()),
    }
}

/// Reads on as this role, to the end of the transaction.
pub(super) async fn become_role(conn: &mut PgConnection, role: &str) -> Result<(), ObserveError> {
    let sql = format!("SET LOCAL ROLE {}", quote_ident(role));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}

/// Whether the relation has another owner, whom our role may become.
pub(super) async fn may_become_owner(
    conn: &mut PgConnection,
    looked: &Looked<'_>,
    relation: &Relation,
) -> Result<bool, ObserveError> {
    let server = &looked.actual.server;
    if relation.owner == server.user {
        return Ok(false);
    }
    // Since 16 a member may lack the right to SET ROLE.
    let right = if server.major() >= 16 { "SET" } else { "MEMBER" };
    let asked = sqlx::query("SELECT pg_catalog.pg_has_role($1, $2)").bind(&relation.owner).bind(right);
    Ok(asked.fetch_one(conn).await?.try_get(0)?)
}

/// Exact rows, in the caller's transaction and role.
pub(super) async fn count(conn: &mut PgConnection, name: &QName) -> Result<i64, ObserveError> {
    catalog::exact_rows(conn, name).await.map_err(|error| match error {
        // It is the mart that cannot be read, not the catalog.
        CatalogError::Sql(said) => said.of_one_of([name]).into(),
        other => other.into(),
    })
}

async fn leave(conn: &mut PgConnection) -> Result<(), ObserveError> {
    sqlx::raw_sql("RESET ROLE").execute(conn).await?;
    Ok(())
}
