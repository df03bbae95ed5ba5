//! What earlier runs of a mart took, beside what the planner thought of them.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::state::QName;

/// No run is trusted to have been so much faster than the planner thought, …
const FASTER: f64 = 0.3;
/// … or slower.
const SLOWER: f64 = 10.0;

/// Whose runs are asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct History<'a> {
    pub registry: &'a str,
    pub project: &'a str,
    pub mart: &'a QName,
}

/// How long the last runs took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Learned {
    /// By keys, for each unit of cost.
    unit: Option<f64>,
    /// Of all rows.
    whole: Option<f64>,
}

impl History<'_> {
    /// Looks it up, as the role of the connection.
    ///
    /// # Errors
    /// What the server says.
    pub async fn learned(self, conn: &mut PgConnection) -> Result<Learned, SqlError> {
        let sql = in_schema(include_str!("../sql/learned.sql"), self.registry);
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.project);
        let row = statement.bind(&self.mart.schema).bind(&self.mart.name).fetch_one(conn).await?;
        Ok(Learned { unit: row.try_get("unit")?, whole: row.try_get("whole")? })
    }
}

impl Learned {
    /// How many times slower a unit of cost was by keys than where all rows were computed, which cost `whole`.
    pub fn slower(self, whole: f64) -> f64 {
        let (Some(unit), Some(ms)) = (self.unit, self.whole) else { return 1.0 };
        let slower = unit * whole / ms;
        if slower.is_finite() { slower.clamp(FASTER, SLOWER) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_took_counts_within_bounds() {
        let learned = |unit, whole| Learned { unit, whole };
        assert_eq!(learned(None, Some(10.0)).slower(100.0), 1.0);
        assert_eq!(learned(Some(0.2), Some(10.0)).slower(100.0), 2.0);
        assert_eq!(learned(Some(0.0001), Some(10.0)).slower(100.0), FASTER);
        assert_eq!(learned(Some(1.0), Some(0.0)).slower(100.0), 1.0);
        assert_eq!(learned(Some(9.0), Some(1.0)).slower(100.0), SLOWER);
    }
}
