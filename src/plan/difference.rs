//! Where a live mart is not what it should be, aspect by aspect, and how that is mended.

use std::collections::BTreeSet;

use super::aspect::{Cause, Difference, Fix, cause};
use super::divided;
use super::grants;
use super::indexes;
use super::target::Target;
use crate::catalog::{Actual, Applied, Relation};
use crate::compile::{canonical, settings_changed};
use crate::state::{GrantDecl, QName};

/// Everything in which `live` is not `target`.
pub(crate) fn differences(
    target: &Target<'_>,
    live: &Relation,
    actual: &Actual,
    renames: &[(QName, QName)],
    respelled: Option<bool>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let empty = Applied::default();
    let applied = target.recorded.map_or(&empty, |r| &r.applied);
    if let Some(kind) = kind(target) {
        // Everything else is built as declared.
        return vec![kind];
    }
    query(&mut found, target, live, actual, renames, respelled);
    divided::differences(&mut found, target, live, actual);
    indexes::differences(&mut found, target, live, applied, actual);
    if target.mart.kind.is_table() {
        indexes::constraints(&mut found, target, live, applied);
    }
    owner_and_comments(&mut found, target, live, applied);
    options(&mut found, target, live, applied);
    if let Some(declared) = &target.mart.grants {
        // An owner has every right, whatever is granted.
        let owner = target.mart.owner.as_ref().unwrap_or(&live.owner);
        let differences = grants::differences(declared, &live.grants, actual.server.major());
        for (role, expected, actual_grants, fix) in differences.into_iter().filter(|(role, ..)| role != owner) {
            let was = grants::of_role(&applied.grants, &role, actual.server.major());
            let before = target.recorded.and_then(|recorded| recorded.mart.grants.as_deref()).unwrap_or_default();
            let redeclared = grants::of_role(before, &role, actual.server.major()) != expected;
            let upgraded = |has: &[GrantDecl]| !redeclared && grants::came_with_an_upgrade(declared, has, &role);
            // Afterwards the registry holds what the upgrade made, and what is given or taken by hand differs from it.
            if (applied.major < 17 || was == actual_grants) && upgraded(&live.grants) {
                continue;
            }
            let cause = cause(was == expected || upgraded(&applied.grants));
            found.push(Difference {
                aspect: format!("grants:{role}"),
                cause,
                expected: (!expected.is_empty()).then_some(expected),
                actual: (!actual_grants.is_empty()).then_some(actual_grants),
                fix: Fix::Grant(fix),
            });
        }
    }
    found
}

fn kind(target: &Target<'_>) -> Option<Difference> {
    let recorded = target.recorded.map_or(target.mart.kind, |r| r.mart.kind);
    (recorded != target.mart.kind).then(|| Difference {
        aspect: "type".to_owned(),
        cause: Cause::Declared,
        expected: Some(target.mart.kind.as_str().to_owned()),
        actual: Some(recorded.as_str().to_owned()),
        fix: Fix::Rebuild,
    })
}

fn query(
    found: &mut Vec<Difference>,
    target: &Target<'_>,
    live: &Relation,
    actual: &Actual,
    renames: &[(QName, QName)],
    respelled: Option<bool>,
) {
    let empty = Applied::default();
    let applied = target.recorded.map_or(&empty, |r| &r.applied);
    let mut push = |aspect: &str, cause, expected: String, was: String, fix| {
        found.push(Difference { aspect: aspect.to_owned(), cause, expected: Some(expected), actual: Some(was), fix });
    };
    // Another major prints the same query in other words: what was applied is read again instead of compared. `respelled` tells whether it
    // still says the same.
    let same_major = applied.major == actual.server.major();
    let redeclared = if same_major {
        target.compiled && target.definition != target.with_new_names(&applied.compiled, renames)
    } else {
        target.recorded.is_some_and(|r| r.applied.query != target.mart.query_fingerprint().0)
    };
    // Mostly it reads as it was applied, which costs the least to see.
    let reads_otherwise = live
        .definition
        .as_ref()
        .is_some_and(|text| *text != applied.definition && canonical(text) != canonical(&applied.definition));
    // As it will read when marts have their new names: one that reads a mart by name may come to read another one.
    let reads_as = |text: &str| target.with_new_names(&canonical(text), renames) == target.definition;
    let is_target = || live.definition.as_deref().is_some_and(reads_as);
    let drifted = respelled.map_or(same_major && reads_otherwise, |same| !same);
    let settings = target.recorded.is_some_and(|r| settings_changed(target.mart, &r.mart));
    if redeclared && !is_target() {
        let was = live.definition.clone().unwrap_or_else(|| applied.compiled.clone());
        push("definition", Cause::Declared, target.definition.clone(), was, Fix::Definition);
    } else if drifted && !is_target() {
        let was = live.definition.clone().unwrap_or_default();
        let expected = if same_major { &applied.definition } else { &target.definition };
        push("definition", Cause::Drift, expected.clone(), was, Fix::Definition);
    } else if !target.same_columns(&live.columns) {
        let list = |columns: &[crate::catalog::Column]| {
            let words = columns.iter().map(|c| format!("{} {}", c.name, c.type_name));
            words.collect::<Vec<_>>().join("\n")
        };
        let cause = cause(target.same_columns(&applied.columns));
        push("columns", cause, list(&target.columns), list(&live.columns), Fix::Rebuild);
    } else if settings && target.has_data() {
        let list = |mart: &crate::state::Mart| {
            let words = mart.settings().into_iter().map(|(key, value)| format!("{key} = {value}"));
            words.collect::<Vec<_>>().join("\n")
        };
        let was = target.recorded.map(|r| list(&r.mart)).unwrap_or_default();
        push("settings", Cause::Declared, list(target.mart), was, Fix::Rebuild);
    }
    if target.has_data() && !same_tablespace(&target.mart.tablespace, &live.tablespace, actual) {
        let word = |name: &Option<String>| name.clone().unwrap_or_else(|| "(the database's)".into());
        let cause = cause(target.mart.tablespace == applied.tablespace);
        push("tablespace", cause, word(&target.mart.tablespace), word(&live.tablespace), Fix::Rebuild);
    }
}

