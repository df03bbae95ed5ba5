//! What the server's planner thinks of a statement.

use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};

use crate::database::SqlError;

/// What the planner thinks of a statement with these parameters.
///
/// # Errors
/// What the server says.
pub(super) async fn cost<'q>(
    conn: &mut PgConnection,
    sql: &str,
    bind: impl FnOnce(Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>,
) -> Result<f64, SqlError> {
    let explain = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON)\n{sql}"));
    let row = bind(sqlx::query(explain).persistent(false)).fetch_one(conn).await?;
    Ok(total(&row.try_get(0)?))
}

/// The cost of a plan, as the server tells it.
fn total(plan: &Value) -> f64 {
    plan.pointer("/0/Plan/Total Cost").and_then(Value::as_f64).unwrap_or(f64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::total;

    #[test]
    fn a_plan_tells_its_cost() {
        assert_eq!(total(&json!([{"Plan": {"Total Cost": 12.5}}])), 12.5);
        assert_eq!(total(&json!([])), f64::MAX);
    }
}
