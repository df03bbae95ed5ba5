//! Who has the names that partitions need.

use std::collections::HashSet;

use super::PlanProblem;
use super::aspect::Fix;
use super::decision::Decision;
use super::divided::names;
use crate::catalog::Actual;
use crate::state::{Part, QName};

/// Names that its partitions need and something else has.
pub(super) fn problems(
    decision: &Decision<'_>,
    (moving, declared): (&HashSet<&QName>, &HashSet<&QName>),
    actual: &Actual,
) -> Vec<PlanProblem> {
    let target = &decision.target;
    let needed: Vec<&QName> = match decision.builds() {
        true => target.pieces.iter().map(|piece| &piece.name).collect(),
        false => decision.differences.iter().flat_map(|difference| needs(&difference.fix)).collect(),
    };
    let own: HashSet<&QName> = target.live.iter().flat_map(|live| &live.partitions).map(|part| &part.name).collect();
    // A mart stays where it is, whatever becomes of its relation.
    let goes = |name: &&QName| moving.contains(name) || !actual.taken.contains_key(*name);
    let in_the_way = |name: &&QName| !own.contains(name) && (declared.contains(name) || !goes(name));
    let found: Vec<String> = needed.into_iter().filter(in_the_way).map(QName::to_string).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let (has, is) = if found.len() == 1 { ("exists", "is no partition") } else { ("exist", "are no partitions") };
    let message = format!("{} {has} and {is} of {}", names(found.iter().map(String::as_str)), target.mart.name);
    vec![PlanProblem {
        mart: target.desired.part.as_ref().map_or(&target.mart.name, Part::mart).clone(),
        file: target.desired.file.clone(),
        key: "partition".to_owned(),
        message,
        help: "its partitions need these names; rename or drop what has them".to_owned(),
    }]
}

fn needs(fix: &Fix) -> Vec<&QName> {
    match fix {
        Fix::CreatePartition { name, .. } | Fix::RenamePartition { to: name, .. } => vec![name],
        Fix::DetachPartition { instead, .. } => instead.iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    }
}
