//! What goes along with a table that a swap exchanges for another of the same columns.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::copy::Built;
use super::session::{Frame, SessionState};
use crate::catalog::{Extra, ExtraKind, Relation};
use crate::database::SqlError;
use crate::plan::lost::Place;
use crate::state::{Kind, QName, quote_ident};

/// The place that the next rows take.
pub(super) fn place<'a>(live: &'a Relation, aside: &QName) -> Place<'a> {
    let unique = live.indexes.values().filter(|i| i.unique && i.valid && !i.partial && !i.expressions);
    let not_null = live.columns.iter().filter(|column| column.not_null);
    let valid = live.indexes.iter().filter(|(_, index)| index.valid);
    Place {
        live,
        kind: Kind::Table,
        name: &live.name,
        aside: aside.clone(),
        columns: &live.columns,
        owner: live.owner.clone(),
        indexes: valid.map(|(name, _)| (name.clone(), name.clone())).collect::<BTreeMap<_, _>>(),
        declared: BTreeSet::new(),
        not_null: not_null.map(|column| column.name.clone()).collect(),
        keys: unique.map(|index| index.keys.clone()).collect(),
        beside: BTreeSet::new(),
    }
}

/// A foreign key of another table that the next rows would break: a merge then does to that table what the key says.
///
/// # Errors
/// What PostgreSQL says.
pub async fn still_referenced(
    conn: &mut PgConnection,
    live: &Relation,
    built: &Built,
    frame: &Frame,
) -> Result<Option<String>, SqlError> {
    let keys = live.extras.iter().filter(|e| e.kind == ExtraKind::Referencing && e.state.contains("valid"));
    for key in keys {
        let Some(sql) = missing_keys(key, &built.name) else { continue };
        let mut session = SessionState::alone();
        // As ourselves: the other table is another's.
        session.enter(conn, &Frame { role: None, settings: Vec::new(), ..frame.clone() }).await?;
        let found = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await;
        session.leave(conn).await?;
        if found?.try_get(0)? {
            return Ok(Some(format!("rows that are gone are referred to by {}", key.label)));
        }
    }
    Ok(None)
}

/// Whether rows of another table refer to keys that `next` does not have.
fn missing_keys(key: &Extra, next: &QName) -> Option<String> {
    let columns = key.head.strip_prefix("FOREIGN KEY (")?.strip_suffix(") REFERENCES ")?;
    let names: Vec<String> = (1..=key.columns.len()).map(|n| format!("k{n}")).collect();
    let given: Vec<String> = names.iter().map(|name| format!("f.{name} IS NOT NULL")).collect();
    let same = key.columns.iter().zip(&names).map(|(column, name)| format!("n.{} = f.{name}", quote_ident(column)));
    Some(format!(
        "SELECT EXISTS (SELECT FROM (SELECT {columns} FROM {}) AS f ({}) WHERE {} AND NOT EXISTS (SELECT FROM {next} n WHERE {}))",
        key.other.as_ref()?,
        names.join(", "),
        given.join(" AND "),
        same.collect::<Vec<_>>().join(" AND ")
    ))
}
