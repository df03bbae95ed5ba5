//! One revision against the database: planned, and applied where the policy allows it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use globset::{Glob, GlobMatcher};
use serde_json::Value;
use sqlx::PgConnection;

use super::record::{self, Reached, Told};
use super::wanted::Wanted;
use super::{Outcome, ReconcileError, Seen, change, overrides, planning};
use crate::apply::{ApplyError, By};
use crate::database::Endpoint;
use crate::manifest::{self, Desired, Project, Prune};
use crate::plan::{HazardKind, Heal, Options, Plan};

/// How long a revision waits for refreshes that are at work on its marts, and for somebody's apply.
const WAIT: Duration = Duration::from_secs(30);
/// So often a plan is made again at once, because somebody changed what it had read.
const TRIES: u32 = 3;

/// What a revision came to.
pub(super) struct Attempt {
    pub seen: Seen,
    pub outcome: Outcome,
    pub told: Told,
}

/// Why it came to nothing, and of which plan.
pub(super) struct Failure {
    pub error: ReconcileError,
    pub fingerprint: Option<String>,
}

impl<E: Into<ReconcileError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), fingerprint: None }
    }
}

/// What the project's policy says about every plan.
///
/// # Errors
/// A hazard or a pattern nobody knows.
pub fn policy(project: &Project) -> Result<(BTreeSet<HazardKind>, Vec<GlobMatcher>), ReconcileError> {
    let policy = &project.policy;
    let refused = |key: &str, message: String| ReconcileError::Policy { message: format!("policy.{key}: {message}") };
    let words = policy.allow_hazards.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
    let allow = words.map(|word| word.parse().map_err(|message| refused("allow_hazards", message)));
    let glob = |pattern: &String| match Glob::new(pattern) {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(refused("ignore_drift", error.to_string())),
    };
    Ok((allow.collect::<Result<_, _>>()?, policy.ignore_drift.iter().map(glob).collect::<Result<_, _>>()?))
}

/// How a daemon plans.
///
/// # Errors
/// A hazard or a pattern nobody knows.
pub(super) fn options(desired: &Desired, endpoint: &Endpoint, heal: Heal) -> Result<Options, ReconcileError> {
    let (allow, ignore) = policy(&desired.project)?;
    Ok(Options {
        // What somebody changed by hand is put back without any risk, whatever may be risked for a commit.
        allow: if heal == Heal::Nothing { allow } else { BTreeSet::new() },
        prune: desired.project.policy.prune == Prune::Always,
        heal,
        select: None,
        revision: manifest::revision(&desired.dir),
        database: endpoint.label().to_owned(),
        ignore,
        adopt: BTreeMap::new(),
        respelled: BTreeMap::new(),
    })
}

/// Plans a revision, and applies what the policy or an approval allows. Nothing is written where nothing is to be changed.
///
/// # Errors
/// What is wrong with it, or with the database.
pub(super) async fn attempt(
    conn: &mut PgConnection,
    endpoint: &Endpoint,
    desired: &Desired,
    (by, wanted): (&By, &Wanted),
    now: DateTime<Utc>,
) -> Result<Attempt, Failure> {
    let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
    record::prepare(conn, schema).await?;
    let mut tries = 1;
    loop {
        let seen = planning::look(conn, desired).await?;
        let options = options(desired, endpoint, Heal::Nothing)?;
        let mut plan = planning::plan(conn, desired, &seen, options, false, now).await?;
        if !plan.refused.is_empty() {
            let approved = record::approved(conn, schema, project).await?;
            if approved.as_ref() != Some(&plan.fingerprint.0) || !allowable(&plan) {
                return Ok(pending(seen, &plan));
            }
            plan.refused.clear();
        }
        if plan.is_empty() && plan.steps.is_empty() && plan.records.is_empty() {
            let seen = in_force(conn, desired, by, seen).await?;
            return Ok(Attempt { seen, outcome: Outcome::Unchanged, told: good(Reached::Same) });
        }
        match change::make(conn, endpoint, &desired.project, &plan, by, (WAIT, wanted)).await {
            Ok(applied) => {
                let seen = planning::look(conn, desired).await?;
                let seen = in_force(conn, desired, by, seen).await?;
                // Rows of the registry that were brought up to date are no change.
                if plan.is_empty() {
                    return Ok(Attempt { seen, outcome: Outcome::Unchanged, told: good(Reached::Same) });
                }
                // So are the rows of marts that it did not change.
                let mut marts = applied.marts;
                marts.retain(|mart| plan.changes.iter().any(|change| change.address == *mart));
                let outcome = Outcome::Applied { marts, fingerprint: plan.fingerprint.0 };
                return Ok(Attempt { seen, outcome, told: good(Reached::Now) });
            }
            Err(ReconcileError::Apply(error)) if tries < TRIES && matches!(*error, ApplyError::Stale { .. }) => {
                tries += 1
            }
            Err(error) => return Err(Failure { error, fingerprint: Some(plan.fingerprint.0) }),
        }
    }
}

/// These manifests are in force: schedules that held until a mart's file changed are forgotten.
async fn in_force(conn: &mut PgConnection, desired: &Desired, by: &By, seen: Seen) -> Result<Seen, ReconcileError> {
    if seen.actual.overrides.0.is_empty() || overrides::expire(conn, desired, by).await?.is_empty() {
        return Ok(seen);
    }
    planning::look(conn, desired).await
}

/// Whether an approval helps.
pub(super) fn allowable(plan: &Plan) -> bool {
    plan.refused.iter().all(|refusal| refusal.allowable)
}

fn good(reached: Reached) -> Told {
    Told { reached, status: "applied", reason: "Applied", message: None, problems: None, plan: None, fingerprint: None }
}

fn pending(seen: Seen, plan: &Plan) -> Attempt {
    let messages: Vec<String> = plan
        .refused
        .iter()
        .map(|refusal| format!("{}: {} ({})", refusal.address, refusal.message, refusal.hazard))
        .collect();
    let message = messages.join("; ");
    let fingerprint = plan.fingerprint.0.clone();
    let told = Told {
        reached: Reached::Nothing,
        status: "pending",
        reason: if allowable(plan) { "ApprovalNeeded" } else { "Refused" },
        message: Some(message.clone()),
        problems: None,
        plan: Some(serde_json::to_value(plan).unwrap_or(Value::Null)),
        fingerprint: Some(fingerprint.clone()),
    };
    Attempt { seen, outcome: Outcome::Pending { fingerprint, message, allowable: allowable(plan), new: false }, told }
}
