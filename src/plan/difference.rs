//! Where a live mart is not what it should be, aspect by aspect, and how that is mended.

use std::collections::{BTreeMap, BTreeSet};

use super::grants::{self, GrantFix};
use super::target::Target;
use crate::catalog::{Actual, Applied, Relation};
use crate::sql::index_body;
use crate::state::{Kind, QName};

/// Whose doing a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The manifest changed.
    Declared,
    /// Somebody changed the database.
    Drift,
    /// Something is missing: made again like anything new.
    Missing,
}

/// How a difference is mended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fix {
    /// Another kind, other columns, another tablespace: the relation is built anew.
    Rebuild,
    /// Another query.
    Definition,
    CreateIndex(String),
    /// The same name, another definition.
    ReplaceIndex(String),
    DropIndex(String),
    RenameIndex { from: String, to: String },
    AddPrimaryKey,
    DropConstraint(String),
    SetNotNull(String),
    DropNotNull(String),
    Owner(String),
    Comment(Option<String>),
    ColumnComment(String, Option<String>),
    SetOption(String, String),
    ResetOption(String),
    Grant(GrantFix),
}

/// One aspect that differs.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// `definition`, `indexes:NAME`, `owner` …
    pub aspect: String,
    pub cause: Cause,
    /// As it should be.
    pub expected: Option<String>,
    /// As it is.
    pub actual: Option<String>,
    pub fix: Fix,
}

