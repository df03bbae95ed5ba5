//! What the server makes of queries over what is live: the text it would print for them, and a text for people that means the same.
//!
//! PostgreSQL does not always print a query as it would print the query it printed: `status IN ('a', 'b')` over a `varchar` takes two rounds
//! to settle. What is written into a manifest is the settled text, so that a mart built from it reads the same again.

mod index;

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{CompileError, canonical};
use crate::database::SqlError;
use crate::state::{QName, quote_literal};

pub use index::StatedIndex;

/// A query to ask the server about.
#[derive(Debug, Clone)]
pub struct Stated<'a> {
    /// Whose it is.
    pub mart: &'a QName,
    /// Its text.
    pub query: &'a str,
    /// Settings it is read with, such as `search_path`.
    pub settings: Vec<(String, String)>,
    /// Indexes on what it gives that compute something: expressions, predicates.
    pub indexes: Vec<StatedIndex<'a>>,
}

/// A query as the server prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restated {
    /// The text by which queries are compared.
    pub canonical: String,
    /// A text for people that means the same: as the server prints it prettily where that comes back as the same query.
    pub text: String,
    /// Its indexes as the server settles them, for people, by name.
    pub indexes: BTreeMap<String, String>,
}

/// How many queries are sent at once.
const PER_MESSAGE: usize = 100;

/// How many views stand at once: each takes locks, and the server has room for some thousands.
const AT_ONCE: usize = 500;

/// The views are temporary ones under this name and a number, so that no schema is made and nobody's name is taken.
const PREFIX: &str = "datamart_restated_";

/// Asks the server about queries over the relations as they are, and leaves the database as it was. Queries that it refuses come back as
/// its error.
///
/// # Errors
/// Something else than a query that is refused.
pub async fn restate(
    conn: &mut PgConnection,
    queries: &[Stated<'_>],
    lock_timeout_ms: u64,
) -> Result<BTreeMap<QName, Result<Restated, SqlError>>, CompileError> {
    if queries.is_empty() {
        return Ok(BTreeMap::new());
    }
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
    let outcome = in_transaction(conn, queries, lock_timeout_ms).await;
    let rolled_back = sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await;
    let restated = outcome?;
    rolled_back?;
    Ok(restated)
}

async fn in_transaction(
    conn: &mut PgConnection,
    queries: &[Stated<'_>],
    lock_timeout_ms: u64,
) -> Result<BTreeMap<QName, Result<Restated, SqlError>>, CompileError> {
    let setup = format!("SET LOCAL lock_timeout = {lock_timeout_ms}");
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut *conn).await?;
    let mut restated = BTreeMap::new();
    for part in queries.chunks(AT_ONCE) {
        some(conn, part, &mut restated).await?;
    }
    Ok(restated)
}

async fn some(
    conn: &mut PgConnection,
    queries: &[Stated<'_>],
    restated: &mut BTreeMap<QName, Result<Restated, SqlError>>,
) -> Result<(), CompileError> {
    let jobs = queries.iter().enumerate();
    let first: Vec<Job> =
        jobs.map(|(i, query)| Job { query: i, text: query.query.to_owned(), settings: &query.settings }).collect();
    let mut refused = BTreeMap::new();
    let printed = print(conn, &first, &mut refused).await?;
    // What was printed is fully qualified: no setting of the mart decides what it means.
    let again = |text: fn(&Printed) -> &String, printed: &BTreeMap<usize, Printed>| -> Vec<Job<'_>> {
        printed.iter().map(|(i, p)| Job { query: *i, text: text(p).clone(), settings: &[] }).collect()
    };
    let mut lost = BTreeMap::new();
    let from_pretty = print(conn, &again(|p| &p.pretty, &printed), &mut lost).await?;
    let mut odd = printed.clone();
    odd.retain(|i, p| from_pretty.get(i).is_none_or(|q| q.canonical != p.canonical));
    let from_plain = print(conn, &again(|p| &p.canonical, &odd), &mut lost).await?;
    let mut indexes = index::settle(conn, queries).await?;
    for (i, first) in &printed {
        // The settled text, where another round changes it.
        let settled = from_plain.get(i).unwrap_or(first);
        let text = match from_pretty.get(i) {
            Some(pretty) if pretty.canonical == settled.canonical => &pretty.pretty,
            _ => &settled.canonical,
        };
        let text = text.trim().trim_end_matches(';').to_owned();
        let indexes = indexes.remove(i).unwrap_or_default();
        let found = Restated { canonical: canonical(&settled.canonical), text, indexes };
        restated.insert(queries[*i].mart.clone(), Ok(found));
    }
    restated.extend(refused.into_iter().map(|(i, error)| (queries[i].mart.clone(), Err(error))));
    Ok(())
}

/// A view to make, for the query of that number.
struct Job<'a> {
    query: usize,
    text: String,
    settings: &'a [(String, String)],
}

