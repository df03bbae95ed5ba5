//! What of a plan is committed together.

use crate::build::Frame;
use crate::plan::{Plan, Record, Step};

/// A transaction of a plan, or a statement that runs alone, perhaps beside others like it.
pub(super) enum Unit<'a> {
    Transaction { steps: Vec<&'a Step>, records: Vec<&'a Record> },
    Alone(Vec<&'a Step>),
}

impl<'a> Unit<'a> {
    /// Its statements.
    pub fn steps(&self) -> &[&'a Step] {
        match self {
            Self::Transaction { steps, .. } | Self::Alone(steps) => steps,
        }
    }
}

/// The plan's transactions and lone statements, in order.
pub(super) fn units(plan: &Plan) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut numbers: Vec<Option<u32>> = Vec::new();
    for step in &plan.steps {
        match (step.transaction, units.last_mut()) {
            (None, Some(Unit::Alone(steps)))
                if step.beside && steps.iter().all(|other| other.beside && other.mart == step.mart) =>
            {
                steps.push(step);
            }
            (None, _) => {
                units.push(Unit::Alone(vec![step]));
                numbers.push(None);
            }
            (number, Some(Unit::Transaction { steps, .. })) if numbers.last() == Some(&number) => steps.push(step),
            (number, _) => {
                units.push(Unit::Transaction { steps: vec![step], records: Vec::new() });
                numbers.push(number);
            }
        }
    }
    for record in &plan.records {
        let place = numbers.iter().position(|n| *n == Some(record.transaction));
        match place.and_then(|at| units.get_mut(at)) {
            Some(Unit::Transaction { records, .. }) => records.push(record),
            // Only the registry changes: after every transaction with a smaller number.
            _ => {
                let at =
                    numbers.iter().position(|n| n.is_some_and(|n| n > record.transaction)).unwrap_or(numbers.len());
                units.insert(at, Unit::Transaction { steps: Vec::new(), records: vec![record] });
                numbers.insert(at, Some(record.transaction));
            }
        }
    }
    units
}

/// What the session is set to for a step.
pub(super) fn frame(step: &Step) -> Frame {
    Frame {
        role: step.role.clone(),
        settings: step.settings.clone(),
        lock_timeout_ms: step.lock_timeout_ms,
        statement_timeout_ms: step.statement_timeout_ms,
    }
}
