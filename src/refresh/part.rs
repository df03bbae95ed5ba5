//! Refreshes that compute some of a table mart's rows: which, and writing them.

use sqlx::PgConnection;

use super::outcome::Outcome;
use super::{Item, Method};
use crate::build::{self, CheckResult, Frame, Rows, SessionState};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::sql::{oldest_kept, retained, unfrozen};
use crate::state::{Mart, quote_ident, quote_literal};

/// Beyond this part of the rows the table is vacuumed and analysed at once; below it autovacuum does so in time.
pub(super) const VACUUM_ABOVE: f64 = 0.1;

/// Some of a mart's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `Window`, `Append` or `Upsert`.
    pub method: Method,
    /// The column that says how new a row is, and the value from which on, or beyond which, rows are computed.
    pub from: Option<(String, String)>,
    /// Columns that tell rows apart, where they were named.
    pub key: Vec<String>,
}

impl Part {
    /// The query that gives them, for the mart that `live` stores.
    pub fn query(&self, mart: &Mart, live: &Relation) -> String {
        let query = retained(mart, &mart.query, |name| type_of(live, name));
        match self.conditions(mart, "q", live) {
            Some(condition) => format!("SELECT q.* FROM (\n{}\n) AS q\nWHERE {condition}", query.trim()),
            None => query,
        }
    }

    /// Which rows, of the mart or of its query. What has no time may be new as well as old.
    fn condition(&self, alias: &str, live: &Relation) -> Option<String> {
        let (name, value) = self.from.as_ref()?;
        let (column, value) = (quote_ident(name), quote_literal(value));
        let type_name = type_of(live, name)?;
        if self.method == Method::Append {
            return Some(format!("{alias}.{column} > {value}::{type_name}"));
        }
        let from = format!("{alias}.{column} >= {value}::{type_name}");
        let never_null = live.columns.iter().any(|c| c.name == *name && c.not_null);
        Some(if never_null { from } else { format!("({from} OR {alias}.{column} IS NULL)") })
    }

    /// Of a window, what is history stays out of it, however far it reaches back.
    fn conditions(&self, mart: &Mart, alias: &str, live: &Relation) -> Option<String> {
        let window = self.method == Method::Window;
        let frozen = window.then(|| unfrozen(mart, alias, |name| type_of(live, name))).flatten();
        let all: Vec<String> = self.condition(alias, live).into_iter().chain(frozen).collect();
        (!all.is_empty()).then(|| all.join(" AND "))
    }

    fn rows(&self, mart: &Mart, live: &Relation) -> Rows {
        let oldest = mart.retention.as_ref().and_then(|kept| {
            let oldest = oldest_kept(kept, &type_of(live, &kept.column)?)?;
            Some(format!("DELETE FROM {} WHERE {} < {oldest}", live.name, quote_ident(&kept.column)))
        });
        Rows {
            query: self.query(mart, live),
            within: self.conditions(mart, "m", live).filter(|_| self.method == Method::Window),
            key: self.key.clone(),
            also: oldest,
        }
    }
}

/// A column's type.
pub(super) fn type_of(live: &Relation, name: &str) -> Option<String> {
    Some(live.columns.iter().find(|column| column.name == name)?.type_name.clone())
}

/// Computes them and writes what differs, if the mart's checks let it.
pub(super) async fn refresh(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    part: &Part,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let mart = &item.recorded.mart;
    let rows = part.rows(mart, live);
    let written = build::write_rows(conn, mart, live, &rows, frame, checks).await?;
    let merged = written.merged;
    let changed = merged.inserted + merged.updated + merged.deleted;
    let mut outcome = Outcome {
        method: Some(part.method),
        inserted: i64::try_from(merged.inserted).ok(),
        updated: i64::try_from(merged.updated).ok(),
        deleted: i64::try_from(merged.deleted).ok(),
        snapshot: Some(written.snapshot),
        ..Outcome::default()
    };
    if changed as f64 > live.tuples.max(1.0) * VACUUM_ABOVE {
        let mut session = SessionState::alone();
        let tidied = build::run(conn, &mut session, frame, &format!("VACUUM (ANALYZE) {}", live.name)).await;
        session.leave(conn).await?;
        outcome.afterwards("it was not vacuumed", tidied.map(drop))?;
    }
    Ok(outcome)
}
