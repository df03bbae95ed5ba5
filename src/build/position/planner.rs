//! What the planner goes by while some rows are computed, where nobody said otherwise. What the server assumes of itself are the disks
//! and the memory of long ago: the few rows that some keys have would be read among all others rather than by an index.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Look;
use crate::database::SqlError;
use crate::state::Changes;

/// What a page costs that is not the next one, where what is read is in memory; for many rows a scan stays the cheaper one.
const RANDOM_PAGE: &str = "1.5";
/// Memory to sort and hash the rows in.
const WORK_MEM: &str = "64MB";
/// This part of what the server can keep in memory may be tables: their indexes, and what others read, are there as well.
const TABLES: i64 = 4;

/// How the server is set up, and what it has to read.
#[derive(Debug, Clone, Default)]
pub(super) struct Planner {
    /// What is read is in memory, and what a page costs is as the server comes.
    cached: bool,
    /// Memory for a statement is as the server comes.
    frugal: bool,
    /// How many values each column of the mart has: beneath zero, as part of its rows.
    values: BTreeMap<String, f64>,
}

/// Where ranges tell what is read, it depends on them whether the other columns are asked for at all.
const VALUES: &str = "(SELECT pg_catalog.jsonb_object_agg(s.attname, s.n_distinct ORDER BY s.inherited) FROM pg_catalog.pg_stats AS s \
                      WHERE s.schemaname = $2 AND s.tablename = $3)";

/// What a look asks for; what an earlier mart of the transaction has set counts as nobody's wish.
pub(super) fn columns(changes: &Changes) -> String {
    let ranged = changes.key.len() > 1 && changes.key.iter().any(|key| key.range.is_some());
    let values = if ranged { VALUES } else { "NULL::jsonb" };
    format!(
        "CASE WHEN pg_catalog.current_setting('random_page_cost') IN ('4', '{RANDOM_PAGE}') \
         THEN pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size')) \
              / pg_catalog.current_setting('block_size')::bigint END AS cache,\n       \
         pg_catalog.current_setting('work_mem') IN ('4MB', '{WORK_MEM}') AS frugal,\n       \
         {values} AS distinct_values"
    )
}

impl Planner {
    /// As a look tells; `pages` is how large the tables are, as far as that is known.
    pub(super) fn of(row: &PgRow, pages: Option<i64>) -> Result<Self, SqlError> {
        let cache: Option<i64> = row.try_get("cache")?;
        let cached = cache.zip(pages).is_some_and(|(cache, pages)| pages.saturating_mul(TABLES) <= cache);
        let values: Option<serde_json::Value> = row.try_get("distinct_values")?;
        let values = values.and_then(|values| serde_json::from_value(values).ok()).unwrap_or_default();
        Ok(Self { cached, frugal: row.try_get("frugal")?, values })
    }
}

impl Look {
    /// About how many values a column of the mart has.
    pub fn values_of(&self, column: &str) -> Option<f64> {
        let values = *self.planner.values.get(column)?;
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let rows = self.standing.rows.map(|rows| rows as f64);
        if values < 0.0 { rows.map(|rows| -values * rows) } else { Some(values) }
    }

    /// The statements that tell the planner, for the rest of the transaction. What the mart's own session says comes behind them.
    pub fn planner(&self) -> String {
        let local = |name: &str, wanted: bool, value: &str| match wanted {
            true => format!("SET LOCAL {name} = '{value}';"),
            false => format!("SET LOCAL {name} TO DEFAULT;"),
        };
        let Planner { cached, frugal, .. } = self.planner;
        local("random_page_cost", cached, RANDOM_PAGE) + &local("work_mem", frugal, WORK_MEM)
    }
}
