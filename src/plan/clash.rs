//! Marts that have the names of other marts' versions.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::PlanProblem;
use super::version::newest;
use crate::catalog::Actual;
use crate::manifest::Desired;
use crate::state::{Part, QName, VersionOn, version_name};

/// The names that a mart has and a version of another mart, too, or needs next; with what is told of it.
pub(super) fn clashes(
    planned: &HashSet<&QName>,
    dropped: &BTreeSet<QName>,
    desired: &Desired,
    actual: &Actual,
) -> BTreeMap<QName, PlanProblem> {
    let mut versions: BTreeMap<QName, (&QName, u32)> = BTreeMap::new();
    for row in actual.recorded.values().filter(|row| !dropped.contains(&row.mart.name)) {
        versions
            .extend(row.versions.iter().map(|version| (version.mart.name.clone(), (&row.mart.name, version.number))));
    }
    for mart in &desired.marts {
        match &mart.part {
            Some(Part::Version { of, number, .. }) => {
                versions.insert(mart.mart.name.clone(), (of, *number));
            }
            Some(Part::Stable { whole, .. })
                if whole.versions.is_some_and(|v| v.on == VersionOn::Refresh && v.pin.is_none()) =>
            {
                // A refresh makes it, and looks at no manifest then.
                let next = newest(desired, &whole.name) + 1;
                versions.insert(version_name(&whole.name, next), (&whole.name, next));
            }
            _ => {}
        }
    }
    let marts = desired.marts.iter().filter(|mart| !matches!(mart.part, Some(Part::Version { .. })));
    marts
        .filter_map(|mart| {
            let name = &mart.mart.name;
            let (of, number) = versions.get(name)?;
            let told = planned.contains(name) || planned.contains(of);
            told.then(|| {
                let problem = PlanProblem {
                    mart: name.clone(),
                    file: mart.file.clone(),
                    key: "name".to_owned(),
                    message: format!("version {number} of {of} needs that name"),
                    help: "give the mart another name; with `renamed_from` it keeps its rows".to_owned(),
                };
                (name.clone(), problem)
            })
        })
        .collect()
}
