//! Where a live mart's indexes, keys and NOT NULL are not what they should be.

use std::collections::{BTreeMap, BTreeSet};

use super::aspect::{Cause, Difference, Fix, cause};
use super::difference::same_tablespace;
use super::statement::next;
use super::target::Target;
use crate::catalog::{Actual, Applied, Index, Relation};
use crate::sql::index_body;

/// Indexes that are missing, other, or nobody's.
pub(super) fn differences(
    found: &mut Vec<Difference>,
    target: &Target<'_>,
    live: &Relation,
    applied: &Applied,
    actual: &Actual,
) {
    let renamed = renamed(target, live);
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
        let as_declared = |is: &Index| {
            is.unique == index.decl.unique
                && index_body(&is.definition) == index.body
                && same_tablespace(&is.tablespace, &index.decl.tablespace, actual)
        };
        if !is.valid || !as_declared(is) {
            let as_applied = applied.indexes.get(name).is_some_and(|was| as_declared(was));
            let mut actual = describe_live(is);
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
    let taken: BTreeSet<&str> = renamed.values().copied().collect();
    let keyed = another_key(target, live).then(|| next(&target.primary_key_name()));
    for (name, is) in &live.indexes {
        if is.primary || target.indexes.contains_key(name) || taken.contains(name.as_str()) {
            continue;
        }
        // What an interrupted CREATE INDEX CONCURRENTLY left; where it is built again, it goes first.
        let leftover = leftovers(target).any(|left| left == *name) && is.constraint.is_none();
        let again = found.iter().any(|other| match &other.fix {
            Fix::ReplaceIndex(index) => next(index) == *name,
            _ => false,
        });
        let again = again || (is.constraint.is_none() && keyed.as_ref() == Some(name));
        let taken_over = !is.valid && applied.indexes.get(name) == Some(is);
        if again || taken_over {
            continue;
        }
        let ours = applied.indexes.contains_key(name);
        let fix = match &is.constraint {
            Some(constraint) => Fix::DropConstraint(constraint.clone()),
            None => Fix::DropIndex(name.clone()),
        };
        found.push(Difference {
            aspect: format!("indexes:{name}"),
            cause: match (ours, leftover) {
                (true, _) => Cause::Declared,
                (false, true) => Cause::Missing,
                (false, false) => Cause::Drift,
            },
            expected: None,
            actual: Some(describe_live(is)),
            fix,
        });
    }
}

/// A renamed mart's indexes are known by what they are, not by their names.
fn renamed<'a>(target: &'a Target<'_>, live: &'a Relation) -> BTreeMap<&'a str, &'a str> {
    let mut renamed: BTreeMap<&str, &str> = BTreeMap::new();
    if target.renamed_from().is_none() {
        return renamed;
    }
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    for (name, index) in target.indexes.iter().filter(|(name, _)| !live.indexes.contains_key(*name)) {
        let old = live.indexes.iter().find(|(old, is)| {
            !target.indexes.contains_key(*old)
                && !taken.contains(old.as_str())
                && is.valid
                && is.unique == index.decl.unique
                && index_body(&is.definition) == index.body
        });
        if let Some((old, _)) = old {
            taken.insert(old);
            renamed.insert(name, old);
        }
    }
    renamed
}

/// Whether the index of another primary key is built beside the live relation.
fn another_key(target: &Target<'_>, live: &Relation) -> bool {
    let key = &target.mart.primary_key;
    let is = live.primary_key().map(|(_, index)| &index.keys);
    !key.is_empty() && target.mart.partition.is_none() && is != Some(key)
}

/// The names that indexes have while they are built.
fn leftovers(target: &Target<'_>) -> impl Iterator<Item = String> {
    let indexes = target.indexes.keys().map(|name| next(name)).collect::<Vec<_>>();
    indexes.into_iter().chain([next(&target.primary_key_name())])
}

fn describe_live(is: &Index) -> String {
    describe(is.unique, index_body(&is.definition), is.tablespace.as_ref())
}

fn describe(unique: bool, body: &str, tablespace: Option<&String>) -> String {
    let unique = if unique { "UNIQUE " } else { "" };
    let tablespace = tablespace.map(|t| format!(" TABLESPACE {t}")).unwrap_or_default();
    format!("{unique}{body}{tablespace}")
}

/// Primary key and NOT NULL of a table mart.
pub(super) fn constraints(found: &mut Vec<Difference>, target: &Target<'_>, live: &Relation, applied: &Applied) {
    let key = &target.mart.primary_key;
    let is = live.primary_key();
    let was: &[String] = applied.indexes.values().find(|i| i.primary).map_or(&[], |i| i.keys.as_slice());
    let words = |keys: &[String]| (!keys.is_empty()).then(|| format!("PRIMARY KEY ({})", keys.join(", ")));
    let is_keys: &[String] = is.map_or(&[], |(_, index)| index.keys.as_slice());
    let mut push = |aspect: String, cause, expected, actual, fix| {
        found.push(Difference { aspect, cause, expected, actual, fix });
    };
    let another = is_keys != key.as_slice();
    if another {
        let gone = !key.is_empty() && is.is_none() && was == key.as_slice();
        let why = if gone { Cause::Missing } else { cause(was == key.as_slice()) };
        let old = is.map(|(name, _)| name.clone());
        // PostgreSQL makes the key of one that is divided only while readers wait.
        let fix = if target.mart.partition.is_some() { Fix::Rebuild } else { Fix::PrimaryKey { old } };
        push("primary_key".into(), why, words(key), words(is_keys), fix);
    } else if let Some((name, _)) =
        is.filter(|(name, _)| target.renamed_from().is_some() && **name != target.primary_key_name())
    {
        let to = target.primary_key_name();
        let fix = Fix::RenameIndex { from: name.clone(), to: to.clone() };
        push("primary_key".into(), Cause::Declared, Some(to), Some(name.clone()), fix);
    }
    let wanted = target.not_null();
    for column in &live.columns {
        let name = column.name.as_str();
        let should = wanted.contains(name);
        // A new key brings its own; a key that stays keeps its own.
        let by_key = key.iter().any(|k| k == name) && (another || is_keys.iter().any(|k| k == name));
        if should == column.not_null || by_key {
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
