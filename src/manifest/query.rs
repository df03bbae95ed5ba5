//! A mart's query: in the manifest or in a file beside it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::report::Report;
use super::section::Section;
use super::{Place, Problem, QuerySource, Severity};
use crate::sql::Query;

/// Reads a file's text. Only `load.rs` has one.
pub(super) type ReadText<'a> = dyn Fn(&Path) -> std::io::Result<String> + Sync + 'a;

/// A query and where it stands.
pub(super) struct Located {
    pub query: Query,
    pub source: QuerySource,
    /// Of the key in the manifest.
    pub span: Range<usize>,
}

/// The query of a mart; `None` if there is none that could be read.
pub(super) fn read(root: &Section<'_>, read_text: &ReadText<'_>, report: &mut Report) -> Option<Located> {
    match (root.has("query"), root.has("query_file")) {
        (true, true) => {
            report.error(
                root.key_span("query_file"),
                "query_file",
                "both `query` and `query_file` are given",
                "keep one of them",
            );
            None
        }
        (false, false) => {
            report.error(
                root.key_span("type"),
                "query",
                "`query` is missing",
                "add `query = \"\"\"…\"\"\"`, or `query_file = \"….sql\"`",
            );
            None
        }
        (true, false) => {
            let text = root.str("query")?;
            let source = QuerySource::literal(report.file.clone(), report.text.clone(), root.span("query"), text);
            parse(text, source, "query", root.key_span("query"), report)
        }
        (false, true) => {
            let name = root.str("query_file")?;
            let (text, source) = file(name, root.span("query_file"), read_text, report)?;
            parse(&text, source, "query_file", root.key_span("query_file"), report)
        }
    }
}

fn file(
    name: &str,
    span: Range<usize>,
    read_text: &ReadText<'_>,
    report: &mut Report,
) -> Option<(Arc<str>, QuerySource)> {
    if name.is_empty() || Path::new(name).is_absolute() {
        report.error(
            span,
            "query_file",
            "`query_file` takes a path relative to this file",
            "write for example `query_file = \"sales_summary.sql\"`",
        );
        return None;
    }
    let path = report.file.parent().unwrap_or(Path::new("")).join(name);
    match read_text(&path) {
        Ok(text) => {
            let text: Arc<str> = text.into();
            Some((text.clone(), QuerySource::file(path, text)))
        }
        Err(error) => {
            report.error(
                span,
                "query_file",
                format!("cannot read {}: {}", path.display(), reason(&error)),
                "the path is relative to this file",
            );
            None
        }
    }
}

/// An I/O error for people, without the system's number.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a directory".into(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".into(),
        _ => error.to_string(),
    }
}

fn parse(text: &str, source: QuerySource, key: &str, span: Range<usize>, report: &mut Report) -> Option<Located> {
    match Query::parse(text) {
        Ok(query) => Some(Located { query, source, span }),
        Err(error) => {
            let at = source.file_span(text, error.span);
            report.problems.push(Problem {
                severity: Severity::Error,
                file: source.file.clone(),
                place: Some(Place::new(source.text.clone(), at)),
                key: Some(key.to_owned()),
                message: error.message,
                help: error.help,
            });
            None
        }
    }
}
