//! Whether computing some rows pays, as the server's planner sees it.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::keys::Keys;
use crate::database::SqlError;

/// Below this part of what all rows cost, only those of the keys are computed.
pub(super) const PAYS: f64 = 0.7;
/// Between this and [`PAYS`] the cost of all rows is asked for again, where it was known from before.
const CLOSE: f64 = 0.35;
/// What a rebuild costs beside its query, in the planner's units: relations that are made, filled, indexed and exchanged.
const REBUILD: f64 = 2_000.0;

/// What the planner thinks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    /// Of the rows of the keys.
    pub some: f64,
    /// Of all rows.
    pub whole: f64,
}

impl Costs {
    /// The one as part of the other.
    pub fn ratio(self) -> f64 {
        self.some / (self.whole + REBUILD)
    }
}

/// Asks the planner. What all rows cost is taken as `known`, as long as that decides clearly.
///
/// # Errors
/// What the server says.
pub(super) async fn costs(
    conn: &mut PgConnection,
    (some, keys): (&str, &Keys),
    whole: &str,
    known: Option<f64>,
) -> Result<Costs, SqlError> {
    let explain = |sql: &str| AssertSqlSafe(format!("EXPLAIN (FORMAT JSON)\n{sql}"));
    let row = keys.bind(sqlx::query(explain(some)).persistent(false)).fetch_one(&mut *conn).await?;
    let some = total(&row.try_get(0)?);
    if let Some(whole) = known {
        let costs = Costs { some, whole };
        if costs.ratio() < CLOSE {
            return Ok(costs);
        }
    }
    let row = sqlx::query(explain(whole)).persistent(false).fetch_one(conn).await?;
    Ok(Costs { some, whole: total(&row.try_get(0)?) })
}

fn total(plan: &Value) -> f64 {
    plan.pointer("/0/Plan/Total Cost").and_then(Value::as_f64).unwrap_or(f64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_small_mart_is_not_made_anew_for_its_query_s_cost() {
        assert!(Costs { some: 20.0, whole: 20.0 }.ratio() < PAYS);
        assert!(Costs { some: 80_000.0, whole: 100_000.0 }.ratio() > PAYS);
        assert_eq!(total(&json!([{"Plan": {"Total Cost": 12.5}}])), 12.5);
        assert_eq!(total(&json!([])), f64::MAX);
    }
}