#[derive(Debug, Clone)]
struct Printed {
    canonical: String,
    pretty: String,
}

/// Makes a view of every text and reads what the server prints; those it refuses are left out, and told.
async fn print(
    conn: &mut PgConnection,
    jobs: &[Job<'_>],
    refused: &mut BTreeMap<usize, SqlError>,
) -> Result<BTreeMap<usize, Printed>, CompileError> {
    if jobs.is_empty() {
        return Ok(BTreeMap::new());
    }
    sqlx::raw_sql("SAVEPOINT datamart_round").execute(&mut *conn).await?;
    for part in jobs.chunks(PER_MESSAGE) {
        let all: String = part.iter().map(create).collect();
        if attempt(conn, &all).await?.is_ok() {
            continue;
        }
        for job in part {
            if let Err(error) = attempt(conn, &create(job)).await? {
                refused.insert(job.query, error.at(None));
            }
        }
    }
    sqlx::raw_sql("SET LOCAL search_path = pg_catalog, pg_temp").execute(&mut *conn).await?;
    let rows = sqlx::query(include_str!("sql/restated.sql")).fetch_all(&mut *conn).await?;
    let mut printed = BTreeMap::new();
    for row in rows {
        let name: String = row.try_get("name")?;
        if let Some(i) = name.strip_prefix(PREFIX).and_then(|number| number.parse().ok()) {
            printed.insert(i, Printed { canonical: row.try_get("canonical")?, pretty: row.try_get("pretty")? });
        }
    }
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_round").execute(&mut *conn).await?;
    Ok(printed)
}

fn create(job: &Job<'_>) -> String {
    let mut sql = String::from("SET LOCAL search_path = pg_catalog, pg_temp;");
    for (key, value) in job.settings {
        let (key, value) = (quote_literal(key), quote_literal(value));
        sql.push_str(&format!("SELECT pg_catalog.set_config({key}, {value}, true);"));
    }
    sql.push_str(&format!("CREATE TEMPORARY VIEW {PREFIX}{} AS\n{}\n;", job.query, job.text));
    sql
}

/// Runs `sql` so that its failure does not end the transaction.
async fn attempt(conn: &mut PgConnection, sql: &str) -> Result<Result<(), SqlError>, CompileError> {
    // A message of its own: one with a syntax error in it is refused before its first statement runs.
    sqlx::raw_sql("SAVEPOINT datamart_query").execute(&mut *conn).await?;
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await {
        Ok(_) => {
            sqlx::raw_sql("RELEASE SAVEPOINT datamart_query").execute(&mut *conn).await?;
            Ok(Ok(()))
        }
        Err(error @ sqlx::Error::Database(_)) => {
            let back = "ROLLBACK TO SAVEPOINT datamart_query; RELEASE SAVEPOINT datamart_query";
            sqlx::raw_sql(back).execute(&mut *conn).await?;
            Ok(Err(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}
