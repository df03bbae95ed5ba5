//! Indexes as the server settles them: what they compute is printed and read back until it stays the same.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{PREFIX, Stated, attempt};
use crate::compile::CompileError;
use crate::sql::index_body;
use crate::state::quote_ident;

/// An index to ask the server about.
#[derive(Debug, Clone, Copy)]
pub struct StatedIndex<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its text, as the server prints it.
    pub definition: &'a str,
    /// Unique.
    pub unique: bool,
}

/// The text for people of the indexes of `queries`, by the query's number and the index's name. What the server does not take is left out.
pub(super) async fn settle(
    conn: &mut PgConnection,
    queries: &[Stated<'_>],
) -> Result<BTreeMap<usize, BTreeMap<String, String>>, CompileError> {
    let mut settled = BTreeMap::new();
    if queries.iter().all(|query| query.indexes.is_empty()) {
        return Ok(settled);
    }
    sqlx::raw_sql("SAVEPOINT datamart_round").execute(&mut *conn).await?;
    let mut open: Vec<Index<'_>> = Vec::new();
    for (query, stated) in queries.iter().enumerate().filter(|(_, stated)| !stated.indexes.is_empty()) {
        let text = stated.query.trim().trim_end_matches(';');
        let table = format!(
            "SET LOCAL search_path = pg_catalog, pg_temp; CREATE TEMPORARY TABLE {PREFIX}{query} AS\n{text}\nWITH NO DATA"
        );
        if attempt(conn, &table).await?.is_ok() {
            open.extend(stated.indexes.iter().enumerate().map(|(number, index)| Index {
                query,
                number,
                index: *index,
            }));
        }
    }
    let live: Vec<_> = open.iter().map(|index| (index, 'a', index_body(index.index.definition).to_owned())).collect();
    let first = print(conn, &live).await?;
    let again = |text: fn(&Printed) -> &str, letter: char| -> Vec<(&Index<'_>, char, String)> {
        let found = open.iter().filter_map(|index| Some((index, letter, first.get(&index.name('a'))?)));
        found.map(|(index, letter, printed)| (index, letter, text(printed).to_owned())).collect()
    };
    let from_pretty = print(conn, &again(|printed| index_body(&printed.pretty), 'b')).await?;
    let from_plain = print(conn, &again(|printed| index_body(&printed.canonical), 'c')).await?;
    for index in &open {
        let Some(plain) = from_plain.get(&index.name('c')) else { continue };
        let text = match from_pretty.get(&index.name('b')) {
            Some(pretty) if index_body(&pretty.canonical) == index_body(&plain.canonical) => &pretty.pretty,
            _ => &plain.canonical,
        };
        let of_query: &mut BTreeMap<String, String> = settled.entry(index.query).or_default();
        of_query.insert(index.index.name.to_owned(), text.clone());
    }
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_round").execute(&mut *conn).await?;
    Ok(settled)
}

struct Index<'a> {
    query: usize,
    number: usize,
    index: StatedIndex<'a>,
}

impl Index<'_> {
    fn name(&self, letter: char) -> String {
        format!("{PREFIX}{}_{}{letter}", self.query, self.number)
    }
}

struct Printed {
    canonical: String,
    pretty: String,
}

/// Makes indexes and reads what the server prints, by their names.
async fn print(
    conn: &mut PgConnection,
    jobs: &[(&Index<'_>, char, String)],
) -> Result<BTreeMap<String, Printed>, CompileError> {
    let statement = |(index, letter, body): &(&Index<'_>, char, String)| {
        let unique = if index.index.unique { "UNIQUE " } else { "" };
        let name = quote_ident(&index.name(*letter));
        format!("CREATE {unique}INDEX {name} ON pg_temp.{PREFIX}{} {body}", index.query)
    };
    let all: Vec<String> = jobs.iter().map(statement).collect();
    if attempt(conn, &all.join(";\n")).await?.is_err() {
        for statement in &all {
            // What the server does not take stays as it prints it.
            let _ = attempt(conn, statement).await?;
        }
    }
    let rows = sqlx::query(AssertSqlSafe(include_str!("../sql/restated_indexes.sql"))).fetch_all(conn).await?;
    let mut printed = BTreeMap::new();
    for row in rows {
        let text = Printed { canonical: row.try_get("canonical")?, pretty: row.try_get("pretty")? };
        printed.insert(row.try_get("name")?, text);
    }
    Ok(printed)
}
