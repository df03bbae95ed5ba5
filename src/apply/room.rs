//! Whether the disk has room for what a plan builds.

use sqlx::PgConnection;

use super::ApplyError;
use crate::build::lacking_room;
use crate::plan::{Action, Plan, Step};
use crate::state::QName;

/// Refuses a plan that builds marts anew for which the disk has no room.
pub(super) async fn room(conn: &mut PgConnection, plan: &Plan) -> Result<(), ApplyError> {
    let replaced = |mart: &QName| {
        let address = mart.to_string();
        let built = |step: &Step| step.mart == address && !step.publication && step.sql.starts_with("CREATE ");
        // What an interrupted apply had built has its room already.
        plan.changes.iter().any(|change| change.action == Action::Replace && change.address == address)
            && plan.steps.iter().any(built)
    };
    let marts: Vec<&QName> = plan.records.iter().map(|record| &record.mart).filter(|mart| replaced(mart)).collect();
    if marts.is_empty() {
        return Ok(());
    }
    match lacking_room(conn, &marts).await.map_err(ApplyError::Room)? {
        Some(error) => Err(ApplyError::Room(error)),
        None => Ok(()),
    }
}
