//! `approve`: lets the daemon apply the plan that waits.

use datamart::database::registry::Owner;
use datamart::reconcile::{self, ApproveError};
use serde_json::json;

use super::args::{ApproveArgs, Globals};
use super::context::Context;
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::{Exit, host, who};

/// Approves exactly the plan of that fingerprint.
///
/// # Errors
/// Another plan waits, or none, or one that no approval helps.
pub async fn run(args: &ApproveArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "approve").await?;
    let schema = context.registry_schema().to_owned();
    let by = Owner { project: context.project().to_owned(), who: who(), host: host() };
    let approved = reconcile::approve(&mut context.conn, &schema, &by, &args.fingerprint).await?;
    context.close().await?;
    if style.json() {
        print::json(&json!({ "approved": approved.fingerprint, "already": approved.already }));
    } else {
        let before = if approved.already { " before" } else { "" };
        print::out(&format!("Approved{before}: {}. The daemon applies it now.", approved.fingerprint));
    }
    Ok(Exit::Done)
}

impl From<ApproveError> for CommandError {
    fn from(error: ApproveError) -> Self {
        let (kind, message) = (error.kind(), error.to_string());
        match error {
            ApproveError::Reconcile(error) => error.into(),
            ApproveError::Nothing | ApproveError::Other { .. } => {
                Self::new(kind, message).help("`datamart status` shows what waits")
            }
            ApproveError::Unclear { .. } | ApproveError::Refused { .. } => Self::new(kind, message),
        }
    }
}
