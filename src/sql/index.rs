//! The text of index definitions: as we write it, and as PostgreSQL prints it.

use std::collections::BTreeMap;

use super::identifier::parse_qualified_name;
use crate::state::{IndexDecl, IndexKey, QName, quote_ident, quote_idents, quote_literal};

/// `CREATE INDEX` for a declared index, under `name`, on `relation`.
pub fn create_index(index: &IndexDecl, relation: &QName, name: &str, concurrently: bool) -> String {
    let mut sql = String::from("CREATE ");
    if index.unique {
        sql.push_str("UNIQUE ");
    }
    sql.push_str("INDEX ");
    if concurrently {
        sql.push_str("CONCURRENTLY ");
    }
    sql.push_str(&format!("{} ON {relation} ", quote_ident(name)));
    sql.push_str(&body(index));
    if let Some(tablespace) = &index.tablespace {
        sql.push_str(&format!(" TABLESPACE {}", quote_ident(tablespace)));
    }
    if let Some(predicate) = &index.predicate {
        sql.push_str(&format!(" WHERE {predicate}"));
    }
    sql
}

/// As `pg_get_indexdef` prints an index of plain columns; others only the server can spell (`IndexDecl::needs_server`).
pub fn canonical_index(index: &IndexDecl, relation: &QName) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {} ON {relation} {}", quote_ident(&index.name), body(index))
}

/// What of an index's definition does not name it or its relation.
pub fn index_body(definition: &str) -> &str {
    // A name may hold that word, too: then it is quoted, and every second piece between quotes is a name.
    let mut at = 0;
    for (piece, text) in definition.split('"').enumerate() {
        if let Some(found) = text.find(" USING ").filter(|_| piece % 2 == 0) {
            return &definition[at + found + 1..];
        }
        at += text.len() + 1;
    }
    definition
}

fn body(index: &IndexDecl) -> String {
    let keys: Vec<String> = index.keys.iter().map(key).collect();
    let mut sql = format!("USING {} ({})", quote_ident(&index.method), keys.join(", "));
    if !index.include.is_empty() {
        sql.push_str(&format!(" INCLUDE ({})", quote_idents(&index.include)));
    }
    if index.nulls_not_distinct {
        sql.push_str(" NULLS NOT DISTINCT");
    }
    if !index.with.is_empty() {
        let options: Vec<String> =
            index.with.iter().map(|(k, v)| format!("{}={}", quote_ident(k), option_value(v))).collect();
        sql.push_str(&format!(" WITH ({})", options.join(", ")));
    }
    sql
}

fn key(key: &IndexKey) -> String {
    let mut sql = if key.expression { key.term.clone() } else { quote_ident(&key.term) };
    if let Some(collation) = &key.collation {
        sql.push_str(&format!(" COLLATE {}", qualified(collation)));
    }
    if let Some(opclass) = &key.opclass {
        sql.push_str(&format!(" {}", operator_class(opclass).unwrap_or_else(|| quote_ident(opclass))));
    }
    if key.descending {
        sql.push_str(" DESC");
    }
    // NULLS FIRST is what DESC means anyway, NULLS LAST what ascending does.
    match key.nulls_first {
        Some(true) if !key.descending => sql.push_str(" NULLS FIRST"),
        Some(false) if key.descending => sql.push_str(" NULLS LAST"),
        _ => {}
    }
    sql
}

/// A name that may be qualified with a dot, as declared or as SQL writes it.
fn qualified(name: &str) -> String {
    let parts = if name.contains('"') { parse_qualified_name(name) } else { None };
    match parts {
        Some(parts) => parts.iter().map(|part| quote_ident(part)).collect::<Vec<_>>().join("."),
        None => name.split('.').map(quote_ident).collect::<Vec<_>>().join("."),
    }
}

/// An operator class for SQL, quoted: its perhaps qualified name and, in brackets, its parameters as PostgreSQL prints
/// them, `gist_trgm_ops (siglen='32')`. `None` where the text has brackets, but is not that.
/// <https://www.postgresql.org/docs/current/indexes-opclass.html>
pub fn operator_class(text: &str) -> Option<String> {
    let text = text.trim();
    let Some(open) = text.find(" (").or_else(|| text.find('(')) else {
        return Some(qualified(text));
    };
    let (name, rest) = text.split_at(open);
    let mut rest = rest.trim_start().strip_prefix('(')?.strip_suffix(')')?.trim();
    let mut parameters = Vec::new();
    loop {
        let (key, tail) = rest.split_once('=')?;
        let (value, tail) = parameter_value(tail.trim_start())?;
        let [key] = parse_qualified_name(key)?.try_into().ok()?;
        parameters.push(format!("{}={}", quote_ident(&key), option_value(&value)));
        let tail = tail.trim_start();
        if tail.is_empty() {
            return Some(format!("{} ({})", qualified(name), parameters.join(", ")));
        }
        rest = tail.strip_prefix(',')?.trim_start();
    }
}

