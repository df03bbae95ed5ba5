//! A file against the table of keys: unknown keys, wrong types, what is not supported yet.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::{begun, nearest};
use super::report::Report;
use super::spec::{Key, Type, Word};
use super::units::{TOO_LONG, is_too_long, parse_milliseconds, parse_size};
use crate::state::parse_duration;

/// Checks a whole file. Where only a part of it could be read, nothing counts as missing.
pub(super) fn check(root: &DeTable<'_>, keys: &'static [Key], partial: bool, report: &mut Report) {
    Walker { root: keys, partial, report }.table(root, keys, "", 0..0);
}

struct Walker<'a> {
    root: &'static [Key],
    partial: bool,
    report: &'a mut Report,
}

impl Walker<'_> {
    fn table(&mut self, table: &DeTable<'_>, keys: &'static [Key], path: &str, span: std::ops::Range<usize>) {
        for (name, value) in table {
            let full = join(path, name.get_ref());
            match keys.iter().find(|k| k.name == name.get_ref()) {
                None => self.unknown(name, keys, path, &full),
                Some(key) if key.later => self.report.error(
                    name.span(),
                    full.as_str(),
                    format!("`{full}` is not supported yet"),
                    "remove it for now",
                ),
                Some(key) => self.value(value, key, &key.kind, &full, Some(name.span())),
            }
        }
        for key in keys.iter().filter(|k| k.required) {
            if !self.partial && !table.contains_key(key.name) {
                let full = join(path, key.name);
                self.report.error(
                    span.clone(),
                    full.as_str(),
                    format!("`{full}` is missing"),
                    format!("add `{} = {}`", key.name, key.example),
                );
            }
        }
    }

    fn value(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        key: &'static Key,
        kind: &'static Type,
        path: &str,
        name: Option<std::ops::Range<usize>>,
    ) {
        match (kind, value.get_ref()) {
            (Type::Text, DeValue::String(_))
            | (Type::Bool | Type::BoolOrWords(_), DeValue::Boolean(_))
            | (Type::Scalar, DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_))
            | (Type::Any, _) => {}
            (Type::Integer { min, max }, DeValue::Integer(i)) => {
                let fits = i64::from_str_radix(i.as_str(), i.radix()).is_ok_and(|n| (*min..=*max).contains(&n));
                if !fits {
                    self.report.error(value.span(), path, format!("`{path}` is between {min} and {max}"), example(key));
                }
            }
            (Type::Duration, DeValue::String(s)) => {
                if let Err(message) = parse_duration(s) {
                    self.report.error(value.span(), path, message, example(key));
                }
            }
            (Type::Duration | Type::Milliseconds, DeValue::Integer(i)) => self.report.error(
                value.span(),
                path,
                format!("`{path}` takes {} with its unit, not an integer", kind.noun()),
                format!("write `{} = \"{i}s\"` for seconds", key.name),
            ),
            (Type::Milliseconds, DeValue::String(s)) => match parse_milliseconds(s) {
                None => {
                    let message = format!("{s:?} is not a time");
                    self.report.error(value.span(), path, message, example(key));
                }
                Some(time) if is_too_long(time) => self.report.error(value.span(), path, TOO_LONG, example(key)),
                Some(_) => {}
            },
            (Type::Size, DeValue::String(s)) => {
                if parse_size(s).is_none() {
                    let message = format!("{s:?} is not a size");
                    let help = "write a number and kB, MB, GB or TB, such as \"2GB\"";
                    self.report.error(value.span(), path, message, help);
                }
            }
            (Type::Words(words) | Type::BoolOrWords(words), DeValue::String(s)) => {
                self.word(s, words, value, kind, path);
            }
            (Type::List(inner), DeValue::Array(items)) => {
                for item in items {
                    self.value(item, key, inner, path, None);
                }
            }
            (Type::OneOf(types), found) => match types.iter().find(|t| fits(t, found)) {
                Some(kind) => self.value(value, key, kind, path, name),
                None => self.wrong_type(value, key, kind, path, name),
            },
            (Type::Table(keys), DeValue::Table(table)) => {
                self.table(table, keys, path, value.span());
            }
            (Type::Tables(keys), DeValue::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    let path = format!("{path}[{i}]");
                    match item.get_ref() {
                        DeValue::Table(table) => self.table(table, keys, &path, item.span()),
                        _ => self.wrong_type(item, key, &Type::Table(&[]), &path, None),
                    }
                }
            }
            (Type::Map(inner), DeValue::Table(table)) => {
                for (name, item) in table {
                    let path = join(path, name.get_ref());
                    self.value(item, key, inner, &path, Some(name.span()));
                }
            }
            _ => self.wrong_type(value, key, kind, path, name),
        }
    }

    fn word(&mut self, found: &str, words: &'static [Word], value: &Spanned<DeValue<'_>>, kind: &Type, path: &str) {
        match words.iter().find(|w| w.text == found) {
            Some(word) if !word.later => {}
            Some(_) => self.report.error(
                value.span(),
                path,
                format!("`{path} = \"{found}\"` is not supported yet"),
                format!("write {}", kind.noun()),
            ),
            None => {
                let near = nearest(found, words.iter().map(|w| w.text));
                let help =
                    near.map_or_else(|| format!("write {}", kind.noun()), |near| format!("did you mean {near:?}?"));
                let message = format!("`{path}` cannot be {found:?}");
                self.report.error(value.span(), path, message, help);
            }
        }
    }

    fn wrong_type(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        key: &'static Key,
        kind: &'static Type,
        path: &str,
        name: Option<std::ops::Range<usize>>,
    ) {
        // A table's own span may be its header or nothing; its key is always there.
        let span = match (value.get_ref(), name) {
            (DeValue::Table(_) | DeValue::Array(_), Some(name)) => name,
            _ => value.span(),
        };
        let message = format!("`{path}` takes {}, not {}", kind.noun(), found(value.get_ref()));
        self.report.error(span, path, message, example(key));
    }

    fn unknown(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, keys: &'static [Key], path: &str, full: &str) {
        let word = name.get_ref();
        let supported = || keys.iter().filter(|k| !k.later).map(|k| k.name);
        let help = if let Some(home) = home(self.root, word).filter(|home| home != path) {
            if home.is_empty() {
                format!("`{word}` belongs to the top of the file, before the first [section]")
            } else {
                format!("`{word}` belongs to [{home}]")
            }
        } else if let Some(near) = nearest(word, keys.iter().map(|k| k.name)).or_else(|| begun(word, supported())) {
            format!("did you mean `{near}`?")
        } else {
            format!("known here: {}", supported().collect::<Vec<_>>().join(", "))
        };
        let message = format!("unknown key `{full}`");
        self.report.error(name.span(), full, message, help);
    }
}

fn example(key: &Key) -> String {
    format!("write for example `{} = {}`", key.name, key.example)
}

/// The only section that has a key of this name, dotted.
fn home(keys: &'static [Key], word: &str) -> Option<String> {
    fn collect(keys: &'static [Key], word: &str, path: &str, found: &mut Vec<String>) {
        for key in keys {
            if key.name == word {
                found.push(path.to_owned());
            }
            if let (Type::Table(inner), false) = (&key.kind, key.later) {
                collect(inner, word, &join(path, key.name), found);
            }
        }
    }
    let mut found = Vec::new();
    collect(keys, word, "", &mut found);
    match <[String; 1]>::try_from(found) {
        Ok([home]) => Some(home),
        Err(_) => None,
    }
}

fn fits(kind: &Type, value: &DeValue<'_>) -> bool {
    matches!(
        (kind, value),
        (Type::Text, DeValue::String(_)) | (Type::List(_), DeValue::Array(_)) | (Type::Table(_), DeValue::Table(_))
    )
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A dotted path.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
