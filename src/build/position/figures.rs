//! What the last good run of a mart told of rows that are there still, asked for along with the look that finds nothing new: a message of
//! its own would take as long as a good part of such a refresh.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::Watched;
use crate::database::SqlError;
use crate::state::{QName, quote_literal};

/// What is told again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Its newest data.
    pub newest: Option<String>,
    /// Its size.
    pub bytes: Option<i64>,
}

impl Figures {
    /// Asks for them.
    ///
    /// # Errors
    /// What the server says.
    pub async fn of(conn: &mut PgConnection, watched: &Watched<'_>) -> Result<Self, SqlError> {
        let [newest, bytes] = expressions(watched);
        let sql = format!("SELECT {newest} AS newest, {bytes} AS bytes");
        Self::told(&sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(conn).await?)
    }

    /// As `row` tells.
    pub(super) fn told(row: &PgRow) -> Result<Self, SqlError> {
        Ok(Self { newest: row.try_get("newest")?, bytes: row.try_get("bytes")? })
    }
}

/// What a look of so many sources gives back of them, where nothing is new.
pub(super) fn columns(watched: &Watched<'_>, sources: usize) -> String {
    let new: Vec<String> = (0..sources).map(|at| format!("c{at}.n")).collect();
    let new = if new.is_empty() { "0".to_owned() } else { new.join(" + ") };
    let [newest, bytes] = expressions(watched);
    format!(",\n       CASE WHEN {new} = 0 THEN {newest} END AS newest, CASE WHEN {new} = 0 THEN {bytes} END AS bytes")
}

fn expressions(watched: &Watched<'_>) -> [String; 2] {
    let [project, schema, name] = [watched.project, &watched.mart.schema, &watched.mart.name].map(quote_literal);
    let runs = QName::new(watched.registry, "refreshes");
    let stored = format!("pg_catalog.to_regclass({})", quote_literal(&watched.name.to_string()));
    [
        format!(
            "(SELECT r.newest FROM {runs} AS r \
             WHERE r.project = {project} AND r.schema = {schema} AND r.mart = {name} AND r.status IN ('success', 'noop') \
             ORDER BY r.run DESC LIMIT 1)"
        ),
        format!(
            "(SELECT coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(t.relid)), pg_catalog.pg_total_relation_size({stored}))::bigint \
             FROM pg_catalog.pg_partition_tree({stored}) AS t)"
        ),
    ]
}
