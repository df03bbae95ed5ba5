//! The SQL of a random database.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use datamart::state::{quote_ident, quote_literal};

use super::queries::query;
use super::vocabulary::{COMMENTS, INT, NAMES, SCHEMAS, TEXT, TYPES, VARCHAR};
use super::{Mart, Table};

/// What can be read: every relation's first column is an integer.
pub struct Relation {
    pub name: String,
    pub columns: Vec<Column>,
    /// It has no rows, so that every index on it may be unique.
    pub empty: bool,
}

/// A name, and the number of its type.
pub type Column = (String, usize);

/// All statements that make the database; it stands in three schemas.
pub fn sql(tables: &[Table], marts: &[Mart], database: &str) -> String {
    let mut out = String::from("CREATE SCHEMA s; CREATE SCHEMA \"S 2\"; CREATE SCHEMA \"s-3\";\n");
    let mut taken = BTreeSet::new();
    let mut relations: Vec<Relation> = Vec::new();
    for table in tables {
        let name = name(&mut taken, SCHEMAS[0], table.name);
        let mut columns = vec![("id".to_owned(), INT)];
        for (of, called) in &table.columns {
            let called = column_name(&columns, *called);
            columns.push((called, usize::from(*of) % TYPES.len()));
        }
        let list: Vec<String> =
            columns.iter().map(|(name, of)| format!("{} {}", quote_ident(name), TYPES[*of].name)).collect();
        let _ = writeln!(out, "CREATE TABLE {name} ({}, PRIMARY KEY (id));", list.join(", "));
        relations.push(Relation { name, columns, empty: true });
    }
    for mart in marts {
        let (a, b) = (pick(&relations, mart.reads.0), pick(&relations, mart.reads.1));
        let query = query(mart, a, b);
        let name = name(&mut taken, SCHEMAS[usize::from(mart.schema) % 3], mart.name);
        let made = Relation { name, columns: query.columns, empty: query.empty };
        let (kind, with) = match mart.stored {
            true => (
                "MATERIALIZED VIEW",
                pick(&["", " WITH (fillfactor = 70)", " WITH (autovacuum_enabled = false)"], mart.option),
            ),
            false => ("VIEW", pick(&["", " WITH (security_barrier)", " WITH (security_barrier = false)"], mart.option)),
        };
        let _ = writeln!(out, "CREATE {kind} {}{with} AS {};", made.name, query.text);
        if mart.stored {
            indexes(mart, &made, &mut out);
        }
        beside(mart, &made, kind, database, &mut out);
        relations.push(made);
    }
    out
}

pub fn pick<T>(of: &[T], number: u8) -> &T {
    &of[usize::from(number) % of.len()]
}

/// The same of words.
pub fn word<'a>(of: &[&'a str], number: u8) -> &'a str {
    of[usize::from(number) % of.len()]
}

/// A name that no relation of the schema has yet.
fn name(taken: &mut BTreeSet<String>, schema: &str, number: u8) -> String {
    let base = pick(NAMES, number);
    let names = std::iter::once((*base).to_owned()).chain((2..).map(|n| format!("{base}{n}")));
    let mut names = names.map(|name| format!("{}.{}", quote_ident(schema), quote_ident(&name)));
    let name = names.find(|name| !taken.contains(name)).expect("a name");
    taken.insert(name.clone());
    name
}

pub fn column_name(columns: &[Column], number: u8) -> String {
    let base = pick(NAMES, number);
    let mut names = std::iter::once((*base).to_owned()).chain((2..).map(|n| format!("{base}{n}")));
    names.find(|name| columns.iter().all(|(known, _)| known != name)).expect("a name")
}

fn indexes(mart: &Mart, made: &Relation, out: &mut String) {
    for (number, (of, kind, called)) in mart.indexes.iter().enumerate() {
        let (column, of) = pick(&made.columns, *of);
        let (name, key) = (quote_ident(column), quote_ident(&made.columns[0].0));
        let unique = if made.empty && kind % 3 == 0 { "UNIQUE " } else { "" };
        let called = match called % 3 {
            0 => format!("{} ", quote_ident(&format!("{} {number} {}", pick(NAMES, *called), made.columns.len()))),
            _ => String::new(),
        };
        let made_of = match (kind % 8, TYPES[*of].method) {
            (0, _) if TYPES[*of].ordered => {
                format!("{unique}INDEX {called}ON {} ({name} DESC NULLS LAST, {key})", made.name)
            }
            (1, Some(method)) => format!("INDEX {called}ON {} USING {method} ({name})", made.name),
            (2, _) if *of == TEXT || *of == VARCHAR => {
                format!("INDEX {called}ON {} (lower({name}) COLLATE \"C\", {key})", made.name)
            }
            (3, _) if *of == TEXT || *of == VARCHAR => {
                format!("INDEX {called}ON {} ({key}) WHERE {name} IN ('a', 'b')", made.name)
            }
            (4, _) if TYPES[*of].ordered => {
                format!("{unique}INDEX {called}ON {} ({key}, {name}) WITH (fillfactor = 80)", made.name)
            }
            (5, _) => format!(
                "{unique}INDEX {called}ON {} ({key}) INCLUDE ({name}) WHERE {key} > 3 AND {name} IS NOT NULL",
                made.name
            ),
            (6, _) => format!(
                "INDEX {called}ON {} ((({key} + 1) % 7), ({name} IS NULL)) WHERE {key} = ANY (ARRAY[1, 2])",
                made.name
            ),
            _ => format!("{unique}INDEX {called}ON {} ({key} NULLS FIRST)", made.name),
        };
        let _ = writeln!(out, "CREATE {made_of};");
    }
}

/// Comments and grants.
fn beside(mart: &Mart, made: &Relation, kind: &str, database: &str, out: &mut String) {
    for (on, text) in &mart.comments {
        let text = quote_literal(word(COMMENTS, *text));
        let _ = match on % 3 {
            0 => writeln!(out, "COMMENT ON {kind} {} IS {text};", made.name),
            _ => {
                writeln!(out, "COMMENT ON COLUMN {}.{} IS {text};", made.name, quote_ident(&pick(&made.columns, *on).0))
            }
        };
    }
    for (what, to) in &mart.grants {
        let role =
            pick(&["PUBLIC".to_owned(), format!("{database}_r"), format!("\"{database} Odd\"\"r\"")], *to).clone();
        let option = if role != "PUBLIC" && to % 5 == 0 { " WITH GRANT OPTION" } else { "" };
        let column = quote_ident(&pick(&made.columns, *what).0);
        let privileges = match what % 4 {
            0 => "SELECT".to_owned(),
            1 => "SELECT, INSERT, UPDATE".to_owned(),
            2 => format!("SELECT ({column})"),
            _ => format!("SELECT ({column}), UPDATE ({column})"),
        };
        let _ = writeln!(out, "GRANT {privileges} ON {} TO {role}{option};", made.name);
    }
}
