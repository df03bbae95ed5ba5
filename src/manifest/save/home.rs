//! A table that is written in any of TOML's ways: with a header, with dotted keys, or in braces.

use std::collections::BTreeMap;

use toml_edit::{InlineTable, Item, Table, Value};

use super::text::scalar;

/// A table to be edited.
pub(super) enum Home<'a> {
    /// With a header or dotted keys.
    Table(&'a mut Table),
    /// In braces.
    Inline(&'a mut InlineTable),
}

impl<'a> Home<'a> {
    /// An item as a table, if it is one.
    pub fn of(item: &'a mut Item) -> Option<Self> {
        match item {
            Item::Table(table) => Some(Self::Table(table)),
            Item::Value(value) => Self::of_value(value),
            Item::None | Item::ArrayOfTables(_) => None,
        }
    }

    /// A value as a table, if it is one.
    pub fn of_value(value: &'a mut Value) -> Option<Self> {
        match value {
            Value::InlineTable(table) => Some(Self::Inline(table)),
            _ => None,
        }
    }

    /// The table at a key.
    pub fn child(&mut self, key: &str) -> Option<Home<'_>> {
        match self {
            Self::Table(table) => table.get_mut(key).and_then(Home::of),
            Self::Inline(table) => table.get_mut(key).and_then(Home::of_value),
        }
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        match self {
            Self::Table(table) => table.contains_key(key),
            Self::Inline(table) => table.contains_key(key),
        }
    }

    /// Whether no key is there.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Table(table) => table.is_empty(),
            Self::Inline(table) => table.is_empty(),
        }
    }

    /// Sets a value; what stood around the old one stays, a new one comes last.
    pub fn set(&mut self, key: &str, value: Value) {
        match self {
            Self::Table(table) => match table.get_mut(key) {
                Some(Item::Value(old)) => replace(old, value),
                _ => {
                    let indent = indent(table);
                    table.insert(key, value.into());
                    if let Some(mut key) = table.key_mut(key).filter(|_| !indent.is_empty()) {
                        key.leaf_decor_mut().set_prefix(indent);
                    }
                }
            },
            Self::Inline(table) => match table.get_mut(key) {
                Some(old) => replace(old, value),
                None => {
                    let blanks = end(table, "");
                    table.insert(key, value);
                    end(table, blanks.as_deref().unwrap_or(" "));
                }
            },
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        match self {
            Self::Table(table) => drop(table.remove(key)),
            Self::Inline(table) => {
                let blanks = end(table, "");
                table.remove(key);
                end(table, blanks.as_deref().unwrap_or(" "));
            }
        }
    }

    /// Sets a value or takes the key out.
    pub fn set_or_remove(&mut self, key: &str, value: Option<Value>) {
        match value {
            Some(value) => self.set(key, value),
            None => self.remove(key),
        }
    }

    /// Parameters: those that differ.
    pub fn scalars(&mut self, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) {
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            self.remove(key);
        }
        for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(value)) {
            self.set(key, scalar(value));
        }
    }
}

/// Another value between the same blanks and comments.
pub(super) fn replace(old: &mut Value, new: Value) {
    let decor = old.decor().clone();
    *old = new;
    *old.decor_mut() = decor;
}

/// The blanks before the last key.
fn indent(table: &Table) -> String {
    let last = table.iter().last().and_then(|(key, _)| table.key(key));
    let above = last.and_then(|key| key.leaf_decor().prefix()).and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let line = above.rsplit('\n').next().unwrap_or_default();
    if line.trim().is_empty() { line.to_owned() } else { String::new() }
}

/// Puts other blanks behind the last value of a table in braces, and gives those that stood there; `None` where there was no
/// value, or more than blanks, which stay.
fn end(table: &mut InlineTable, blanks: &str) -> Option<String> {
    let (_, value) = table.iter_mut().last()?;
    let decor = value.decor_mut();
    let old = decor.suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default().to_owned();
    if !old.trim_matches(' ').is_empty() {
        return None;
    }
    decor.set_suffix(blanks);
    Some(old)
}