/// Everything in which `live` is not `target`.
pub(crate) fn differences(
    target: &Target<'_>,
    live: &Relation,
    actual: &Actual,
    renames: &[(QName, QName)],
) -> Vec<Difference> {
    let mut found = Vec::new();
    let empty = Applied::default();
    let applied = target.recorded.map_or(&empty, |r| &r.applied);
    query(&mut found, target, live, actual, renames, applied);
    indexes(&mut found, target, live, applied);
    if target.mart.kind == Kind::Table {
        constraints(&mut found, target, live, applied);
    }
    owner_and_comments(&mut found, target, live, applied);
    options(&mut found, target, live, applied);
    if let Some(declared) = &target.mart.grants {
        for (role, expected, actual_grants, fix) in
            grants::differences(declared, &live.grants, actual.server.major())
        {
            let was = grants::of_role(&applied.grants, &role, actual.server.major());
            let cause = cause(was == expected);
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

fn cause(target_is_what_was_applied: bool) -> Cause {
    if target_is_what_was_applied {
        Cause::Drift
    } else {
        Cause::Declared
    }
}

fn query(
    found: &mut Vec<Difference>,
    target: &Target<'_>,
    live: &Relation,
    actual: &Actual,
    renames: &[(QName, QName)],
    applied: &Applied,
) {
    let mut push = |aspect: &str, cause, expected: String, was: String, fix| {
        found.push(Difference {
            aspect: aspect.to_owned(),
            cause,
            expected: Some(expected),
            actual: Some(was),
            fix,
        });
    };
    let recorded_kind = target.recorded.map_or(target.mart.kind, |r| r.mart.kind);
    if recorded_kind != target.mart.kind {
        let words = |k: Kind| k.as_str().to_owned();
        push("type", Cause::Declared, words(target.mart.kind), words(recorded_kind), Fix::Rebuild);
        return;
    }
    // Another major prints the same query in other words: what was applied is read again instead of compared.
    let same_major = applied.major == actual.server.major();
    let was_applied = target.with_new_names(&applied.definition, renames);
    let is = match &live.definition {
        Some(definition) => target.with_new_names(definition, renames),
        None => was_applied.clone(),
    };
    let changed = if same_major {
        target.definition != is
    } else {
        target.recorded.is_some_and(|r| r.applied.query != target.mart.query_fingerprint().0)
            && target.definition != is
    };
    if changed {
        let cause = cause(target.definition == was_applied);
        push("definition", cause, target.definition.clone(), is, Fix::Definition);
    } else if !target.same_columns(&live.columns) {
        let list = |columns: &[crate::catalog::Column]| {
            let words = columns.iter().map(|c| format!("{} {}", c.name, c.type_name));
            words.collect::<Vec<_>>().join("\n")
        };
        let cause = cause(target.same_columns(&applied.columns));
        push("columns", cause, list(&target.columns), list(&live.columns), Fix::Rebuild);
    }
    if target.has_data() && !same_tablespace(target, live, actual) {
        let word = |name: &Option<String>| name.clone().unwrap_or_else(|| "(the database's)".into());
        let cause = cause(target.mart.tablespace == applied.tablespace);
        push("tablespace", cause, word(&target.mart.tablespace), word(&live.tablespace), Fix::Rebuild);
    }
}

/// PostgreSQL stores nothing where a tablespace is the database's own.
fn same_tablespace(target: &Target<'_>, live: &Relation, actual: &Actual) -> bool {
    let resolve = |name: &Option<String>| {
        name.clone().filter(|n| Some(n) != actual.server.default_tablespace.as_ref())
    };
    resolve(&target.mart.tablespace) == resolve(&live.tablespace)
}

fn indexes(found: &mut Vec<Difference>, target: &Target<'_>, live: &Relation, applied: &Applied) {
    // A renamed mart's indexes are known by what they are, not by their names.
    let mut renamed: BTreeMap<&str, &str> = BTreeMap::new();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    if target.renamed_from().is_some() {
        for (name, index) in &target.indexes {
            let old = live.indexes.iter().find(|(old, is)| {
                *old != name
                    && !target.indexes.contains_key(*old)
                    && !taken.contains(old.as_str())
                    && is.unique == index.decl.unique
                    && index_body(&is.definition) == index.body
            });
            if let Some((old, _)) = old.filter(|_| !live.indexes.contains_key(name)) {
                taken.insert(old);
                renamed.insert(name, old);
            }
        }
    }
    for (name, index) in &target.indexes {
        let expected = Some(describe(index.decl.unique, &index.body, index.decl.tablespace.as_ref()));
        if let Some(old) = renamed.get(name.as_str()) {
            found.push(Difference {
                aspect: format!("indexes:{name}"),
                cause: Cause::Declared,
                expected: Some(name.clone()),
                actual: Some((*old).to_owned()),
                fix: Fix::RenameIndex { from: (*old).to_owned(), to: name.clone() },
            });
            continue;
        }
        let Some(is) = live.indexes.get(name) else {
            let known = applied.indexes.contains_key(name);
            found.push(Difference {
                aspect: format!("indexes:{name}"),
                cause: if known { Cause::Missing } else { Cause::Declared },
                expected,
                actual: None,
                fix: Fix::CreateIndex(name.clone()),
            });
            continue;
        };
        let body = index_body(&is.definition);
        let same = is.valid
            && is.unique == index.decl.unique
            && body == index.body
            && is.tablespace == index.decl.tablespace;
        if !same {
            let was = applied.indexes.get(name);
            let as_applied = was.is_some_and(|was| {
                was.unique == index.decl.unique && index_body(&was.definition) == index.body
            });
            let mut actual = describe(is.unique, body, is.tablespace.as_ref());
            if !is.valid {
                actual.push_str(" (invalid)");
            }
            found.push(Difference {
                aspect: format!("indexes:{name}"),
                cause: if is.valid { cause(as_applied) } else { Cause::Missing },
                expected,
                actual: Some(actual),
                fix: Fix::ReplaceIndex(name.clone()),
            });
        }
    }
    for (name, is) in &live.indexes {
        let declared = target.indexes.contains_key(name) || taken.contains(name.as_str());
        if is.primary || declared {
            continue;
        }
        let ours = applied.indexes.contains_key(name);
        let fix = match &is.constraint {
            Some(constraint) => Fix::DropConstraint(constraint.clone()),
            None => Fix::DropIndex(name.clone()),
        };
        found.push(Difference {
            aspect: format!("indexes:{name}"),
            cause: if ours { Cause::Declared } else { Cause::Drift },
            expected: None,
            actual: Some(describe(is.unique, index_body(&is.definition), is.tablespace.as_ref())),
            fix,
        });
    }
}

fn describe(unique: bool, body: &str, tablespace: Option<&String>) -> String {
    let unique = if unique { "UNIQUE " } else { "" };
    let tablespace = tablespace.map(|t| format!(" TABLESPACE {t}")).unwrap_or_default();
    format!("{unique}{body}{tablespace}")
}

fn constraints(found: &mut Vec<Difference>, target: &Target<'_>, live: &Relation, applied: &Applied) {
    let key = &target.mart.primary_key;
    let is = live.primary_key();
    let was: &[String] = applied
        .indexes
        .values()
        .find(|i| i.primary)
        .map_or(&[], |i| i.keys.as_slice());
    let words = |keys: &[String]| (!keys.is_empty()).then(|| format!("PRIMARY KEY ({})", keys.join(", ")));
    let is_keys: &[String] = is.map_or(&[], |(_, index)| index.keys.as_slice());
    let mut push = |aspect: String, cause, expected, actual, fix| {
        found.push(Difference { aspect, cause, expected, actual, fix });
    };
    if is_keys != key.as_slice() {
        let why = if key.is_empty() || is.is_some() || was != key.as_slice() { cause(was == key.as_slice()) } else { Cause::Missing };
        if let Some((name, _)) = is {
            let fix = Fix::DropConstraint(name.clone());
            push("primary_key".into(), why, words(key), words(is_keys), fix);
        }
        if !key.is_empty() {
            push("primary_key".into(), why, words(key), words(is_keys), Fix::AddPrimaryKey);
        }
    } else if let Some((name, _)) = is.filter(|(name, _)| target.renamed_from().is_some() && **name != target.primary_key_name()) {
        let to = target.primary_key_name();
        push("primary_key".into(), Cause::Declared, Some(to.clone()), Some(name.clone()), Fix::RenameIndex { from: name.clone(), to });
    }
    let wanted = target.not_null();
    for column in &live.columns {
        let name = column.name.as_str();
        let should = wanted.contains(name);
        if should == column.not_null || is_keys.iter().any(|k| k == name) {
            continue;
        }
        let was = applied.columns.iter().any(|c| c.name == name && c.not_null);
        let (expected, actual, fix) = if should {
            (Some("NOT NULL".to_owned()), None, Fix::SetNotNull(name.to_owned()))
        } else {
            (None, Some("NOT NULL".to_owned()), Fix::DropNotNull(name.to_owned()))
        };
        push(format!("columns:{name}"), cause(was == should), expected, actual, fix);
    }
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
