//! The text of index definitions: as we write it, and as PostgreSQL prints it.

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
    definition.find(" USING ").map_or(definition, |at| &definition[at + 1..])
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
        sql.push_str(&format!(" {}", qualified(opclass)));
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

/// A name that may be qualified with a dot, as declared.
fn qualified(name: &str) -> String {
    if name.contains('"') {
        return name.to_owned();
    }
    name.split('.').map(quote_ident).collect::<Vec<_>>().join(".")
}

/// A storage parameter's value, quoted as PostgreSQL prints it.
pub fn option_value(value: &str) -> String {
    if quote_ident(value) == value { value.to_owned() } else { quote_literal(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

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
}
