//! Whether a mart is still what its run was given. One query instead of a look at all that hangs on it: almost always it is.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{Item, Options};
use crate::catalog::{Index, Relation, RelationKind};
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::next_name;

/// Pages of a mart, of 8 kB, that are built anew without a look at the disk: less than the server needs for itself.
const LIGHT: i32 = 2_048;

/// The mart as it is now, where nothing moved that its refresh depends on. What hangs on it is looked at again before it is
/// exchanged for another table; a refresh in place does not depend on that.
///
/// # Errors
/// What the server says.
pub(super) async fn still(conn: &mut PgConnection, item: &Item, options: &Options) -> Result<Option<Item>, SqlError> {
    let Some(live) = item.live.as_ref().filter(|_| item.series.is_none()) else { return Ok(None) };
    let row = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/still.sql"), &options.registry)))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(&live.name.schema)
        .bind(&live.name.name)
        .bind(next_name(&live.name.name))
        .fetch_optional(conn)
        .await?;
    match row {
        Some(row) => same(&row, item, live),
        None => Ok(None),
    }
}

/// The mart as `row` tells of it, where it is still what its run was given.
///
/// # Errors
/// A row of another shape.
pub(super) fn same(row: &PgRow, item: &Item, live: &Relation) -> Result<Option<Item>, SqlError> {
    let kind = row.try_get::<Option<&str>, _>("relkind")?.map(RelationKind::from_relkind);
    let filled: Option<bool> = row.try_get("filled")?;
    let Some(oid) = row.try_get::<Option<i64>, _>("oid")? else { return Ok(None) };
    let same = row.try_get::<DateTime<Utc>, _>("changed_at")? == item.recorded.changed_at
        // A table that took its place is as good: that is how a run before this one published what it built. A materialized view
        // may have another query.
        && (oid == live.oid || live.kind == RelationKind::Table)
        && kind == Some(live.kind)
        && row.try_get("published")?
        && row.try_get::<Option<&str>, _>("owner")? == Some(live.owner.as_str())
        && row.try_get::<Vec<String>, _>("columns")? == columns(live)
        && row.try_get::<Vec<String>, _>("indexes")?.into_iter().collect::<BTreeSet<_>>() == indexes(live)
        // Whether a table without pages has rows is told by its file alone, and that needs a lock.
        && (live.kind == RelationKind::MaterializedView || filled == Some(true));
    if !same {
        return Ok(None);
    }
    let live = Relation {
        oid,
        populated: row.try_get("populated")?,
        tuples: row.try_get("tuples")?,
        empty: live.empty && filled != Some(true),
        ..live.clone()
    };
    let (tidy, light) = (!row.try_get::<bool, _>("leftover")?, (1..LIGHT).contains(&row.try_get("pages")?));
    Ok(Some(Item { live: Some(live), tidy, light, ..item.clone() }))
}

fn columns(live: &Relation) -> Vec<String> {
    let column = |name: &str, type_name: &str, not_null: bool| {
        format!("{name} {type_name}{}", if not_null { " not null" } else { "" })
    };
    live.columns.iter().map(|c| column(&c.name, &c.type_name, c.not_null)).collect()
}

fn indexes(live: &Relation) -> BTreeSet<String> {
    let index = |(name, index): (&String, &Index)| {
        let flags = [
            (index.valid, "valid"),
            (index.unique, "unique"),
            (index.primary, "primary"),
            (index.partial, "partial"),
            (index.expressions, "expressions"),
        ];
        let flags = flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word);
        let words = [name.as_str()].into_iter().chain(flags).chain(index.keys.iter().map(String::as_str));
        words.collect::<Vec<_>>().join(" ")
    };
    live.indexes.iter().map(|(name, is)| index((name, is))).collect()
}
