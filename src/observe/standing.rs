//! How a project stands to its manifests, as the daemon left it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ObserveError;
use super::mart::Condition;
use crate::database::registry::in_schema;
use crate::plan::Drift;

/// The words that the daemon gives for how a revision went.
const REASONS: &[&str] = &[
    "Applied",
    "ApprovalNeeded",
    "Refused",
    "ManifestInvalid",
    "Unreadable",
    "QueryRefused",
    "PlanImpossible",
    "SourceUnreachable",
    "Locked",
    "ApplyFailed",
    "DatabaseFailed",
];

/// How a project stands to its manifests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The revision that was tried last.
    pub attempted: Option<String>,
    /// When that came out as it did.
    pub attempted_at: Option<DateTime<Utc>>,
    /// The revision that is in force.
    pub applied: Option<String>,
    /// Since when.
    pub applied_at: Option<DateTime<Utc>>,
    /// `applied`, `pending`, `invalid` or `failed`.
    pub status: String,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Why, in words.
    pub message: Option<String>,
    /// Where in which files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<Value>,
    /// Of the plan that waits for an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// That plan was approved, and is not applied yet.
    pub approved: bool,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// What was changed by hand and not put back.
    pub drift: Vec<Drift>,
    /// Since when it is that.
    pub drift_at: Option<DateTime<Utc>>,
    /// What is true of it.
    pub conditions: Vec<Condition>,
}

/// How the last revision went; `None` where no daemon tried one. The registry has format 4 at least.
///
/// # Errors
/// What the server says.
pub async fn standing(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<Option<Standing>, ObserveError> {
    let sql = AssertSqlSafe(in_schema(include_str!("sql/standing.sql"), registry));
    let Some(row) = sqlx::query(sql).bind(project).fetch_optional(conn).await? else { return Ok(None) };
    let drift: Option<Value> = row.try_get("drift")?;
    let status: String = row.try_get("status")?;
    let waits = status == "pending";
    let mut standing = Standing {
        attempted: row.try_get("attempted")?,
        attempted_at: row.try_get("attempted_at")?,
        applied: row.try_get("applied")?,
        applied_at: row.try_get("applied_at")?,
        status,
        reason: row.try_get("reason")?,
        message: row.try_get("message")?,
        problems: row.try_get("problems")?,
        fingerprint: row.try_get::<Option<String>, _>("fingerprint")?.filter(|_| waits),
        approved: row.try_get::<Option<bool>, _>("approved")?.unwrap_or(false),
        approved_by: row.try_get("approved_by")?,
        drift: drift.and_then(|drift| serde_json::from_value(drift).ok()).unwrap_or_default(),
        drift_at: row.try_get("drift_at")?,
        conditions: Vec::new(),
    };
    standing.conditions = conditions(&standing, row.try_get("applying")?);
    Ok(Some(standing))
}

/// What was applied may have been changed since the last look.
fn in_force(standing: &Standing) -> &'static str {
    if standing.drift.is_empty() { "the manifests are applied" } else { "the manifests are applied; there is drift" }
}

fn conditions(standing: &Standing, applying: bool) -> Vec<Condition> {
    let said = standing.reason.as_deref().and_then(|said| REASONS.iter().find(|reason| **reason == said));
    let reason = said.copied().unwrap_or("Unknown");
    let message = standing.message.clone().unwrap_or_default();
    let condition = |kind, status, reason, message: String| Condition { kind, status, reason, message };
    let mut conditions = match standing.status.as_str() {
        "applied" => vec![condition("Ready", "True", "Applied", in_force(standing).to_owned())],
        _ => vec![condition("Ready", "False", reason, message.clone())],
    };
    if applying {
        conditions.push(condition("Reconciling", "True", "Applying", "a plan is being applied".to_owned()));
    } else if standing.approved {
        let message = "the plan that waited was approved".to_owned();
        conditions.push(condition("Reconciling", "True", "Approved", message));
    }
    if matches!(standing.status.as_str(), "invalid" | "failed") {
        conditions.push(condition("Stalled", "True", reason, message));
    }
    conditions
}
