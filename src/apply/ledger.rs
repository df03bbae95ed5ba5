//! The ledger: who applied what, when, from where, and how it ended.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{Applied, ApplyError};
use crate::database::registry::in_schema;
use crate::database::{Endpoint, SqlError};
use crate::plan::Plan;

/// Who applies, for the ledger and the audit.
#[derive(Debug, Clone, Default)]
pub struct By {
    /// The user of the machine, or of the token.
    pub who: String,
    /// The machine.
    pub host: String,
    /// The program.
    pub application: String,
    /// The server process that holds the locks of this apply: nothing is committed once it is gone.
    pub holder: Option<i32>,
    /// How to get other sessions, and how many there may be with the one that is there: large marts are filled side by side.
    pub sessions: Option<(Endpoint, usize)>,
}

/// Opens the ledger's row, in a transaction of its own.
pub(super) async fn begin(conn: &mut PgConnection, registry: &str, plan: &Plan, by: &By) -> Result<i64, SqlError> {
    let abandon = in_schema(include_str!("sql/abandon.sql"), registry);
    sqlx::query(AssertSqlSafe(abandon)).bind(&plan.project).execute(&mut *conn).await?;
    let steps = i32::try_from(plan.steps.len()).unwrap_or(i32::MAX);
    let row = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/begin.sql"), registry)))
        .bind(&plan.project)
        .bind(&by.who)
        .bind(&by.host)
        .bind(&by.application)
        .bind(&plan.revision)
        .bind(&plan.fingerprint.0)
        .bind(summary(plan))
        .bind(steps)
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// Closes it.
pub(super) async fn finish(
    conn: &mut PgConnection,
    registry: &str,
    id: i64,
    done: &Applied,
    error: Option<&ApplyError>,
) -> Result<(), SqlError> {
    let status = match error {
        None => "success",
        Some(error) if error.kind() == "cancelled" => "cancelled",
        Some(_) => "failed",
    };
    let error = error.map(|e| json!({ "kind": e.kind(), "message": e.to_string() }));
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/finish.sql"), registry)))
        .bind(id)
        .bind(status)
        .bind(i32::try_from(done.steps).unwrap_or(i32::MAX))
        .bind(error)
        .bind((!done.checks.is_empty()).then(|| json!(done.checks)))
        .execute(conn)
        .await?;
    Ok(())
}

/// One audit row per change, in the transaction that made it.
pub(super) async fn audit(
    conn: &mut PgConnection,
    registry: &str,
    plan: &Plan,
    by: &By,
    id: Option<i64>,
    changes: &[(String, String)],
) -> Result<(), SqlError> {
    if changes.is_empty() {
        return Ok(());
    }
    let actions: Vec<&str> = changes.iter().map(|(_, action)| action.as_str()).collect();
    let addresses: Vec<&str> = changes.iter().map(|(address, _)| address.as_str()).collect();
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/audit.sql"), registry)))
        .bind(&plan.project)
        .bind(&by.who)
        .bind(&by.host)
        .bind(&actions)
        .bind(&addresses)
        .bind(id)
        .bind(&plan.revision)
        .execute(conn)
        .await?;
    Ok(())
}

/// What the ledger keeps of a plan: what changed and why, not every statement.
fn summary(plan: &Plan) -> Value {
    let changes: Vec<Value> = plan
        .changes
        .iter()
        .map(|c| json!({ "address": c.address, "action": c.action, "reason": c.reason, "hazards": c.hazards }))
        .collect();
    json!({ "summary": plan.summary, "changes": changes })
}
