//! What depends on marts and is none: it follows a mart that is exchanged, as it is.

use super::aspect::Mode;
use super::target::Target;
use super::{Hazard, HazardKind};
use crate::catalog::{Actual, Recorded, Relation};
use crate::compile::{Compiled, Following, upstream_first};
use crate::manifest::Desired;
use crate::state::{Part, QName, VersionOn};

/// The marts and what may have to follow them, upstream first.
pub(super) fn targets<'a>(desired: &'a Desired, compiled: &'a Compiled, actual: &'a Actual) -> Vec<Target<'a>> {
    let mut targets: Vec<Target<'a>> =
        desired.marts.iter().map(|mart| Target::new(mart, compiled, actual, &desired.project)).collect();
    if compiled.followers.is_empty() {
        return targets;
    }
    let nothing = Compiled::default();
    targets.extend(compiled.followers.iter().map(|follower| {
        let target = Target::new(&follower.desired, &nothing, actual, &desired.project);
        match &follower.compiled {
            None => Target { follower: Some(follower), ..target },
            Some(is) => Target {
                follower: Some(follower),
                compiled: true,
                definition: is.definition.clone(),
                columns: is.columns.clone(),
                reads: is.reads.clone(),
                ..target
            },
        }
    }));
    let name = |target: &Target<'_>| target.mart.name.clone();
    let reads = |target: &Target<'_>| target.reads.union(&target.desired.upstream).cloned().collect();
    let (order, circle) = upstream_first(&targets, name, reads);
    let mut places: Vec<Option<Target<'a>>> = targets.into_iter().map(Some).collect();
    order.into_iter().chain(circle).filter_map(|at| places.get_mut(at)?.take()).collect()
}

/// Why a follower changes: what pulls it, and whose it is.
pub(super) fn reasons(target: &Target<'_>, pulled: Vec<String>, mode: Mode, actual: &Actual) -> Vec<String> {
    let name = &target.mart.name;
    let project = actual.followers.get(name).and_then(|follower| follower.declared.as_ref());
    let whose = match (version(actual, name), project) {
        (Some((row, number)), _) => format!("version {number} of {}, an older one", row.mart.name),
        (None, Some((project, _))) => format!("a mart of project {project}"),
        (None, None) => "not managed".to_owned(),
    };
    let end = match mode {
        Mode::Drop => "cannot follow",
        Mode::Rebuild if whose.starts_with("version ") => "computed anew by its own query",
        _ => "kept as it is",
    };
    [whose].into_iter().chain(pulled).chain([end.to_owned()]).collect()
}

/// The mart of which a relation is an older version, and its number.
fn version<'a>(actual: &'a Actual, name: &QName) -> Option<(&'a Recorded, u32)> {
    let versions = actual.recorded.values().flat_map(|row| row.versions.iter().map(move |version| (row, version)));
    let mut versions = versions.filter(|(row, _)| !matches!(row.part, Some(Part::Version { .. })));
    versions.find(|(_, version)| version.mart.name == *name).map(|(row, version)| (row, version.number))
}

/// That the rows of a snapshot go, as what it reads is exchanged.
pub(super) fn recomputed(target: &Target<'_>, live: &Relation, mode: Mode, actual: &Actual) -> Option<Hazard> {
    let (row, number) = version(actual, &live.name)?;
    let snapshots = row.mart.versions.is_some_and(|versions| versions.on == VersionOn::Refresh);
    (mode == Mode::Rebuild && target.has_data() && snapshots && live.populated).then(|| {
        let message = format!("version {number} is computed anew from what there is now; the rows it was made with go");
        Hazard::new(HazardKind::DeletesData, message)
    })
}

/// That it goes, as it cannot follow.
pub(super) fn lost(live: &Relation, following: &Following) -> Hazard {
    let why = following.lost.as_deref().unwrap_or_default();
    let message = format!("the {} {} cannot follow and would be dropped: {why}", live.kind.label(), live.name);
    Hazard::new(HazardKind::BreaksDependents, message)
}