/// A constant or a bare word at the start of a text, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('\'') else {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
        let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let (part, tail) = rest.split_once('\'')?;
        value.push_str(part);
        match tail.strip_prefix('\'') {
            Some(tail) => {
                value.push('\'');
                rest = tail;
            }
            None => return Some((value, tail)),
        }
    }
}

/// Storage parameters, or a view's options, behind what is created.
pub fn with_options(options: &BTreeMap<String, String>) -> String {
    if options.is_empty() {
        return String::new();
    }
    let options: Vec<String> =
        options.iter().map(|(key, value)| format!("{} = {}", option_name(key), option_value(value))).collect();
    format!("\nWITH ({})", options.join(", "))
}

/// `toast.autovacuum_enabled` is two names.
pub fn option_name(key: &str) -> String {
    key.split('.').map(quote_ident).collect::<Vec<_>>().join(".")
}

/// A storage parameter's value, quoted as PostgreSQL prints it.
pub fn option_value(value: &str) -> String {
    if quote_ident(value) == value { value.to_owned() } else { quote_literal(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: Vec<IndexKey>) -> IndexDecl {
        IndexDecl {
            name: "i".into(),
            keys,
            unique: true,
            method: "btree".into(),
            include: vec!["Total".into()],
            predicate: None,
            with: BTreeMap::from([("fillfactor".into(), "90".into())]),
            tablespace: None,
            nulls_not_distinct: true,
        }
    }

    fn column(term: &str) -> IndexKey {
        IndexKey {
            term: term.into(),
            expression: false,
            descending: false,
            nulls_first: None,
            opclass: None,
            collation: None,
        }
    }

    #[test]
    fn spells_what_postgresql_prints() {
        let day = IndexKey { descending: true, nulls_first: Some(false), ..column("day") };
        let text = canonical_index(&index(vec![day, column("order")]), &QName::new("s", "m"));
        insta::assert_snapshot!(text, @r#"CREATE UNIQUE INDEX i ON s.m USING btree (day DESC NULLS LAST, "order") INCLUDE ("Total") NULLS NOT DISTINCT WITH (fillfactor='90')"#);
        assert!(index_body(&text).starts_with("USING btree (day"));
    }

    #[test]
    fn concurrent_and_partial() {
        let mut index = index(vec![column("a")]);
        index.predicate = Some("a > 0".into());
        index.tablespace = Some("fast".into());
        let text = create_index(&index, &QName::new("s", "m"), "j", true);
        assert!(text.starts_with("CREATE UNIQUE INDEX CONCURRENTLY j ON s.m USING btree (a)"));
        assert!(text.ends_with("TABLESPACE fast WHERE a > 0"));
    }

    #[test]
    fn operator_classes_are_quoted() {
        for (text, sql) in [
            ("text_pattern_ops", "text_pattern_ops"),
            ("My.Ops", "\"My\".\"Ops\""),
            ("\"my.schema\".ops", "\"my.schema\".ops"),
            ("gist_trgm_ops (siglen='32')", "gist_trgm_ops (siglen='32')"),
            ("ext.ops(a = 1, \"B\"='it''s' , c=on)", "ext.ops (a='1', \"B\"='it''s', c='on')"),
            ("a\" b", "\"a\"\" b\""),
        ] {
            assert_eq!(operator_class(text).as_deref(), Some(sql), "{text}");
        }
        for bad in
            ["ops (", "ops ()", "ops (a)", "ops (a=)", "ops (a=1", "ops (a=1) desc", "ops (a=1), (b='x')", "o (a='x)"]
        {
            assert_eq!(operator_class(bad), None, "{bad}");
        }
        let key = IndexKey { opclass: Some("ops (a=1); DROP TABLE t; --".into()), ..column("a") };
        assert_eq!(super::key(&key), "a \"ops (a=1); DROP TABLE t; --\"");
    }
}
