//! What names may be, and which names follow from others.

use std::ops::Range;

use super::report::Report;
use crate::sql::parse_qualified_name;
use crate::state::{MAX_NAME_BYTES, QName};

/// The rules of every name; whether it keeps them.
pub(super) fn check_name(name: &str, span: Range<usize>, key: &str, report: &mut Report) -> bool {
    let Some(problem) = name_problem(name, key) else { return true };
    report.error(span, key, problem, "choose another name");
    false
}

fn name_problem(name: &str, key: &str) -> Option<String> {
    if name.is_empty() {
        Some(format!("`{key}` is empty"))
    } else if name.contains('\0') {
        Some(format!("`{key}` contains a NUL character"))
    } else if name.len() > MAX_NAME_BYTES {
        Some(format!("the name {name:?} has {} bytes; PostgreSQL keeps {MAX_NAME_BYTES}", name.len()))
    } else {
        None
    }
}

/// A schema that marts or the registry may be in.
pub(super) fn check_schema(name: &str, span: Range<usize>, key: &str, report: &mut Report) {
    if check_name(name, span.clone(), key, report)
        && let Some(message) = schema_problem(name, key)
    {
        report.error(span, key, message, "choose another schema");
    }
}

/// What is wrong with a schema that `key` names.
pub(super) fn schema_problem(name: &str, key: &str) -> Option<String> {
    let system = name.starts_with("pg_") || name == "information_schema";
    name_problem(name, key).or_else(|| system.then(|| format!("the schema {name:?} is PostgreSQL's own")))
}

/// A name as manifests write it: `name`, `schema.name`, or quoted as in SQL; otherwise exactly as it stands.
pub(crate) fn qualified(text: &str, schema: &str) -> QName {
    if text.contains('"')
        && let Some(parts) = parse_qualified_name(text)
    {
        match parts.as_slice() {
            [name] => return QName::new(schema, name),
            [schema, name] => return QName::new(schema, name),
            _ => {}
        }
    }
    match text.split_once('.') {
        Some((schema, name)) if !schema.is_empty() && !name.is_empty() => QName::new(schema, name),
        _ => QName::new(schema, text),
    }
}

/// `<relation>_<columns>_<label>`, shortened as PostgreSQL's `makeObjectName` does: the longer part first.
pub(super) fn object_name(relation: &str, columns: &str, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(!columns.is_empty());
    let room = MAX_NAME_BYTES.saturating_sub(overhead);
    let (mut first, mut second) = (relation.len(), columns.len());
    while first + second > room {
        if first > second {
            first -= 1;
        } else {
            second -= 1;
        }
    }
    let first = cut(relation, first);
    if columns.is_empty() { format!("{first}_{label}") } else { format!("{first}_{}_{label}", cut(columns, second)) }
}

/// At most `bytes` of a text, whole characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_as_postgresql_cuts() {
        assert_eq!(object_name("sales", "day", "idx"), "sales_day_idx");
        assert_eq!(object_name("sales", "", "pkey"), "sales_pkey");
        let name = object_name(&"r".repeat(40), &"c".repeat(40), "idx");
        assert_eq!(name, format!("{}_{}_idx", "r".repeat(29), "c".repeat(29)));
        let name = object_name(&"é".repeat(28), &"c".repeat(40), "idx");
        assert_eq!(name, format!("{}_{}_idx", "é".repeat(14), "c".repeat(29)));
    }

    #[test]
    fn names_as_manifests_write_them() {
        assert_eq!(qualified("Sales 2024", "a"), QName::new("a", "Sales 2024"));
        assert_eq!(qualified("b.Sales", "a"), QName::new("b", "Sales"));
        assert_eq!(qualified("\"b.c\".\"D\"", "a"), QName::new("b.c", "D"));
        assert_eq!(qualified("\"b.c\"", "a"), QName::new("a", "b.c"));
    }
}
