//! The marts before and after a migration: what compiles, and what the next apply would do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::catalog::Actual;
use crate::compile::Tried;
use crate::manifest::Desired;
use crate::plan::{self, Change, Drift, Options, PlanError, PlanProblem, Refusal};
use crate::state::QName;

/// One side of the comparison.
pub(super) struct Side<'a> {
    pub actual: &'a Actual,
    pub tried: Tried,
    /// What the next apply would do, by address.
    pub changes: BTreeMap<String, Change>,
    /// What it would find changed by hand.
    pub drift: Vec<Drift>,
    /// Why it would be refused.
    pub refused: Vec<Refusal>,
    /// What the manifests ask for and cannot get.
    pub problems: Vec<PlanProblem>,
}

impl<'a> Side<'a> {
    /// Plans the marts that compile; those with problems are left out after these are noted.
    pub fn new(desired: &'a Desired, actual: &'a Actual, tried: Tried, options: &Options, now: DateTime<Utc>) -> Self {
        let failed = tried.failures.iter().map(|failure| &failure.mart).chain(&tried.skipped);
        let mut without: BTreeSet<QName> = failed.cloned().collect();
        let mut side = Self {
            actual,
            tried,
            changes: BTreeMap::new(),
            drift: Vec::new(),
            refused: Vec::new(),
            problems: Vec::new(),
        };
        loop {
            // What reads a mart that is left out cannot be planned, either.
            for mart in &desired.marts {
                if mart.upstream.iter().any(|up| without.contains(up)) {
                    without.insert(mart.mart.name.clone());
                }
            }
            let all = desired.marts.iter().map(|mart| mart.mart.name.clone());
            let select = all.filter(|name| !without.contains(name)).collect();
            let options = Options { select: Some(select), ..options.clone() };
            match plan::plan(desired, &side.tried.compiled, actual, &options, now) {
                Ok(plan) => {
                    side.changes = plan.changes.into_iter().map(|change| (change.address.clone(), change)).collect();
                    side.drift = plan.drift;
                    side.refused = plan.refused;
                    return side;
                }
                Err(PlanError::Problems { problems, .. }) => {
                    let before = without.len();
                    without.extend(problems.iter().map(|problem| problem.mart.clone()));
                    side.problems.extend(problems);
                    // A problem of what is left out already comes again with every plan.
                    if without.len() == before {
                        return side;
                    }
                }
            }
        }
    }
}
