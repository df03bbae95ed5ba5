//! `[[indexes]]`: their keys, and the names PostgreSQL would choose.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::DeValue;

use super::names::{check_name, cut, object_name};
use super::report::Report;
use super::section::Section;
use crate::sql::{Expression, QueryError, grouping, operator_class, parse_qualified_name};
use crate::state::{IndexDecl, IndexKey, MAX_NAME_BYTES};

/// The column name of an expression that has none.
const UNNAMED: &str = "expr";

/// So many columns an index may have, in PostgreSQL as it is built everywhere.
const MAX_KEYS: usize = 32;

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
            report.warning(section.own_span(), section.path("columns"), message, "remove one of them");
        }
        indexes.push(Located { index, span });
    }
    indexes
}

/// The index of a table mart that declares none: on what its query groups by, or is distinct on.
pub(super) fn automatic(query: &str, relation: &str) -> Option<IndexDecl> {
    let found = grouping(query).filter(|found| found.columns.len() <= MAX_KEYS)?;
    let name = chosen_name(relation, &found.columns, &mut BTreeSet::new());
    let key = |term: String| IndexKey {
        term,
        expression: false,
        descending: false,
        nulls_first: None,
        opclass: None,
        collation: None,
    };
    Some(IndexDecl {
        name,
        keys: found.columns.into_iter().map(key).collect(),
        unique: found.unique,
        method: "btree".to_owned(),
        include: Vec::new(),
        predicate: None,
        with: BTreeMap::new(),
        tablespace: None,
        nulls_not_distinct: false,
    })
}

/// An index, nameless unless its manifest names it, and the names of its columns as PostgreSQL would number them.
fn index(section: &Section<'_>, report: &mut Report) -> (IndexDecl, Vec<String>) {
    let mut keys: Vec<IndexKey> = Vec::new();
    let mut names = Vec::new();
    let path = section.path("columns");
    for item in section.items("columns") {
        let (key, written, span) = match item.get_ref() {
            DeValue::String(term) => (plain(term), &**term, item.span()),
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
                check_opclass(&part, &path, report);
                (key, term, part.span("column"))
            }
            _ => continue,
        };
        let name = term_name(&key, written, span.clone(), &path, report);
        if keys.contains(&key) {
            let message = format!("{} stands twice in this index", key.term);
            // PostgreSQL takes it, and databases have it.
            report.warning(span, path.as_str(), message, "remove one of them");
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

/// An operator class may have parameters in parentheses, and nothing else.
fn check_opclass(part: &Section<'_>, path: &str, report: &mut Report) {
    if let Some(text) = part.str("opclass").filter(|text| operator_class(text).is_none()) {
        let message = format!("{text:?} is not an operator class");
        let help = "write for example `opclass = \"gist_trgm_ops (siglen='32')\"`";
        report.error(part.span("opclass"), format!("{path}.opclass"), message, help);
    }
}

/// A term as manifests write it: an expression in parentheses, a column's name, or that name quoted as in SQL.
fn plain(term: &str) -> IndexKey {
    let quoted = if term.starts_with('"') { parse_qualified_name(term) } else { None };
    let name = match quoted.as_deref() {
        Some([name]) => name.as_str(),
        _ => term,
    };
    IndexKey {
        term: name.to_owned(),
        expression: term.starts_with('('),
        descending: false,
        nulls_first: None,
        opclass: None,
        collation: None,
    }
}

/// A key's term as manifests write it: a column's name is quoted only where it would be taken for something else.
pub(super) fn spelled(key: &IndexKey) -> String {
    let term = &key.term;
    let read = plain(term);
    let bare = key.expression || (!read.expression && read.term == *term && misread(term).is_none());
    if bare { term.clone() } else { format!("\"{}\"", term.replace('"', "\"\"")) }
}

/// The names of an index's columns as PostgreSQL would number them.
pub(super) fn key_names(index: &IndexDecl) -> Vec<String> {
    let name = |key: &IndexKey| match Expression::parse(&key.term) {
        _ if !key.expression => key.term.clone(),
        Ok(expression) => expression.name,
        Err(_) => UNNAMED.to_owned(),
    };
    index.keys.iter().map(name).chain(index.include.iter().cloned()).collect()
}

/// Checks a term that is written as `written`; the column name PostgreSQL gives to it.
fn term_name(key: &IndexKey, written: &str, span: Range<usize>, path: &str, report: &mut Report) -> String {
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
                UNNAMED.into()
            }
        };
    }
    if check_name(term, span.clone(), path, report)
        && written == term
        && let Some((message, help)) = misread(term)
    {
        report.error(span, path, message, help);
    }
    term.to_owned()
}

/// What a column's name was probably meant to be instead, and how to write that.
fn misread(term: &str) -> Option<(String, String)> {
    let lower = term.to_lowercase();
    if term.ends_with(')') && term.contains('(') {
        return Some((format!("{term:?} looks like an expression"), format!("write it in parentheses: \"({term})\"")));
    }
    let order = [" desc", " asc"].into_iter().find(|order| lower.ends_with(order))?;
    let column = term.get(..term.len() - order.len())?;
    let help = format!("write {{ column = \"{column}\", order = \"{}\" }}", order.trim());
    Some((format!("{term:?} is more than a column"), help))
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

/// PostgreSQL's own access methods; extensions bring more.
const METHODS: &[&str] = &["btree", "hash", "gin", "gist", "brin", "spgist"];

/// The known access method of which a word is a misspelling: one letter off, or in capitals.
fn misspelled(method: &str) -> Option<&'static str> {
    let near = |known: &&str| strsim::damerau_levenshtein(&method.to_lowercase(), known) <= 1;
    METHODS.iter().copied().find(near)
}

/// What the access methods can do; of an extension's the server knows.
/// <https://www.postgresql.org/docs/current/indexes-types.html>
fn check_method(index: &IndexDecl, section: &Section<'_>, report: &mut Report) {
    let method = index.method.as_str();
    let (span, path) = (section.span("method"), section.path("method"));
    if let Some(known) = (!METHODS.contains(&method)).then(|| misspelled(method)).flatten() {
        let message = format!("`{path}` cannot be {method:?}");
        return report.error(span, path, message, format!("did you mean {known:?}?"));
    }
    if section.has("method") && !check_name(method, span, &path, report) {
        return;
    }
    let mut refuse = |key: &str, what: &str, help: &str| {
        let message = format!("a {method} index cannot {what}");
        report.error(section.key_span(key), section.path(key), message, help);
    };
    let btree = "use `method = \"btree\"`";
    if section.has("columns") && index.keys.is_empty() && section.items("columns").is_empty() {
        refuse("columns", "be without columns", "name at least one column");
    }
    if method == "btree" || !METHODS.contains(&method) {
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
pub(super) fn chosen_name(relation: &str, columns: &[String], taken: &mut BTreeSet<String>) -> String {
    chosen_name_with(relation, columns, "", taken)
}

/// The same with an ending that is not shortened.
pub(super) fn chosen_name_with(
    relation: &str,
    columns: &[String],
    ending: &str,
    taken: &mut BTreeSet<String>,
) -> String {
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
        let label = if number == 0 { format!("idx{ending}") } else { format!("idx{number}{ending}") };
        let name = object_name(relation, &joined, &label);
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}
