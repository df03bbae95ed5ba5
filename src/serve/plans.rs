//! Reconciling, as the registry keeps it: the plan that waits, the drift that was found, and approving.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgConnection};

use super::ask::{Answer, Ask};
use super::look::nothing_yet;
use super::problem::Problem;
use crate::database::registry::in_schema;
use crate::manifest::Desired;
use crate::observe::{self, Standing};
use crate::reconcile::{self, ApproveError};

/// How the project stands to its manifests, and the plan that waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    standing: Option<Standing>,
    plan: Option<Map<String, Value>>,
}

impl Waiting {
    /// Reads both; neither is there where nothing was reconciled yet.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(conn: &mut PgConnection, desired: &Desired) -> Result<Self, Problem> {
        let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
        let standing = nothing_yet(observe::standing(conn, schema, project).await)?.flatten();
        if standing.as_ref().is_none_or(|standing| standing.fingerprint.is_none()) {
            return Ok(Self { standing, plan: None });
        }
        let sql = in_schema(include_str!("sql/plan.sql"), schema);
        let plan: Option<Option<Value>> =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(project).fetch_optional(conn).await?;
        Ok(Self { standing, plan: plan.flatten().and_then(|plan| plan.as_object().cloned()) })
    }

    /// `new` or `changed`, for a mart that the plan is about.
    pub fn state(&self, address: &str) -> Option<&'static str> {
        let changes = self.plan.as_ref()?.get("changes")?.as_array()?;
        let change = changes.iter().find(|change| change["address"] == address)?;
        Some(if change["action"] == "create" && change["before"].is_null() { "new" } else { "changed" })
    }

    /// Whether drift was found.
    pub fn drifted(&self, address: &str) -> bool {
        self.standing.iter().flat_map(|standing| &standing.drift).any(|drift| drift.address == address)
    }
}

async fn waiting(ask: &Ask) -> Result<Waiting, Problem> {
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = Waiting::read(&mut session, &desired).await;
    session.after(done).await
}

/// `GET /api/v1/plan`.
pub(super) async fn plan(ask: &Ask) -> Result<Answer, Problem> {
    let waiting = waiting(ask).await?;
    let mut plan = waiting.plan.unwrap_or_else(|| nothing_to_do(waiting.standing.as_ref()));
    plan.insert("reconcile".to_owned(), json!(waiting.standing));
    Ok(Answer::json(&plan)?.tagged(""))
}

/// A plan without changes, in the form of one with them; what drifted stays.
fn nothing_to_do(standing: Option<&Standing>) -> Map<String, Value> {
    let drift = standing.map(|standing| standing.drift.as_slice()).unwrap_or_default();
    let plan = json!({
        "format_version": "1.0", "fingerprint": null,
        "summary": { "add": 0, "change": 0, "replace": 0, "destroy": 0, "destructive": 0 },
        "changes": [], "drift": drift, "orphans": [], "steps": [],
    });
    plan.as_object().cloned().unwrap_or_default()
}

/// `GET /api/v1/drift`.
pub(super) async fn drift(ask: &Ask) -> Result<Answer, Problem> {
    let standing = waiting(ask).await?.standing;
    let since = standing.as_ref().and_then(|standing| standing.drift_at);
    let drift = standing.map(|standing| standing.drift).unwrap_or_default();
    Ok(Answer::json(&json!({ "drift": drift, "since": since }))?.tagged(""))
}

/// `POST /api/v1/plans/{fingerprint}/approve`.
pub(super) async fn approve(ask: &Ask) -> Result<Answer, Problem> {
    let desired = ask.desired()?;
    let (schema, by) = (&desired.project.registry_schema, ask.owner(&desired));
    let mut session = ask.state.pool.session().await?;
    let approved = reconcile::approve(&mut session, schema, &by, ask.part("fingerprint")).await;
    let done = approved.map_err(|error| match error {
        ApproveError::Unclear { .. } => Problem::bad(error.to_string()),
        ApproveError::Nothing => Problem::missing(error.to_string()),
        // What is approved is what was looked at: it is another one by now.
        ApproveError::Other { ref pending } => Problem::conflict(error.to_string()).with("fingerprint", json!(pending)),
        ApproveError::Refused { .. } => Problem::conflict(error.to_string()),
        ApproveError::Reconcile(error) => error.into(),
    });
    let approved = session.after(done).await?;
    let told = json!({ "fingerprint": approved.fingerprint, "already": approved.already });
    Ok(Answer::json(&told)?.status(StatusCode::ACCEPTED))
}
