//! The partitions that are there, and those that should be.

#[cfg(test)]
mod clocks;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::CatalogError;
use super::actual::Relation;
use super::attached::Attached;
use super::columns::Column;
use super::extent::Divided;
use super::kind::RelationKind;
use super::options::options;
use super::reach::Reach;
use super::times::{Undividable, oldest, time_of};
use crate::state::{GrantDecl, Mart, Partition, Piece, QName, meaning};

/// The partitions there are beside those there should be.
#[derive(Debug, Default)]
pub struct Matched<'a> {
    /// Those that are there.
    pub there: Vec<(&'a Piece, &'a Attached)>,
    /// Those that are not.
    pub missing: Vec<&'a Piece>,
    /// Those that are not and have another standing in their place, which is left to people.
    pub blocked: Vec<&'a Piece>,
    /// Those that should not be there.
    pub others: Vec<&'a Attached>,
}

/// What of `pieces` is there, told by what each takes.
pub fn matched<'a>(live: &'a Relation, pieces: &'a [Piece]) -> Matched<'a> {
    let key = |column: &&Column| live.partitioned_by.as_ref().is_some_and(|by| *by == Partition::list(&column.name));
    let type_name = live.columns.iter().find(key).map_or("", |column| column.type_name.as_str());
    let spelled = |bound: &str| meaning(bound, type_name);
    let mut attached: HashMap<String, &Attached> =
        live.partitions.iter().map(|attached| (spelled(&attached.bound), attached)).collect();
    let mut found = Matched::default();
    for piece in pieces {
        match attached.remove(&spelled(&piece.bound)) {
            Some(attached) => found.there.push((piece, attached)),
            None => found.missing.push(piece),
        }
    }
    found.others = attached.into_values().collect();
    found.others.sort_by(|a, b| a.name.cmp(&b.name));
    let (blocked, missing) =
        found.missing.into_iter().partition(|piece| found.others.iter().any(|other| other.overlaps(piece)));
    (found.blocked, found.missing) = (blocked, missing);
    found
}

/// Reads the partitions of the partitioned relations among `found`.
pub(super) async fn partitions(
    conn: &mut PgConnection,
    found: &mut HashMap<i64, Relation>,
) -> Result<(), CatalogError> {
    let oids: Vec<i64> = found.values().filter(|r| r.partitioned_by.is_some()).map(|r| r.oid).collect();
    if oids.is_empty() {
        return Ok(());
    }
    // Bounds are constants, and compared as text.
    let before =
        sqlx::query("SELECT current_setting('datestyle'), current_setting('timezone')").fetch_one(&mut *conn).await?;
    set(conn, "ISO, MDY", "UTC").await?;
    let rows = sqlx::query(include_str!("sql/partitions.sql")).bind(&oids).fetch_all(&mut *conn).await?;
    set(conn, before.try_get(0)?, before.try_get(1)?).await?;
    for row in rows {
        if let Some(parent) = found.get_mut(&row.try_get("parent")?) {
            parent.partitions.push(Attached {
                oid: row.try_get("oid")?,
                name: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?),
                kind: RelationKind::from_relkind(row.try_get("relkind")?),
                owner: row.try_get("owner")?,
                bound: row.try_get("bound")?,
                options: options(row.try_get("options")?),
                grants: grants(&row)?,
                rows: row.try_get("rows")?,
            });
        }
    }
    // PostgreSQL keeps the options of partitions with each of them: the mart has what all of them have.
    for parent in found.values_mut().filter(|relation| !relation.partitions.is_empty()) {
        let mut shared = parent.partitions[0].options.clone();
        shared.retain(|key, value| parent.partitions.iter().all(|p| p.options.get(key) == Some(&*value)));
        parent.options = shared;
    }
    Ok(())
}

/// One entry per role and grant option.
fn grants(row: &PgRow) -> Result<Vec<GrantDecl>, sqlx::Error> {
    let Some(roles) = row.try_get::<Option<Vec<String>>, _>("roles")? else { return Ok(Vec::new()) };
    let (privileges, grantable): (Vec<String>, Vec<bool>) = (row.try_get("privileges")?, row.try_get("grantable")?);
    let mut by_role: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for ((role, privilege), grantable) in roles.into_iter().zip(privileges).zip(grantable) {
        by_role.entry((role, grantable)).or_default().push(privilege);
    }
    let grant = |((role, grant_option), privileges)| GrantDecl { role, privileges, columns: Vec::new(), grant_option };
    Ok(by_role.into_iter().map(grant).collect())
}

async fn set(conn: &mut PgConnection, datestyle: &str, timezone: &str) -> Result<(), CatalogError> {
    sqlx::query("SELECT pg_catalog.set_config('datestyle', $1, true), pg_catalog.set_config('timezone', $2, true)")
        .bind(datestyle)
        .bind(timezone)
        .execute(conn)
        .await?;
    Ok(())
}

/// The partitions that a mart should have at the instant `now`. `live` is the relation there is, `span` the first and the
/// last time of its rows on the wall of its zone, where somebody looked; `applied` what it had when it was applied.
///
/// # Errors
/// It cannot be divided so.
pub fn wanted(
    mart: &Mart,
    columns: &[Column],
    live: Option<&Relation>,
    span: Option<(NaiveDateTime, NaiveDateTime)>,
    applied: Option<&Divided>,
    now: DateTime<Utc>,
) -> Result<Vec<Piece>, Undividable> {
    let Some(partition) = &mart.partition else { return Ok(Vec::new()) };
    let mut pieces = Vec::new();
    if let (Some(ranges), Some(time)) = (partition.ranges(), time_of(mart, columns)) {
        let time = time?;
        let today = now.with_timezone(&time.1).naive_local();
        let oldest = oldest(mart, ranges, today);
        let ready = ranges.interval.after(today, ranges.premake).unwrap_or(today);
        let reach = live.and_then(|live| Reach::of(mart, live));
        let mut there = reach.map_or_else(Vec::new, |reach| reach.anchors(applied, ready));
        there.extend(applied.filter(|_| live.is_some()).and_then(|applied| time.0.read(&applied.first, time.1)));
        let first = there.iter().min().copied().into_iter().chain(ranges.start).chain(span.map(|span| span.0)).min();
        let until =
            there.iter().max().copied().into_iter().chain(span.map(|span| span.1)).fold(ready, NaiveDateTime::max);
        let first = first.unwrap_or(today).min(today);
        let (first, until) = reach.map_or((first, until), |reach| reach.followed((first, until)));
        let from = oldest.map_or(first, |oldest| oldest.max(first));
        pieces = partition.between(&mart.name, time, from, until)?;
    }
    pieces.extend(partition.fixed(&mart.name));
    Ok(pieces)
}
