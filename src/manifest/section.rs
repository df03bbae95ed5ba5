//! Lenient reading of a table: what is absent or of the wrong type (and told already) is `None`.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::join;
use crate::state::parse_duration;

/// A table that may be absent, with its dotted path.
#[derive(Clone)]
pub(super) struct Section<'a> {
    table: Option<&'a DeTable<'a>>,
    path: String,
    span: Range<usize>,
}

impl<'a> Section<'a> {
    pub fn root(table: &'a DeTable<'a>) -> Self {
        Self { table: Some(table), path: String::new(), span: 0..0 }
    }

    pub fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// The dotted path of a key.
    pub fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    pub fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|t| t.get(key))
    }

    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Where a key's value is; where the table begins if the key is absent.
    pub fn span(&self, key: &str) -> Range<usize> {
        self.value(key).map_or(self.span.clone(), Spanned::span)
    }

    /// Where a key itself is.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.table.and_then(|t| t.get_key_value(key)).map_or(self.span.clone(), |(k, _)| k.span())
    }

    /// Where the table is: its header, or its braces.
    pub fn own_span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub fn str(&self, key: &str) -> Option<&'a str> {
        self.value(key)?.get_ref().as_str()
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.str(key).map(str::to_owned)
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        self.value(key)?.get_ref().as_bool()
    }

    pub fn integer(&self, key: &str) -> Option<i64> {
        let i = self.value(key)?.get_ref().as_integer()?;
        i64::from_str_radix(i.as_str(), i.radix()).ok()
    }

    /// Seconds.
    pub fn duration(&self, key: &str) -> Option<u64> {
        parse_duration(self.str(key)?).ok()
    }

    /// The strings of a list, or one string alone, each with its place.
    pub fn strings(&self, key: &str) -> Vec<(&'a str, Range<usize>)> {
        match self.value(key) {
            None => Vec::new(),
            Some(value) => match value.get_ref() {
                DeValue::String(s) => vec![(&**s, value.span())],
                DeValue::Array(items) => {
                    items.iter().filter_map(|item| Some((item.get_ref().as_str()?, item.span()))).collect()
                }
                _ => Vec::new(),
            },
        }
    }

    /// The strings, numbers and booleans of a list as text, each with its place.
    pub fn texts(&self, key: &str) -> Vec<(String, Range<usize>)> {
        self.items(key).iter().filter_map(|item| Some((text(item.get_ref())?, item.span()))).collect()
    }

    /// The strings of a list.
    pub fn names(&self, key: &str) -> Vec<String> {
        let strings = self.strings(key);
        strings.into_iter().map(|(s, _)| s.to_owned()).collect()
    }

    /// The items of a list.
    pub fn items(&self, key: &str) -> &'a [Spanned<DeValue<'a>>] {
        self.value(key).and_then(|v| v.get_ref().as_array()).map_or(&[], |array| array)
    }

    pub fn section(&self, key: &str) -> Section<'a> {
        Section {
            table: self.value(key).and_then(|v| v.get_ref().as_table()),
            path: self.path(key),
            span: self.key_span(key),
        }
    }

    /// The tables of `[[key]]`.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let path = self.path(key);
        self.items(key)
            .iter()
            .enumerate()
            .filter_map(|(i, item)| {
                Some(Section {
                    table: Some(item.get_ref().as_table()?),
                    path: format!("{path}[{i}]"),
                    span: item.span(),
                })
            })
            .collect()
    }

    /// The keys of the table, each with its own place.
    pub fn keys(&self) -> impl Iterator<Item = (&'a str, Range<usize>)> + use<'a> {
        self.table.into_iter().flat_map(|t| t.keys()).map(|k| (&**k.get_ref(), k.span()))
    }

    /// Strings, numbers and booleans as text.
    pub fn scalars(&self) -> BTreeMap<String, String> {
        let entries = self.table.into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.get_ref().to_string(), text(value.get_ref())?))).collect()
    }

    /// The table as JSON.
    pub fn json(&self) -> serde_json::Map<String, serde_json::Value> {
        let entries = self.table.into_iter().flatten();
        entries.map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
    }
}

fn text(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(s) => s.to_string(),
        DeValue::Integer(i) => {
            i64::from_str_radix(i.as_str(), i.radix()).map_or_else(|_| i.to_string(), |n| n.to_string())
        }
        DeValue::Float(f) => f.to_string(),
        DeValue::Boolean(b) => b.to_string(),
        _ => return None,
    })
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(s) => s.as_ref().into(),
        DeValue::Integer(i) => {
            i64::from_str_radix(i.as_str(), i.radix()).map_or_else(|_| i.to_string().into(), Into::into)
        }
        DeValue::Float(f) => match f.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => number.into(),
            _ => f.to_string().into(),
        },
        DeValue::Boolean(b) => (*b).into(),
        DeValue::Datetime(d) => d.to_string().into(),
        DeValue::Array(items) => items.iter().map(|i| json(i.get_ref())).collect(),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
