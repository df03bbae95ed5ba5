//! Taking back what an apply that ended early leaves behind, and what would stand in the way of rows that marts may have.

use sqlx::PgConnection;

use super::ApplyError;
use super::units::frame;
use crate::build::{self, Frame, SessionState, Tries};
use crate::plan::Step;

/// There is a relation of that name.
const DUPLICATE: &str = "42P07";
/// Readers and writers wait behind it for no longer, a try.
const LOCK_TIMEOUT_MS: u64 = 100;

/// Takes back what `steps` made, the last one first. The caller holds the locks still. What cannot be is left to the next apply.
pub(super) async fn undo(conn: &mut PgConnection, steps: &[&Step], error: &ApplyError) {
    for step in steps.iter().rev() {
        let failed = match error {
            // What had the name already is not what it made.
            ApplyError::Step { sql, source, .. } if *sql == step.sql && source.is(DUPLICATE) => continue,
            ApplyError::Step { sql, .. } => *sql == step.sql,
            _ => false,
        };
        let Some(undo) = step.undo.as_ref().filter(|undo| failed || !undo.failed) else { continue };
        let frame = Frame { lock_timeout_ms: LOCK_TIMEOUT_MS, ..frame(step) };
        let mut tries = Tries::default();
        loop {
            let mut session = SessionState::alone();
            let outcome = build::run(conn, &mut session, &frame, &undo.sql).await;
            let left = session.leave(conn).await;
            let Err(error) = outcome else { break };
            if left.is_err() || !tries.again(&error).await {
                return;
            }
        }
    }
}
