//! What the rows of a query depend on that is computed whole, where they stay the same as long as nothing of that changes.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

use super::changes::{functions, letter};
use crate::database::SqlError;
use crate::sql::changes::{self, Function, Known, Names};
use crate::state::{ChangeSource, Changes, QName};

/// The tables behind a query, as sources of which no column matters, and the views and functions in between. `definition` is the
/// server's text of it, `reads` what it reads directly. `None` where its rows may become others by themselves, as by the clock, or
/// where it reads what has no log.
///
/// # Errors
/// What the server says.
pub async fn settled(
    conn: &mut PgConnection,
    definition: &str,
    reads: &BTreeSet<QName>,
) -> Result<Option<Changes>, SqlError> {
    let rows = sqlx::query(include_str!("sql/behind_reads.sql"))
        .bind(reads.iter().map(|name| name.schema.as_str()).collect::<Vec<_>>())
        .bind(reads.iter().map(|name| name.name.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await?;
    let (mut found, mut known) = (Changes::default(), Known::default());
    let mut texts = vec![definition.to_owned()];
    for row in rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        match row.try_get::<&str, _>("kind")? {
            "r" | "p" => found.sources.push(ChangeSource::of(name)),
            "v" => {
                texts.push(row.try_get("definition")?);
                let signatures: Vec<String> = row.try_get("signatures")?;
                let volatilities: Vec<String> = row.try_get("volatilities")?;
                found.functions.extend(signatures.iter().cloned());
                let volatility = volatilities.iter().find(|word| *word != "i").map_or('i', |word| letter(word));
                known.behind.push((Some(name.clone()), Function { volatility, signatures, ..Function::default() }));
                found.views.push(name);
            }
            _ => return Ok(None),
        }
    }
    // Whether the query uses one of these cannot be seen.
    for row in sqlx::query(include_str!("sql/casts.sql")).fetch_all(&mut *conn).await? {
        let (signatures, volatility) = (vec![row.try_get("signature")?], letter(row.try_get("volatility")?));
        found.functions.extend(signatures.iter().cloned());
        known.behind.push((None, Function { volatility, signatures, ..Function::default() }));
    }
    let mut names = Names::default();
    for text in &texts {
        let of = changes::names(text);
        names.functions.extend(of.functions);
        names.made.extend(of.made);
    }
    functions(conn, &names.functions, &names.made, &mut known).await?;
    found.functions.extend(known.made.values().flat_map(|function| function.signatures.iter().cloned()));
    found.functions.sort();
    found.functions.dedup();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let is = !found.sources.is_empty() && changes::settled(&texts, &known).is_ok();
    Ok(is.then_some(found))
}
