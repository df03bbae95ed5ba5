//! The query: in the manifest, or in a file beside it.

use std::path::Path;

use toml_edit::DocumentMut;

use super::edit::{instead, put};
use super::{FileText, apart, text};
use crate::manifest::load::below;
use crate::manifest::{Desired, DesiredMart};

/// A query with more lines than this gets a file of its own.
const MAX_LINES: usize = 20;

/// However few lines it has.
const MAX_BYTES: usize = 4_000;

/// Whether a query goes into a file of its own. A `\r\n` that it means can only be said in the manifest, where it is escaped.
fn has_file(query: &str) -> bool {
    (query.lines().count() > MAX_LINES || query.len() > MAX_BYTES) && !query.contains("\r\n")
}

/// Writes a new manifest's query; the file of a long one.
pub(super) fn create(document: &mut DocumentMut, query: &str, path: &str) -> Option<FileText> {
    if !has_file(query) {
        put(document, "query", text::query("query", query, "", false));
        return None;
    }
    let (folder, stem) = apart(path);
    let name = format!("{stem}.sql");
    put(document, "query_file", text::string(&name));
    Some(FileText::new(format!("{folder}{name}"), format!("{query};\n")))
}

/// Writes another query where the old one stands: into the manifest, or into its file, which is returned. What follows the
/// query, a semicolon or a comment, stays. A file that is another mart's too is left alone: the query moves out of it.
pub(super) fn revise(
    document: &mut DocumentMut,
    old: &DesiredMart,
    query: &str,
    desired: &Desired,
) -> Option<FileText> {
    let before = old.mart.query.as_str();
    if let Some(name) = document.get("query_file").and_then(|item| item.as_str()) {
        let source = &old.query_source;
        let shared = is_shared(old, desired);
        if query.contains("\r\n") || (shared && !has_file(query)) {
            instead(document, "query_file", "query", text::query("query", query, "", false));
            return None;
        }
        if shared {
            let name = own_name(old, desired);
            put(document, "query_file", text::string(&name));
            return Some(FileText::new(format!("{}{name}", apart(&old.path).0), format!("{query};\n")));
        }
        let rest = source.text.strip_prefix(before).unwrap_or("\n");
        let path = below(&desired.dir, &source.file).unwrap_or_else(|| format!("{}{name}", apart(&old.path).0));
        return Some(FileText { path, text: format!("{query}{rest}"), before: Some(source.text.to_string()) });
    }
    let item = document.get("query");
    let rest = item.and_then(|item| item.as_str()).and_then(|text| text.strip_prefix(before)).unwrap_or_default();
    let written = item.map(|item| item.to_string()).unwrap_or_default();
    let lines = ["\"\"\"", "'''"].iter().any(|quotes| written.trim_start().starts_with(quotes));
    let value = text::query("query", query, rest, lines);
    put(document, "query", value);
    None
}

/// Whether another mart's query stands in the same file.
fn is_shared(old: &DesiredMart, desired: &Desired) -> bool {
    let source = &old.query_source;
    let same = |file: &Path| {
        let by_name = below(&desired.dir, file).is_some_and(|path| below(&desired.dir, &source.file) == Some(path));
        by_name || file.canonicalize().is_ok_and(|file| source.file.canonicalize().is_ok_and(|own| own == file))
    };
    let others = desired.marts.iter().filter(|other| other.path != old.path);
    others.map(|other| &other.query_source).any(|other| other.text == source.text && same(&other.file))
}

/// A name for a query's file beside its manifest, numbered where that is taken.
fn own_name(old: &DesiredMart, desired: &Desired) -> String {
    let (folder, stem) = apart(&old.path);
    let is_taken = |stem: &str| {
        let (query, manifest) = (format!("{folder}{stem}.sql"), format!("{folder}{stem}.toml"));
        let another = |mart: &DesiredMart| {
            (mart.path != old.path && mart.path == manifest)
                || below(&desired.dir, &mart.query_source.file).as_ref() == Some(&query)
        };
        desired.dir.join(&query).symlink_metadata().is_ok() || desired.marts.iter().any(another)
    };
    let mut own = stem.to_owned();
    let mut number = 1;
    while is_taken(&own) {
        number += 1;
        own = format!("{stem}-{number}");
    }
    format!("{own}.sql")
}
