//! `[[indexes]]`.

use std::collections::BTreeSet;

use toml_edit::{Array, DocumentMut, InlineTable, Item, Value};

use super::entries::{Alike, edit, matched};
use super::home::Home;
use super::text::{scalar, string, strings};
use crate::manifest::indexes::{chosen_name, key_names, spelled};
use crate::state::{IndexDecl, IndexKey};

/// Makes the file say `new`, for the indexes of a mart named `relation`.
pub(super) fn revise(document: &mut DocumentMut, relation: &str, old: &[IndexDecl], new: &[IndexDecl]) {
    let alike: [Alike<IndexDecl>; 2] =
        [|a, b| a.name == b.name, |a, b| IndexDecl { name: b.name.clone(), ..a.clone() } == *b];
    let found = matched(old, new, &alike);
    let named: Vec<bool> = match document.get("indexes") {
        Some(Item::ArrayOfTables(tables)) => tables.iter().map(|table| table.contains_key("name")).collect(),
        Some(Item::Value(Value::Array(array))) => {
            array.iter().map(|value| value.as_inline_table().is_some_and(|table| table.contains_key("name"))).collect()
        }
        _ => Vec::new(),
    };
    let given: Vec<bool> =
        found.entries.iter().map(|(place, _)| place.is_some_and(|place| named.get(place) == Some(&true))).collect();
    let indexes: Vec<&IndexDecl> = found.entries.iter().map(|(_, index)| *index).collect();
    let given = to_name(relation, &indexes, given);
    edit(document, "indexes", &found, |home, i, place| {
        let old = place.map(|place| &old[place]);
        let name = &indexes[i].name;
        if given[i] && (!home.has("name") || old.is_none_or(|old| old.name != *name)) {
            home.set("name", string(name));
        }
        fill(home, old, indexes[i]);
    });
}

/// Which indexes need a name of their own, beside those that have one, because the loader would choose another.
fn to_name(relation: &str, indexes: &[&IndexDecl], mut given: Vec<bool>) -> Vec<bool> {
    loop {
        // Given names first: a chosen one must not take them.
        let mut taken: BTreeSet<String> =
            indexes.iter().zip(&given).filter(|(_, given)| **given).map(|(index, _)| index.name.clone()).collect();
        let wrong = indexes
            .iter()
            .zip(&given)
            .position(|(index, given)| !given && chosen_name(relation, &key_names(index), &mut taken) != index.name);
        match wrong {
            Some(i) => given[i] = true,
            None => return given,
        }
    }
}

/// Everything but the name, where it differs.
fn fill(home: &mut Home<'_>, old: Option<&IndexDecl>, new: &IndexDecl) {
    if old.is_none_or(|old| old.keys != new.keys) {
        home.set("columns", new.keys.iter().map(key).collect::<Array>().into());
    }
    if old.is_none_or(|old| old.unique != new.unique) {
        home.set_or_remove("unique", new.unique.then(|| true.into()));
    }
    if old.is_none_or(|old| old.method != new.method) {
        home.set_or_remove("method", (new.method != "btree").then(|| string(&new.method)));
    }
    if old.is_none_or(|old| old.include != new.include) {
        home.set_or_remove("include", (!new.include.is_empty()).then(|| strings(&new.include)));
    }
    if old.is_none_or(|old| old.predicate != new.predicate) {
        home.set_or_remove("where", new.predicate.as_deref().map(string));
    }
    let with = old.map(|old| old.with.clone()).unwrap_or_default();
    if with != new.with {
        match home.child("with") {
            Some(mut home) => home.scalars(&with, &new.with),
            None => home.set("with", InlineTable::from_iter(new.with.iter().map(|(k, v)| (k, scalar(v)))).into()),
        }
        if new.with.is_empty() {
            home.remove("with");
        }
    }
    if old.is_none_or(|old| old.tablespace != new.tablespace) {
        home.set_or_remove("tablespace", new.tablespace.as_deref().map(string));
    }
    if old.is_none_or(|old| old.nulls_not_distinct != new.nulls_not_distinct) {
        home.set_or_remove("nulls_distinct", new.nulls_not_distinct.then(|| false.into()));
    }
}

/// A column or an expression alone, or with how it is sorted.
fn key(key: &IndexKey) -> Value {
    let term = string(&spelled(key));
    let mut more: Vec<(&str, Value)> = Vec::new();
    if key.descending {
        more.push(("order", "desc".into()));
    }
    if let Some(first) = key.nulls_first {
        more.push(("nulls", if first { "first" } else { "last" }.into()));
    }
    more.extend(key.opclass.as_deref().map(|opclass| ("opclass", string(opclass))));
    more.extend(key.collation.as_deref().map(|collation| ("collation", string(collation))));
    if more.is_empty() {
        return term;
    }
    InlineTable::from_iter(std::iter::once(("column", term)).chain(more)).into()
}
