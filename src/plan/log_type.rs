//! Types of logged columns, as a log stores them.

use crate::sql::without_modifier;

/// Words of PostgreSQL's grammar that begin the name of a type; every other one is a name that a temporary table could hide.
const WORDS: &[&str] = &[
    "bigint",
    "bit",
    "boolean",
    "character",
    "decimal",
    "double",
    "float",
    "integer",
    "interval",
    "national",
    "nchar",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
    "varchar",
];

/// A type as `format_type` prints it, without its modifier: a column that becomes longer stays what it was. A name without a
/// schema is PostgreSQL's own.
pub(super) fn plain_type(name: &str) -> String {
    let bare = without_modifier(name);
    let (base, array) = match bare.strip_suffix("[]") {
        Some(base) => (base, "[]"),
        None => (bare.as_str(), ""),
    };
    let first = base.split(' ').next().unwrap_or_default();
    let base = match base {
        // These words alone mean one character, or one bit.
        "character" => "pg_catalog.bpchar".to_owned(),
        "bit" => "pg_catalog.\"bit\"".to_owned(),
        _ if base.starts_with("interval ") => "interval".to_owned(),
        _ if is_qualified(base) || WORDS.contains(&first) => base.to_owned(),
        _ => format!("pg_catalog.{base}"),
    };
    format!("{base}{array}")
}

/// The type as a value to compare with. One that somebody made may be gone.
pub(super) fn type_value(name: &str) -> String {
    let plain = plain_type(name);
    let literal = crate::state::quote_literal(&plain);
    match plain.strip_prefix("pg_catalog.") {
        None if is_qualified(&plain) => format!("pg_catalog.to_regtype({literal})"),
        _ => format!("{literal}::pg_catalog.regtype"),
    }
}

/// It names a schema.
fn is_qualified(name: &str) -> bool {
    let mut quoted = false;
    name.chars().any(|c| {
        quoted ^= c == '"';
        c == '.' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_lose_their_modifiers() {
        for (is, plain) in [
            ("integer", "integer"),
            ("numeric(12,2)", "numeric"),
            ("numeric(12,2)[]", "numeric[]"),
            ("character varying(10)", "character varying"),
            ("character(3)", "pg_catalog.bpchar"),
            ("bit(3)", "pg_catalog.\"bit\""),
            ("bit varying(3)", "bit varying"),
            ("timestamp(3) with time zone", "timestamp with time zone"),
            ("interval day to second(3)", "interval"),
            ("date", "pg_catalog.date"),
            ("text[]", "pg_catalog.text[]"),
            ("\"char\"", "pg_catalog.\"char\""),
            ("public.mood", "public.mood"),
            ("app.\"odd (name).x\"", "app.\"odd (name).x\""),
            ("gis.geometry(Point,4326)", "gis.geometry"),
        ] {
            assert_eq!(plain_type(is), plain, "{is}");
        }
        assert_eq!(type_value("integer"), "'integer'::pg_catalog.regtype");
        assert_eq!(type_value("uuid"), "'pg_catalog.uuid'::pg_catalog.regtype");
        assert_eq!(type_value("app.mood"), "pg_catalog.to_regtype('app.mood')");
    }
}
