//! What the planner goes by while some rows are computed, where nobody said otherwise. What the server assumes of itself are the disks
//! and the memory of long ago: the few rows that some keys have would be read among all others rather than by an index.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::{Look, Watched};
use crate::database::SqlError;

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

/// Fewer changes are not of nearly all values of a column that has some.
const FEW: u64 = 10;

/// What a look asks for; what an earlier mart of the transaction has set counts as nobody's wish.
pub(super) fn columns() -> String {
    format!(
        "CASE WHEN pg_catalog.current_setting('random_page_cost') IN ('4', '{RANDOM_PAGE}') \
         THEN pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size')) \
              / pg_catalog.current_setting('block_size')::bigint END AS cache,\n       \
         pg_catalog.current_setting('work_mem') IN ('4MB', '{WORK_MEM}') AS frugal"
    )
}

impl Planner {
    /// As a look tells; `pages` is how large the tables are, as far as that is known.
    pub(super) fn of(row: &PgRow, pages: Option<i64>) -> Result<Self, SqlError> {
        let cache: Option<i64> = row.try_get("cache")?;
        let cached = cache.zip(pages).is_some_and(|(cache, pages)| pages.saturating_mul(TABLES) <= cache);
        Ok(Self { cached, frugal: row.try_get("frugal")?, values: BTreeMap::new() })
    }
}

impl Look {
    /// Looks how many values the mart's columns have, where ranges tell what is read: then it depends on them whether the other columns
    /// are asked for at all. Where nothing changed, or little, nobody needs to know.
    ///
    /// # Errors
    /// What the server says.
    pub async fn count_values(&mut self, conn: &mut PgConnection, watched: &Watched<'_>) -> Result<(), SqlError> {
        let key = &watched.changes.key;
        let changed: u64 = self.pending.iter().map(|pending| pending.rows).sum();
        if key.len() < 2 || changed < FEW || !key.iter().any(|key| key.range.is_some()) {
            return Ok(());
        }
        let sql = "SELECT s.attname::text, s.n_distinct::float8 FROM pg_catalog.pg_stats AS s \
                   WHERE s.schemaname = $1 AND s.tablename = $2 ORDER BY s.inherited";
        let rows = sqlx::query(sql).bind(&watched.name.schema).bind(&watched.name.name).fetch_all(conn).await?;
        let values = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        self.planner.values = values.collect::<Result<_, sqlx::Error>>()?;
        Ok(())
    }

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
