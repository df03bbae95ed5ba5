//! The query: in the manifest, or in a file beside it.

use std::path::Path;

use toml_edit::DocumentMut;

use super::edit::put;
use super::{FileText, apart, text};
use crate::manifest::DesiredMart;

/// A query with more lines than this gets a file of its own.
const MAX_LINES: usize = 20;

/// Writes a new manifest's query; the file of a long one.
pub(super) fn create(document: &mut DocumentMut, query: &str, path: &str) -> Option<FileText> {
    if query.lines().count() <= MAX_LINES {
        put(document, "query", text::query("query", query, "", false));
        return None;
    }
    let (folder, stem) = apart(path);
    let name = format!("{stem}.sql");
    put(document, "query_file", text::string(&name));
    Some(FileText { path: format!("{folder}{name}"), text: format!("{query};\n") })
}

/// Writes another query where the old one stands: into the manifest, or into its file, which is returned. What follows the
/// query, a semicolon or a comment, stays.
pub(super) fn revise(
    document: &mut DocumentMut,
    old: &DesiredMart,
    query: &str,
    below: impl Fn(&Path) -> Option<String>,
) -> Option<FileText> {
    let before = old.mart.query.as_str();
    if let Some(name) = document.get("query_file").and_then(|item| item.as_str()) {
        let source = &old.query_source;
        let rest = source.text.strip_prefix(before).unwrap_or("\n");
        let path = below(&source.file).unwrap_or_else(|| format!("{}{name}", apart(&old.path).0));
        return Some(FileText { path, text: format!("{query}{rest}") });
    }
    let item = document.get("query");
    let rest = item.and_then(|item| item.as_str()).and_then(|text| text.strip_prefix(before)).unwrap_or_default();
    let written = item.map(|item| item.to_string()).unwrap_or_default();
    let lines = ["\"\"\"", "'''"].iter().any(|quotes| written.trim_start().starts_with(quotes));
    let value = text::query("query", query, rest, lines);
    put(document, "query", value);
    None
}
