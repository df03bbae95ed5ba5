//! What depends on marts and is none: it follows a mart that is exchanged, as it is.

use super::aspect::Mode;
use super::target::Target;
use super::{Hazard, HazardKind};
use crate::catalog::{Actual, Relation};
use crate::compile::{Compiled, Following, upstream_first};
use crate::manifest::Desired;

/// The marts and what may have to follow them, upstream first.
pub(super) fn targets<'a>(desired: &'a Desired, compiled: &'a Compiled, actual: &'a Actual) -> Vec<Target<'a>> {
    let mut targets: Vec<Target<'a>> = desired.marts.iter().map(|mart| Target::new(mart, compiled, actual)).collect();
    if compiled.followers.is_empty() {
        return targets;
    }
    targets.extend(compiled.followers.iter().map(|follower| {
        let target = Target::new(&follower.desired, compiled, actual);
        Target { follower: Some(follower), ..target }
    }));
    let name = |target: &Target<'_>| target.mart.name.clone();
    let reads = |target: &Target<'_>| target.reads.union(&target.desired.upstream).cloned().collect();
    let (order, circle) = upstream_first(&targets, name, reads);
    let mut places: Vec<Option<Target<'a>>> = targets.into_iter().map(Some).collect();
    order.into_iter().chain(circle).filter_map(|at| places.get_mut(at)?.take()).collect()
}

/// Why a follower changes: what pulls it, and whose it is.
pub(super) fn reasons(target: &Target<'_>, pulled: Vec<String>, mode: Mode, actual: &Actual) -> Vec<String> {
    let project = actual.followers.get(&target.mart.name).and_then(|follower| follower.declared.as_ref());
    let whose = project.map_or_else(|| "not managed".to_owned(), |(project, _)| format!("a mart of project {project}"));
    let end = if mode == Mode::Drop { "cannot follow" } else { "kept as it is" };
    [whose].into_iter().chain(pulled).chain([end.to_owned()]).collect()
}

/// That it goes, as it cannot follow.
pub(super) fn lost(live: &Relation, following: &Following) -> Hazard {
    let why = following.lost.as_deref().unwrap_or_default();
    let message = format!("the {} {} cannot follow and would be dropped: {why}", live.kind.label(), live.name);
    Hazard::new(HazardKind::BreaksDependents, message)
}
