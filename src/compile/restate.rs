//! What the server makes of queries over what is live: the text it would print for them, and a text for people that means the same.
//!
//! PostgreSQL does not always print a query as it would print the query it printed: `status IN ('a', 'b')` over a `varchar` takes two rounds
//! to settle. What is written into a manifest is the settled text, so that a mart built from it reads the same again.

mod index;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::savepoint::savepoint;
use super::{CompileError, canonical};
use crate::database::SqlError;
use crate::state::{QName, quote_ident, quote_literal};

pub use index::StatedIndex;

/// A query to ask the server about.
#[derive(Debug, Clone)]
pub struct Stated<'a> {
    /// Whose it is.
    pub mart: &'a QName,
    /// Its text.
    pub query: &'a str,
    /// Settings it is read with, such as `search_path`; ours unless given.
    pub settings: Vec<(String, String)>,
    /// Settings that the text for people will be read with.
    pub again: Vec<(String, String)>,
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
    /// The text for people means something else with the settings it will be read with: a function or an operator stands before
    /// PostgreSQL's own there.
    pub captured: bool,
    /// Its indexes as the server settles them, for people, by name.
    pub indexes: BTreeMap<String, String>,
}

/// How many queries are sent at once.
const PER_MESSAGE: usize = 100;

/// How many views stand at once: each takes locks, and the server has room for some thousands.
const AT_ONCE: usize = 500;

/// The views are temporary ones under this name and a number, so that no schema is made and nobody's name is taken.
const PREFIX: &str = "datamart_restated_";

/// Asks the server about queries over the relations as they are; the transaction is rolled back. Queries that it refuses come back as its
/// error. Reading a query may run functions: of whom, `catalog::untrusted` tells.
///
/// # Errors
/// Something else than a query that is refused: a server that only reads, a lock that is not given, no right to make temporary views.
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
    let mut round = Round { conn, reset: reset(queries), refused: BTreeMap::new() };
    let jobs = queries.iter().enumerate();
    let first = jobs.map(|(i, query)| Job { query: i, text: query.query.to_owned(), settings: &query.settings });
    let printed = round.print(&first.collect::<Vec<_>>()).await?;
    let refused = std::mem::take(&mut round.refused);
    // As it will be read in a manifest.
    let pretty = |i: &usize, p: &Printed| Job { query: *i, text: p.pretty.clone(), settings: &queries[*i].again };
    let from_pretty = round.print(&printed.iter().map(|(i, p)| pretty(i, p)).collect::<Vec<_>>()).await?;
    let mut odd = printed.clone();
    odd.retain(|i, p| from_pretty.get(i).is_none_or(|q| q.canonical != p.canonical));
    let settled = round.settle(&odd).await?;
    let finally = |(i, s): (&usize, &Restated)| Job { query: *i, text: s.text.clone(), settings: &queries[*i].again };
    let finally = round.print(&settled.iter().map(finally).collect::<Vec<_>>()).await?;
    let mut indexes = index::settle(round.conn, queries).await?;
    for (i, first) in &printed {
        let mut found = match settled.get(i) {
            Some(settled) => settled.clone(),
            None => Restated { text: bare(&first.pretty), canonical: first.canonical.clone(), ..Restated::default() },
        };
        found.captured =
            settled.contains_key(i) && finally.get(i).is_none_or(|again| again.canonical != found.canonical);
        found.canonical = canonical(&found.canonical);
        found.indexes = indexes.remove(i).unwrap_or_default();
        restated.insert(queries[*i].mart.clone(), Ok(found));
    }
    restated.extend(refused.into_iter().map(|(i, error)| (queries[i].mart.clone(), Err(error))));
    Ok(())
}

/// A query without the blank and the semicolon that the server prints around it.
fn bare(text: &str) -> String {
    text.trim().trim_end_matches(';').to_owned()
}