/// PostgreSQL stores nothing where a tablespace is the database's own.
pub(super) fn same_tablespace(a: &Option<String>, b: &Option<String>, actual: &Actual) -> bool {
    let own = actual.server.default_tablespace.as_ref();
    a.as_ref().filter(|name| Some(*name) != own) == b.as_ref().filter(|name| Some(*name) != own)
}

fn owner_and_comments(found: &mut Vec<Difference>, target: &Target<'_>, live: &Relation, applied: &Applied) {
    let mart = target.mart;
    if let Some(owner) = mart.owner.as_ref().filter(|o| **o != live.owner) {
        found.push(Difference {
            aspect: "owner".into(),
            cause: cause(applied.owner == *owner),
            expected: Some(owner.clone()),
            actual: Some(live.owner.clone()),
            fix: Fix::Owner(owner.clone()),
        });
    }
    let was_managed = target.recorded.is_some_and(|r| r.mart.description.is_some());
    // A description taken out of the manifest takes its comment with it; one that never was there is nobody's.
    let managed = mart.description.is_some() || (was_managed && live.comment == applied.comment);
    if managed && mart.description != live.comment {
        found.push(Difference {
            aspect: "description".into(),
            cause: cause(applied.comment == mart.description),
            expected: mart.description.clone(),
            actual: live.comment.clone(),
            fix: Fix::Comment(mart.description.clone()),
        });
    }
    for column in &live.columns {
        let declared = mart.columns.get(&column.name).and_then(|c| c.description.clone());
        let before = target.recorded.and_then(|r| r.mart.columns.get(&column.name)?.description.clone());
        let managed = declared.is_some() || (before.is_some() && before == column.comment);
        if managed && declared != column.comment {
            let was = applied.columns.iter().find(|c| c.name == column.name);
            let fix = Fix::ColumnComment(column.name.clone(), declared.clone());
            found.push(Difference {
                aspect: format!("description:{}", column.name),
                cause: cause(was.is_some_and(|c| c.comment == declared)),
                expected: declared,
                actual: column.comment.clone(),
                fix,
            });
        }
    }
}

fn options(found: &mut Vec<Difference>, target: &Target<'_>, live: &Relation, applied: &Applied) {
    if target.mart.partition.is_some() && live.partitions.is_empty() {
        // Its partitions have them.
        return;
    }
    let names: BTreeSet<&String> = target.mart.with.keys().chain(live.options.keys()).collect();
    for name in names {
        let expected = target.mart.with.get(name);
        let actual = live.options.get(name);
        if same_option(expected, actual) {
            continue;
        }
        let fix = match expected {
            Some(value) => Fix::SetOption(name.clone(), value.clone()),
            None => Fix::ResetOption(name.clone()),
        };
        found.push(Difference {
            aspect: format!("options:{name}"),
            cause: cause(same_option(applied.options.get(name), expected)),
            expected: expected.cloned(),
            actual: actual.cloned(),
            fix,
        });
    }
}

/// PostgreSQL keeps an option's value as it was typed: `on`, `true` and `1` are one.
fn same_option(a: Option<&String>, b: Option<&String>) -> bool {
    let plain = |value: &String| match value.to_ascii_lowercase().as_str() {
        "on" | "yes" | "1" | "true" => "true".to_owned(),
        "off" | "no" | "0" | "false" => "false".to_owned(),
        other => other.to_owned(),
    };
    a.map(plain) == b.map(plain)
}
