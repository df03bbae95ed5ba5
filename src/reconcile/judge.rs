//! What an error means for a revision.

use super::ReconcileError;
use crate::compile::CompileError;
use crate::manifest::ManifestError;

/// The registry's words for an error: a revision that cannot be, or one that could not be made.
pub(super) fn judge(error: &ReconcileError) -> (&'static str, &'static str) {
    match error {
        ReconcileError::Manifest(ManifestError::Invalid { .. }) | ReconcileError::Policy { .. } => {
            ("invalid", "ManifestInvalid")
        }
        ReconcileError::Manifest(_) => ("invalid", "Unreadable"),
        ReconcileError::Compile { source: CompileError::Refused { .. }, .. } => ("invalid", "QueryRefused"),
        ReconcileError::Plan(_) => ("invalid", "PlanImpossible"),
        ReconcileError::Git(_) => ("failed", "SourceUnreachable"),
        ReconcileError::Lock(_) => ("failed", "Locked"),
        ReconcileError::Apply(_) => ("failed", "ApplyFailed"),
        _ => ("failed", "DatabaseFailed"),
    }
}

/// Whether the same may pass when it is tried again.
pub(super) fn passes(error: &ReconcileError) -> bool {
    const PASSING: &[&str] = &[
        "connection",
        "lock",
        "timeout",
        "serialization",
        "resource",
        "stale",
        "cancelled",
        "read_only",
        "authentication",
    ];
    PASSING.contains(&error.kind())
}
