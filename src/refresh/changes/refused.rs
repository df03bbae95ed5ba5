//! Marts of which all rows were cheaper the last times: where as much changed again, their keys are not looked for.

use sqlx::{AssertSqlSafe, Row};

use super::gate;
use super::task::Task;
use super::words::of_changes;
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::refresh::decision::Decision;

/// For fewer changes it costs little to look.
const MANY: u64 = 100;

impl Task<'_> {
    /// Why keys of so many changes need not be looked for, with what that goes by. As the role of the connection.
    pub async fn refused(&mut self, pending: u64, decision: &Decision) -> Result<Option<(String, Decision)>, SqlError> {
        // Partitions may be cheaper where keys are not, and what writers keep has no other way.
        if pending < MANY || self.item.recorded.mart.partition.is_some() || self.kept.is_some() {
            return Ok(None);
        }
        let history = self.history();
        let sql = in_schema(include_str!("../sql/refused.sql"), history.registry);
        #[allow(clippy::cast_precision_loss, reason = "a count far below 2^53")]
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(history.project)
            .bind(&history.mart.schema)
            .bind(&history.mart.name)
            .bind(pending as f64)
            .bind(self.item.recorded.changed_at)
            .fetch_one(&mut *self.conn)
            .await?;
        let ratio = row.try_get::<Option<f64>, _>("ratio")?.filter(|ratio| *ratio >= gate::PAYS);
        Ok(ratio.map(|ratio| {
            let reason = format!("the keys of {} cost {ratio:.2} of all the last times", of_changes(pending));
            (reason, Decision { ratio: Some(ratio), learned: Some(true), ..decision.clone() })
        }))
    }
}
