//! `[[indexes]]`: their keys, and the names PostgreSQL would choose.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::DeValue;

use super::names::{check_name, cut, object_name};
use super::report::Report;
use super::section::Section;
use crate::sql::{Expression, QueryError};
use crate::state::{IndexDecl, IndexKey, MAX_NAME_BYTES};

/// An index and where it is declared.
pub(super) struct Located {
    pub index: IndexDecl,
    pub span: Range<usize>,
}

/// The indexes of a mart named `relation`.
pub(super) fn read(root: &Section<'_>, relation: &str, report: &mut Report) -> Vec<Located> {
    let mut indexes: Vec<Located> = Vec::new();
    let sections = root.sections("indexes");
    // Given names first: a chosen one must not take them.
    let mut taken: BTreeSet<String> = sections.iter().filter_map(|s| s.text("name")).collect();
    for section in &sections {
        let (mut index, key_names) = index(section, report);
        let span = section.span("name");
        if section.has("name") {
            check_name(&index.name, span.clone(), &section.path("name"), report);
            if indexes.iter().any(|other| other.index.name == index.name) {
                let message = format!("the index {:?} is declared twice", index.name);
                report.error(span.clone(), section.path("name"), message, "give it another name");
            }
        } else {
            index.name = chosen_name(relation, &key_names, &mut taken);
        }
        let twin = indexes.iter().find(|other| {
            IndexDecl { name: index.name.clone(), ..other.index.clone() } == index && !index.keys.is_empty()
        });
        if let Some(twin) = twin {
            let message = format!("this index is the same as {:?}", twin.index.name);
            report.error(section.own_span(), section.path("columns"), message, "remove one of them");
        }
        indexes.push(Located { index, span });
    }
    indexes
}

/// An index, nameless unless its manifest names it, and the names of its columns as PostgreSQL would number them.
fn index(section: &Section<'_>, report: &mut Report) -> (IndexDecl, Vec<String>) {
    let mut keys: Vec<IndexKey> = Vec::new();
    let mut names = Vec::new();
    let path = section.path("columns");
    for item in section.items("columns") {
        let (key, span) = match item.get_ref() {
            DeValue::String(term) => (plain(term), item.span()),
            DeValue::Table(table) => {
                let part = Section::root(table);
                let Some(term) = part.str("column") else {
                    continue;
                };
                let key = IndexKey {
                    descending: part.str("order") == Some("desc"),
                    nulls_first: part.str("nulls").map(|n| n == "first"),
                    opclass: part.text("opclass"),
                    collation: part.text("collation"),
                    ..plain(term)
                };
                (key, part.span("column"))
            }
            _ => continue,
        };
        let name = term_name(&key, span.clone(), &path, report);
        if keys.contains(&key) {
            let message = format!("{} stands twice in this index", key.term);
            report.error(span, path.as_str(), message, "remove one of them");
        }
        names.push(name);
        keys.push(key);
    }
    let include = section.names("include");
    names.extend(include.iter().cloned());
    let index = IndexDecl {
        name: section.text("name").unwrap_or_default(),
        keys,
        unique: section.bool("unique").unwrap_or(false),
        method: section.text("method").unwrap_or_else(|| "btree".into()),
        include,
        predicate: predicate(section, report),
        with: section.section("with").scalars(),
        tablespace: section.text("tablespace"),
        nulls_not_distinct: section.bool("nulls_distinct") == Some(false),
    };
    check_method(&index, section, report);
    (index, names)
}

fn plain(term: &str) -> IndexKey {
    IndexKey {
        term: term.to_owned(),
        expression: term.starts_with('('),
        descending: false,
        nulls_first: None,
        opclass: None,
        collation: None,
    }
}

