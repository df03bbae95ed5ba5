//! Marts that writers kept and do not keep any more.

use super::wanted::asks;
use crate::catalog::Actual;
use crate::manifest::Desired;
use crate::plan::Drift;
use crate::state::Keeper;

/// Declared marts that were to be kept, and whose functions are gone: somebody removed them, or an apply did not come to its end.
pub(in crate::plan) fn gone(desired: &Desired, actual: &Actual) -> Vec<Drift> {
    let keeper = Keeper::new(&desired.project.registry_schema, &desired.project.name);
    let declared = desired.marts.iter().filter(|declared| declared.part.is_none() && asks(&declared.mart));
    let rows = declared.filter_map(|declared| actual.row(&declared.mart));
    let rows = rows.filter(|row| asks(&row.mart) && actual.relations.contains_key(&row.mart.name));
    let drift = rows.filter_map(|row| {
        let function = keeper.mart(&row.mart.name);
        (!actual.keepers.functions.contains_key(&function.name)).then(|| Drift {
            address: row.mart.name.to_string(),
            kind: row.mart.kind,
            aspect: "commit".to_owned(),
            message: "what keeps it as writers commit was removed".to_owned(),
            diff: format!("--- as applied\n+++ in the database\n@@ -1 +0,0 @@\n-function {function}\n"),
            expected: Some(format!("function {function}")),
            actual: None,
        })
    });
    drift.collect()
}
