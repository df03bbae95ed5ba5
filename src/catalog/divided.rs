//! What was known of a mart's partitions when it was applied, and what of them is gone since.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row};

use super::CatalogError;
use super::actual::{Relation, Taken};
use super::attached::Attached;
use super::columns::Column;
use super::extent::Divided;
use super::kind::RelationKind;
use super::partitions::matched;
use super::reach::Reach;
use super::times::time_of;
use crate::state::{IncrementalMethod, Mart, Piece, QName, partition_prefix, range_of};

/// A mart in which partitions are missed.
#[derive(Debug, Clone, Copy)]
pub struct Missed<'a> {
    /// As declared.
    pub mart: &'a Mart,
    /// As it is.
    pub live: &'a Relation,
    /// What was there at the last apply.
    pub applied: Option<&'a Divided>,
    /// The instant.
    pub now: DateTime<Utc>,
}

impl Missed<'_> {
    /// The partitions of `missing` that somebody took away with their rows: all that are not beyond what was there. Those that
    /// only the time asks for hold none yet.
    pub fn emptied<'p>(&self, missing: &[&'p Piece]) -> Vec<&'p Piece> {
        let Some(Ok((kind, zone))) = time_of(self.mart, &self.live.columns) else { return missing.to_vec() };
        let write = |time| kind.write(time, zone);
        let wall = self.now.with_timezone(&zone).naive_local();
        let ready = self.mart.partition.as_ref().and_then(|p| p.ranges()?.interval.after(wall, p.ranges()?.premake));
        let there = Reach::of(self.mart, self.live).map(|reach| reach.anchors(self.applied, ready.unwrap_or(wall)));
        let newest = there.into_iter().flatten().max().map(write);
        let today = write(wall);
        let last = self.applied.map(|applied| applied.last.clone().min(today));
        let had_rows = |piece: &&&Piece| match &piece.range {
            Some((from, _)) => {
                newest.as_ref().is_some_and(|newest| from < newest) || last.as_ref().is_some_and(|last| from <= last)
            }
            None => true,
        };
        missing.iter().filter(had_rows).copied().collect()
    }

    /// Those of `emptied` that get what the query gives now. Of history a query may know nothing any more: where a default took
    /// rows of it, those are all there is, and move.
    pub fn refilled<'p>(&self, missing: &[&'p Piece]) -> Vec<&'p Piece> {
        let default = self.live.partitions.iter().any(|attached| attached.is_default());
        let incremental = self.mart.refresh.incremental.as_ref();
        let appends = incremental.is_some_and(|incremental| incremental.method == IncrementalMethod::Append);
        let mut refilled = self.emptied(missing);
        refilled.retain(|piece| !default || !(appends || is_frozen(self.mart, self.live, piece, self.now)));
        refilled
    }

    /// The partitions among `pieces` that it had and has no more, by name, with what they took.
    pub fn gone(&self, pieces: &[Piece]) -> Vec<Piece> {
        self.emptied(&matched(self.live, pieces).missing).into_iter().cloned().collect()
    }
}

/// Before when the rows of a mart that is divided by time are frozen, on the wall of its zone; `None` where none are.
pub fn frozen_until(mart: &Mart, columns: &[Column], now: DateTime<Utc>) -> Option<NaiveDateTime> {
    let seconds = mart.refresh.incremental.as_ref()?.frozen_before?;
    let (_, zone) = time_of(mart, columns)?.ok()?;
    let age = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
    now.with_timezone(&zone).naive_local().checked_sub_signed(age)
}

/// Whether all that a partition takes is frozen.
pub fn is_frozen(mart: &Mart, live: &Relation, piece: &Piece, now: DateTime<Utc>) -> bool {
    let (Some(Ok((kind, zone))), Some((_, end))) = (time_of(mart, &live.columns), &piece.range) else { return false };
    let end = kind.read(end, zone);
    end.zip(frozen_until(mart, &live.columns, now)).is_some_and(|(end, until)| end <= until)
}

/// Whether all that a partition holds is frozen.
pub fn is_history(mart: &Mart, live: &Relation, attached: &Attached, now: DateTime<Utc>) -> bool {
    let time = time_of(mart, &live.columns).and_then(Result::ok);
    let end = time.zip(range_of(&attached.bound)).and_then(|((kind, zone), (_, end))| kind.read(&end, zone));
    end.zip(frozen_until(mart, &live.columns, now)).is_some_and(|(end, until)| end <= until)
}

/// Who has a name that begins as those of the partitions of `marts` do and is none of them: by name.
pub(super) async fn beside(
    conn: &mut PgConnection,
    marts: &BTreeSet<QName>,
) -> Result<HashMap<QName, Taken>, CatalogError> {
    if marts.is_empty() {
        return Ok(HashMap::new());
    }
    let schemas: Vec<&str> = marts.iter().map(|mart| mart.schema.as_str()).collect();
    let names: Vec<&str> = marts.iter().map(|mart| mart.name.as_str()).collect();
    let prefixes: Vec<String> = marts.iter().map(partition_prefix).collect();
    let rows = sqlx::query(include_str!("sql/beside.sql")).bind(&schemas).bind(&names).bind(&prefixes);
    let rows = rows.fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let taken = Taken {
                oid: row.try_get("oid")?,
                kind: RelationKind::from_relkind(row.try_get("relkind")?),
                index_of: None,
                owner: row.try_get("owner")?,
                comment: None,
            };
            Ok((QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?), taken))
        })
        .collect()
}

/// The names among `wanted` that something has.
///
/// # Errors
/// What PostgreSQL says.
pub async fn names_taken(conn: &mut PgConnection, wanted: &[QName]) -> Result<BTreeSet<QName>, CatalogError> {
    let schemas: Vec<&str> = wanted.iter().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = wanted.iter().map(|name| name.name.as_str()).collect();
    let sql = "SELECT n.nspname::text, c.relname::text FROM unnest($1::text[], $2::text[]) AS w (s, n) \
               JOIN pg_catalog.pg_namespace n ON n.nspname = w.s \
               JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.n";
    let rows = sqlx::query(sql).bind(&schemas).bind(&names).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(QName::new(row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?))).collect()
}