/// Puts back every setting that one of the queries is read with.
fn reset(queries: &[Stated<'_>]) -> String {
    let keys: BTreeSet<&String> =
        queries.iter().flat_map(|query| query.settings.iter().chain(&query.again)).map(|(key, _)| key).collect();
    let name = |key: &String| key.split('.').map(quote_ident).collect::<Vec<_>>().join(".");
    let mut sql: String = keys.into_iter().map(|key| format!("SET LOCAL {} TO DEFAULT;", name(key))).collect();
    sql.push_str("SET LOCAL search_path = pg_catalog, pg_temp;");
    sql
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

/// Views that are made, printed and forgotten.
struct Round<'c> {
    conn: &'c mut PgConnection,
    /// Our own settings.
    reset: String,
    /// What the server did not take.
    refused: BTreeMap<usize, SqlError>,
}

impl Round<'_> {
    /// The texts that stay the same when they are read again with our own settings: nothing on the search path but `pg_catalog`.
    async fn settle(&mut self, odd: &BTreeMap<usize, Printed>) -> Result<BTreeMap<usize, Restated>, CompileError> {
        let jobs = |text: fn(&Printed) -> &String| -> Vec<Job<'_>> {
            odd.iter().map(|(i, p)| Job { query: *i, text: text(p).clone(), settings: &[] }).collect()
        };
        let from_pretty = self.print(&jobs(|p| &p.pretty)).await?;
        let from_plain = self.print(&jobs(|p| &p.canonical)).await?;
        let settled = odd.iter().map(|(i, first)| {
            let settled = from_plain.get(i).unwrap_or(first);
            let text = match from_pretty.get(i) {
                Some(pretty) if pretty.canonical == settled.canonical => &pretty.pretty,
                _ => &settled.canonical,
            };
            (*i, Restated { text: bare(text), canonical: settled.canonical.clone(), ..Restated::default() })
        });
        Ok(settled.collect())
    }

    /// Makes a view of every text and reads what the server prints; those it refuses are left out, and told.
    async fn print(&mut self, jobs: &[Job<'_>]) -> Result<BTreeMap<usize, Printed>, CompileError> {
        if jobs.is_empty() {
            return Ok(BTreeMap::new());
        }
        sqlx::raw_sql("SAVEPOINT datamart_round").execute(&mut *self.conn).await?;
        for part in jobs.chunks(PER_MESSAGE) {
            let all: String = part.iter().map(|job| self.create(job)).collect();
            if attempt(self.conn, &all).await?.is_ok() {
                continue;
            }
            for job in part {
                if let Err(error) = attempt(self.conn, &self.create(job)).await? {
                    self.refused.insert(job.query, error.at(None));
                }
            }
        }
        sqlx::raw_sql(AssertSqlSafe(self.reset.clone())).execute(&mut *self.conn).await?;
        let rows = sqlx::query(include_str!("sql/restated.sql")).fetch_all(&mut *self.conn).await?;
        let mut printed = BTreeMap::new();
        for row in rows {
            let name: String = row.try_get("name")?;
            if let Some(i) = name.strip_prefix(PREFIX).and_then(|number| number.parse().ok()) {
                printed.insert(i, Printed { canonical: row.try_get("canonical")?, pretty: row.try_get("pretty")? });
            }
        }
        sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_round").execute(&mut *self.conn).await?;
        Ok(printed)
    }

    fn create(&self, job: &Job<'_>) -> String {
        let mut sql = self.reset.clone();
        for (key, value) in job.settings {
            let (key, value) = (quote_literal(key), quote_literal(value));
            sql.push_str(&format!("SELECT pg_catalog.set_config({key}, {value}, true);"));
        }
        sql.push_str(&format!("CREATE TEMPORARY VIEW {PREFIX}{} AS\n{}\n;", job.query, bare(&job.text)));
        sql
    }
}

/// Runs `sql` so that its failure does not end the transaction, unless nothing that follows could go better.
async fn attempt(conn: &mut PgConnection, sql: &str) -> Result<Result<(), SqlError>, CompileError> {
    match savepoint(conn, sql).await? {
        Err(error) if ends_everything(&error) => Err(CompileError::Sql(error)),
        outcome => Ok(outcome),
    }
}

/// Whether an error is about this session or this moment, not about one query: the next one would fail the same way.
fn ends_everything(error: &SqlError) -> bool {
    let class = |class: &str| error.sqlstate.as_deref().is_some_and(|state| state.starts_with(class));
    let states = ["25006", "55P03", "57014"].iter().any(|state| error.is(state));
    states || class("40") || class("53") || is_without_temporary(error)
}

/// Whether this role may not make temporary relations.
pub(super) fn is_without_temporary(error: &SqlError) -> bool {
    error.is("42501") && error.message.contains("temporary")
}
