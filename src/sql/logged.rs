//! What was logged of a row, in terms of its table: how its values are told apart, and how they are compared.

use crate::state::{ChangeSource, LoggedColumn, quote_ident};

/// Types whose equal values are the same to every expression. (`1.0` and `1.00` are equal, and print differently; so do
/// `1 day` and `24:00`.)
const EXACT: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "oid",
    "boolean",
    "date",
    "time without time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "uuid",
    "bytea",
    "\"char\"",
];

/// Types that are exact once they are compared byte by byte.
const TEXT: &[&str] = &["text", "character varying", "name"];

/// The column as its values are told apart by it; `None` where that cannot be done without losing a difference.
pub fn exact_value(column: &str, type_name: &str) -> Option<String> {
    let bare = without_modifier(type_name);
    if EXACT.contains(&bare.as_str()) {
        return Some(column.to_owned());
    }
    TEXT.contains(&bare.as_str()).then(|| format!("{column} COLLATE pg_catalog.\"C\" AS {column}"))
}

/// The column as its values are told apart by it, beside its text where they need that, too.
pub fn distinct_value(column: &str, type_name: &str) -> String {
    exact_value(column, type_name)
        .unwrap_or_else(|| format!("{column}, pg_catalog.concat({column}) COLLATE pg_catalog.\"C\""))
}

/// The logged columns of a source, compared as in the table: the logs do not keep collations. `value` says a column in terms of
/// the log, by an expression that has its name.
pub fn collated(source: &ChangeSource, value: impl Fn(&LoggedColumn) -> String) -> Vec<String> {
    let collated = |column: &LoggedColumn| match source.collations.get(&column.name) {
        Some(collation) => format!("{} COLLATE {collation} AS {}", value(column), quote_ident(&column.name)),
        None => value(column),
    };
    source.columns.iter().map(collated).collect()
}

/// `numeric(12,2)[]` is `numeric[]`, `timestamp(3) with time zone` is `timestamp with time zone`.
pub fn without_modifier(name: &str) -> String {
    let mut bare = String::with_capacity(name.len());
    let (mut quoted, mut depth) = (false, 0_u32);
    for c in name.chars() {
        match c {
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            bare.push(c);
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_same_is_one() {
        assert_eq!(exact_value("a", "integer").as_deref(), Some("a"));
        assert_eq!(exact_value("a", "character varying(9)").as_deref(), Some("a COLLATE pg_catalog.\"C\" AS a"));
        for inexact in ["numeric(3,1)", "interval", "double precision", "json", "public.citext", "text[]"] {
            assert_eq!(exact_value("a", inexact), None, "{inexact}");
        }
    }
}
