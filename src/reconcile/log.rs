//! What a daemon says while it works.

use super::{Drifted, Outcome, Reconciled};
use crate::refresh::Run;

/// How a run ended.
pub(super) fn run(run: &Run) {
    let (status, method) = (run.status.as_str(), run.method.map(|method| method.as_str()));
    let (rows, ms) = (run.row_count, run.duration_ms);
    match &run.error {
        None => tracing::info!(method, status, rows, ms, reason = run.reason, "refreshed"),
        Some(error) => {
            tracing::warn!(
                method,
                status,
                ms,
                kind = error.kind,
                sqlstate = error.sqlstate,
                error = error.message,
                detail = error.detail,
                "not refreshed"
            );
        }
    }
    if let Some(reason) = run.demoted() {
        tracing::warn!(reason, "all of its rows are computed from now on, until somebody asks for a full refresh");
    }
}

/// An error with what it comes from.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

/// What came of a look at the manifests.
pub(super) fn reconciled(reconciled: &Reconciled) {
    let revision = reconciled.revision.as_deref();
    match &reconciled.outcome {
        Outcome::Unchanged => tracing::debug!(revision, "the database is as the manifests say"),
        Outcome::Applied { marts, fingerprint } => applied(revision, marts, fingerprint),
        Outcome::Pending { fingerprint, message, allowable: true, new: true } => {
            tracing::warn!(revision, fingerprint, "a plan waits for approval: {message}");
        }
        Outcome::Pending { fingerprint, message, new: true, .. } => {
            tracing::warn!(revision, fingerprint, "a plan is refused, and no approval would help: {message}");
        }
        Outcome::Invalid { message, new: true } => {
            tracing::warn!(revision, "the revision is refused, the last good one stays in force: {message}");
        }
        Outcome::Failed { kind, message, new: true, .. } if kind == "git" => {
            tracing::warn!(
                revision,
                kind,
                "the repository cannot be read; what was fetched last stays in force: {message}"
            );
        }
        Outcome::Failed { kind, message, new: true, .. } => {
            tracing::warn!(revision, kind, "the revision could not be applied: {message}");
        }
        again => tracing::debug!(revision, outcome = again.as_str(), "as before"),
    }
}

/// What a revision changed.
pub(super) fn applied(revision: Option<&str>, marts: &[String], fingerprint: &str) {
    tracing::info!(revision, marts = marts.join(", "), fingerprint, "revision applied");
}

/// What was wrong with the manifests is over; where something was applied that is said already.
pub(super) fn recovered(reconciled: &Reconciled) {
    if reconciled.outcome == Outcome::Unchanged {
        tracing::info!(revision = reconciled.revision, "the database is as the manifests say again");
    }
}

/// What goes on being wrong after a look at the manifests that said something new.
pub(super) fn trouble(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Unchanged | Outcome::AsBefore | Outcome::Applied { .. } => None,
        Outcome::Pending { message, .. } | Outcome::Invalid { message, .. } | Outcome::Failed { message, .. } => {
            Some(message.clone())
        }
    }
}

/// What a look for drift found.
pub(super) fn drifted(drifted: &Drifted) {
    for drift in &drifted.new {
        tracing::warn!(mart = drift.address, aspect = drift.aspect, "drift: {}", drift.message);
    }
    for drift in &drifted.healed {
        tracing::info!(mart = drift.address, aspect = drift.aspect, "drift was put back: {}", drift.message);
    }
    for mart in &drifted.stalled {
        tracing::warn!(mart, "put back three times within an hour: somebody or something changes it again and again");
    }
    if let Some(trouble) = &drifted.trouble {
        tracing::warn!("cannot look for drift: {trouble}");
    }
}
