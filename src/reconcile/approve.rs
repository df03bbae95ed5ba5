//! Letting a plan that waits be applied, hazards included.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::ReconcileError;
use crate::database::registry::{self, Owner, audit, in_schema};
use crate::plan::Refusal;
use crate::refresh::wake;

const PENDING: &str = include_str!("sql/pending.sql");
const APPROVE: &str = include_str!("sql/approve.sql");

/// So many digits of a fingerprint name a plan.
const DIGITS: usize = 8;

/// Why a plan was not approved.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// It is no fingerprint, nor the beginning of one.
    #[error("{given:?} is no fingerprint of a plan, nor its first {DIGITS} digits or more")]
    Unclear {
        /// What was given.
        given: String,
    },
    /// No plan waits.
    #[error("no plan waits for an approval")]
    Nothing,
    /// Another plan waits.
    #[error("another plan waits for an approval: {pending}")]
    Other {
        /// Its fingerprint.
        pending: String,
    },
    /// No approval helps.
    #[error("the plan cannot be applied, whoever approves it: {message}")]
    Refused {
        /// What stands against it.
        message: String,
    },
    /// The registry could not be read or written.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

impl ApproveError {
    /// One fixed word: exit code, metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unclear { .. } => "usage",
            Self::Nothing | Self::Other { .. } => "missing",
            Self::Refused { .. } => "refused",
            Self::Reconcile(error) => error.kind(),
        }
    }
}

impl From<sqlx::Error> for ApproveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Reconcile(error.into())
    }
}

/// What was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The plan's fingerprint, whole.
    pub fingerprint: String,
    /// It was approved before.
    pub already: bool,
}

/// Lets the daemon apply the plan that waits, if it is the one of this fingerprint (`sha256:…`, or its first digits); once, and not if
/// it changes before that. With an audit row, and the daemons woken.
///
/// # Errors
/// Another plan waits, or none, or one that no approval helps; what the server says.
pub async fn approve(
    conn: &mut PgConnection,
    registry: &str,
    by: &Owner,
    fingerprint: &str,
) -> Result<Approved, ApproveError> {
    let wanted = fingerprint.trim().to_ascii_lowercase();
    let digits = wanted.strip_prefix("sha256:").unwrap_or(&wanted);
    if digits.len() < DIGITS || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(ApproveError::Unclear { given: fingerprint.to_owned() });
    }
    let meta = registry::state(conn, registry).await.map_err(ReconcileError::from)?;
    let meta = meta.usable(registry).map_err(ReconcileError::from)?;
    if meta.is_none_or(|meta| meta.format < registry::DAEMONS) {
        return Err(ApproveError::Nothing);
    }
    let mut transaction = conn.begin().await?;
    let sql = AssertSqlSafe(in_schema(PENDING, registry));
    let row = sqlx::query(sql).bind(&by.project).fetch_optional(&mut *transaction).await?;
    let Some(row) = row else { return Err(ApproveError::Nothing) };
    let status: String = row.try_get("status")?;
    let pending: Option<String> = row.try_get("fingerprint")?;
    let Some(pending) = pending.filter(|_| status == "pending") else { return Err(ApproveError::Nothing) };
    if !pending.trim_start_matches("sha256:").starts_with(digits) {
        return Err(ApproveError::Other { pending });
    }
    let refused = row.try_get::<Option<Value>, _>("refused")?.unwrap_or_default();
    let refused: Vec<Refusal> = serde_json::from_value(refused).unwrap_or_default();
    if let Some(refusal) = refused.iter().find(|refusal| !refusal.allowable) {
        return Err(ApproveError::Refused { message: format!("{}: {}", refusal.address, refusal.message) });
    }
    let already = row.try_get::<Option<String>, _>("approved")?.as_ref() == Some(&pending);
    if !already {
        let sql = AssertSqlSafe(in_schema(APPROVE, registry));
        sqlx::query(sql).bind(&by.project).bind(&by.who).execute(&mut *transaction).await?;
        let detail = json!({ "refused": refused });
        let audited = audit(&mut transaction, registry, by, "approve", Some(&pending), &detail).await;
        audited.map_err(ReconcileError::from)?;
    }
    // Who asks twice may do so because nobody heard it.
    wake(&mut transaction, &by.project, "approval").await.map_err(ReconcileError::from)?;
    transaction.commit().await?;
    Ok(Approved { fingerprint: pending, already })
}
