//! What a plan says about marts that writers keep.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::keeper_function::Function;
use super::wanted::Keeping;
use crate::plan::{Action, Change, Drift, Hazard, HazardKind, drift};
use crate::sql::told_apart;
use crate::state::{Kind, Mart};

/// A change of what keeps a mart; `None`: it goes.
pub(super) fn change(address: &str, reason: &str, kept: Option<(&Keeping<'_>, &Function)>) -> Change {
    let mut change = Change {
        address: address.to_owned(),
        kind: Kind::Table,
        action: Action::Update,
        reason: reason.to_owned(),
        before: Value::Null,
        after: Value::Null,
        diff: String::new(),
        hazards: Vec::new(),
        file: None,
        origins: BTreeMap::new(),
    };
    let Some((kept, function)) = kept else { return change };
    let after = format!("function {}", function.signature());
    change.diff = drift::unified("", &after, "kept (now)", "kept (new)");
    change.file = kept.file.as_ref().map(|file| file.display().to_string());
    let one_by_one = match told_apart(kept.changes) {
        Some(_) => "those of one group one after the other",
        None => "one after the other",
    };
    let message = format!(
        "who writes to what it reads computes the rows of the groups it touched before it commits, {one_by_one}, and fails where \
         the query fails; with `fresh = true` reads are as exact, and writers pay nothing"
    );
    change.hazards.push(Hazard::new(HazardKind::CapturesWrites, message));
    change
}

/// What keeps a mart is not as it was made.
pub(super) fn drifted(mart: &Mart, function: &Function, works: bool) -> Option<Drift> {
    let expected = function.create().join(";\n");
    let (what, actual) = match works {
        true => ("was changed", "another function"),
        false => ("was removed or disabled", "a trigger that does not fire, or none"),
    };
    Some(Drift {
        address: mart.name.to_string(),
        kind: mart.kind,
        aspect: "commit".to_owned(),
        message: format!("what keeps it as writers commit {what}"),
        diff: drift::unified(&expected, actual, "as applied", "in the database"),
        expected: Some(expected),
        actual: Some(actual.to_owned()),
    })
}