/// Checks a term; the column name PostgreSQL gives to it.
fn term_name(key: &IndexKey, span: Range<usize>, path: &str, report: &mut Report) -> String {
    let term = key.term.as_str();
    if key.expression {
        return match Expression::parse(term) {
            Ok(expression) => {
                if let Some(call) = expression.mutable {
                    not_immutable(&call, span, path, report);
                }
                expression.name
            }
            Err(error) => {
                refuse_expression(&error, span, path, report);
                "expr".into()
            }
        };
    }
    if check_name(term, span.clone(), path, report) {
        let lower = term.to_lowercase();
        if term.ends_with(')') && term.contains('(') {
            let message = format!("{term:?} looks like an expression");
            report.error(span, path, message, format!("write it in parentheses: \"({term})\""));
        } else if let Some(order) = [" desc", " asc"].iter().find(|o| lower.ends_with(**o)) {
            let column = &term[..term.len() - order.len()];
            report.error(
                span,
                path,
                format!("{term:?} is more than a column"),
                format!("write {{ column = \"{column}\", order = \"{}\" }}", order.trim()),
            );
        }
    }
    term.to_owned()
}

fn predicate(section: &Section<'_>, report: &mut Report) -> Option<String> {
    let text = section.str("where")?;
    let (span, path) = (section.span("where"), section.path("where"));
    match Expression::parse(text) {
        Ok(expression) => {
            if let Some(call) = expression.mutable {
                not_immutable(&call, span, &path, report);
            }
        }
        Err(error) => refuse_expression(&error, span, &path, report),
    }
    Some(text.trim().to_owned())
}

fn not_immutable(call: &str, span: Range<usize>, path: &str, report: &mut Report) {
    report.error(
        span,
        path,
        format!("{call} changes by itself, and what an index is made of must be IMMUTABLE"),
        "compare with a constant, or index the column itself",
    );
}

fn refuse_expression(error: &QueryError, span: Range<usize>, path: &str, report: &mut Report) {
    report.error(span, path, format!("this is not an expression: {}", error.message), error.help.clone());
}

/// What the access methods can do. <https://www.postgresql.org/docs/current/indexes-types.html>
fn check_method(index: &IndexDecl, section: &Section<'_>, report: &mut Report) {
    let method = index.method.as_str();
    let mut refuse = |key: &str, what: &str, help: &str| {
        let message = format!("a {method} index cannot {what}");
        report.error(section.key_span(key), section.path(key), message, help);
    };
    let btree = "use `method = \"btree\"`";
    if section.has("columns") && index.keys.is_empty() && section.items("columns").is_empty() {
        refuse("columns", "be without columns", "name at least one column");
    }
    if method == "btree" {
        return;
    }
    if index.unique {
        refuse("unique", "be unique", btree);
    }
    if method == "hash" && index.keys.len() > 1 {
        refuse("columns", "have more than one column", btree);
    }
    if !index.include.is_empty() && !matches!(method, "gist" | "spgist") {
        refuse("include", "include columns", btree);
    }
    if index.keys.iter().any(|k| k.descending || k.nulls_first.is_some()) {
        refuse("columns", "be ordered", btree);
    }
}

/// The name PostgreSQL would choose: numbered column names joined, shortened, numbered again where it is taken.
fn chosen_name(relation: &str, columns: &[String], taken: &mut BTreeSet<String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for column in columns {
        let mut name = column.clone();
        let mut number = 0usize;
        while distinct.contains(&name) {
            number += 1;
            let suffix = number.to_string();
            name = format!("{}{suffix}", cut(column, MAX_NAME_BYTES - suffix.len()));
        }
        distinct.push(name);
    }
    let mut joined = String::new();
    for name in &distinct {
        if joined.len() > MAX_NAME_BYTES {
            break;
        }
        if !joined.is_empty() {
            joined.push('_');
        }
        joined.push_str(name);
    }
    let mut number = 0usize;
    loop {
        let label = if number == 0 { "idx".to_owned() } else { format!("idx{number}") };
        let name = object_name(relation, &joined, &label);
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}
