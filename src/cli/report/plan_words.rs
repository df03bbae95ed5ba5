//! What every form of a plan says in the same words.

use datamart::plan::{Plan, Refusal, Step};

/// The flag that lets a refused plan through, where one does.
pub fn allowing(refused: &[Refusal]) -> Option<String> {
    if refused.is_empty() || refused.iter().any(|refusal| !refusal.allowable) {
        return None;
    }
    let mut kinds: Vec<&str> = refused.iter().map(|refusal| refusal.hazard.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Some(format!("--allow {}", kinds.join(",")))
}

/// `Plan: 2 to add, …`, or that nothing changes.
pub fn summary(plan: &Plan) -> String {
    let s = &plan.summary;
    if plan.is_empty() {
        return match plan.marts {
            1 => "No changes. 1 mart is up to date.".to_owned(),
            marts => format!("No changes. {marts} marts are up to date."),
        };
    }
    format!("Plan: {} to add, {} to change, {} to replace, {} to destroy.", s.add, s.change, s.replace, s.destroy)
}

/// A line before the query of a check: it is no statement like others.
pub fn check(step: &Step) -> Option<String> {
    let check = step.check.as_ref()?;
    let name: String = check.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(format!("-- check {name} ({}): no row may come\n", check.severity.as_str()))
}
