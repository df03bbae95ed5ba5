//! Many rows are computed by a statement of their own: for one that writes the server plans a single process, however long it takes.

use sqlx::{AssertSqlSafe, Row};

use super::keys::Keys;
use super::task::Task;
use crate::build::{self, Narrow};
use crate::database::SqlError;

/// Below this cost one process is as fast as several, with the table that their rows have to be kept in.
const MANY: f64 = 20_000.0;

impl Task<'_> {
    /// Writes the rows of these keys, computing which costs so much: how many were inserted, updated and deleted.
    pub async fn computed_and_written(
        &mut self,
        narrow: &Narrow,
        keys: &Keys,
        cost: f64,
    ) -> Result<[i64; 3], SqlError> {
        if cost < MANY {
            return self.write(narrow, keys).await;
        }
        let row = sqlx::query(include_str!("../sql/aside.sql")).fetch_one(&mut *self.conn).await?;
        let (may, told): (bool, Option<String>) = (row.try_get("may")?, row.try_get("told")?);
        if !may {
            return self.write(narrow, keys).await;
        }
        let (compute, narrow, forget) = build::aside(narrow);
        keys.bind(sqlx::query(AssertSqlSafe(compute)).persistent(false)).execute(&mut *self.conn).await?;
        let merged = self.write(&narrow, keys).await?;
        // What the transaction refreshes next is asked for with what the server comes with.
        let again = if told.is_some() { "SET LOCAL parallel_tuple_cost TO DEFAULT" } else { "" };
        sqlx::raw_sql(AssertSqlSafe(format!("{forget};{again}"))).execute(&mut *self.conn).await?;
        Ok(merged)
    }
}
