//! Running a migration in a transaction that rolls back.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::judge::judge;
use super::rights::rights;
use super::side::Side;
use super::watch::{Trace, Watch, Watched, indexes};
use super::{Checked, MigrationError, Script, Subject};
use crate::catalog::{self, Actual};
use crate::compile::{self, CompileError, Tried};
use crate::database::retry::Rereads;
use crate::database::{SqlError, registry};
use crate::manifest::{Desired, DesiredMart};
use crate::plan;
use crate::state::{QName, quote_literal};

/// Runs the migration, looks at what became of the marts, and rolls it back, whatever happens. `stopped` is asked before each statement.
///
/// # Errors
/// A statement that PostgreSQL refuses; a standby; somebody stopped it; what the server says to our own looking.
pub async fn check(
    conn: &mut PgConnection,
    script: &Script,
    subject: &Subject<'_>,
    stopped: &dyn Fn() -> bool,
) -> Result<Checked, MigrationError> {
    let mut rereads = Rereads::default();
    loop {
        match check_once(conn, script, subject, stopped).await {
            Err(error) if error.is_outdated() && rereads.another() => {}
            done => return done,
        }
    }
}

async fn check_once(
    conn: &mut PgConnection,
    script: &Script,
    subject: &Subject<'_>,
    stopped: &dyn Fn() -> bool,
) -> Result<Checked, MigrationError> {
    let Subject { desired, actual, .. } = *subject;
    if actual.server.in_recovery {
        return Err(MigrationError::Standby);
    }
    let marts: Vec<&DesiredMart> = desired.marts.iter().collect();
    let wait = desired.project.database.lock_timeout_ms;
    // All that needs none of the migration's locks comes before it.
    let tried = compile::attempt(conn, &marts, wait).await?;
    let needed = needed(&tried, desired, actual);
    let needed = following(conn, subject, actual, needed, false).await?;
    let respelled = compile::respelled(conn, desired, &needed.compiled, actual).await?;
    let reads = reads(desired, &tried, actual);
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
    let outcome = within(conn, script, subject, &marts, &reads, stopped).await;
    let rolled_back = sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await;
    if stopped() {
        return Err(MigrationError::Stopped);
    }
    let found = outcome?;
    rolled_back?;
    let mut options = subject.options.clone();
    // What a migration changed in a mart's text is not the same in other words.
    let same = |name: &QName| {
        let text = |actual: &Actual| actual.relations.get(name).map(|relation| relation.definition.clone());
        text(actual) == text(&found.actual)
    };
    options.respelled = respelled;
    let before = Side::new(desired, actual, needed, &options, subject.now);
    options.respelled.retain(|name, _| same(name));
    let after = Side::new(desired, &found.actual, found.tried, &options, subject.now);
    Ok(judge(desired, &before, &after, &found.watch, &reads))
}

/// What was seen while the migration was there.
struct Found {
    actual: Actual,
    tried: Tried,
    watch: Watch,
}

/// Without what need not be compiled to plan.
fn needed(tried: &Tried, desired: &Desired, actual: &Actual) -> Tried {
    let needed = compile::needed(&desired.marts, actual);
    let mut tried = tried.clone();
    tried.compiled.marts.retain(|name, _| needed.contains(name));
    tried
}

/// With what would follow the marts that compile, as the next apply sees it; `within` a transaction that goes on.
async fn following(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    actual: &Actual,
    tried: Tried,
    within: bool,
) -> Result<Tried, MigrationError> {
    let Subject { desired, options, .. } = *subject;
    let wait = desired.project.database.lock_timeout_ms;
    let following = plan::following(desired, &tried.compiled, actual, options);
    let asked = following.asked();
    let followed = match within {
        true => compile::follow_within(conn, &asked, &tried.compiled, wait).await,
        false => compile::follow(conn, &asked, &tried.compiled, wait).await,
    };
    match followed {
        Ok(compiled) => Ok(Tried { compiled, ..tried }),
        // Marts that do not compile are told of already.
        Err(CompileError::Refused { .. }) => Ok(tried),
        Err(error) => Err(error.into()),
    }
}

/// What each mart reads directly.
fn reads(desired: &Desired, tried: &Tried, actual: &Actual) -> BTreeMap<QName, BTreeSet<QName>> {
    let one = |mart: &DesiredMart| -> BTreeSet<QName> {
        if let Some(compiled) = tried.compiled.marts.get(&mart.mart.name) {
            return compiled.reads.clone();
        }
        let resolved = mart.reads.iter().filter_map(|read| match &read.schema {
            Some(schema) => Some(QName::new(schema, &read.name)),
            None => {
                let mut names = mart.mart.search_path.iter().map(|schema| QName::new(schema, &read.name));
                names.find(|name| actual.relations.contains_key(name))
            }
        });
        resolved.chain(mart.upstream.iter().cloned()).collect()
    };
    desired.marts.iter().map(|mart| (mart.mart.name.clone(), one(mart))).collect()
}

async fn within(
    conn: &mut PgConnection,
    script: &Script,
    subject: &Subject<'_>,
    marts: &[&DesiredMart],
    reads: &BTreeMap<QName, BTreeSet<QName>>,
    stopped: &dyn Fn() -> bool,
) -> Result<Found, MigrationError> {
    let Subject { desired, actual, .. } = *subject;
    let wait = desired.project.database.lock_timeout_ms;
    let roots: BTreeSet<QName> = reads.iter().flat_map(|(name, reads)| reads.iter().chain([name]).cloned()).collect();
    let watched = Watched::read(conn, &roots).await?;
    let might = rights(conn, marts, reads, actual).await?;
    let mut trace = Trace::default();
    let limits =
        format!("SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = {}", subject.statement_timeout_ms);
    let path: String = sqlx::query(include_str!("sql/search_path.sql")).fetch_one(&mut *conn).await?.try_get("path")?;
    let path = format!("SELECT pg_catalog.set_config('search_path', {}, false)", quote_literal(&path));
    sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut *conn).await?;
    for (at, statement) in script.statements.iter().enumerate() {
        if stopped() {
            return Err(MigrationError::Stopped);
        }
        if let Some(drops) = &statement.left_out {
            watched.would_go(conn, drops, at, &mut trace).await?;
            continue;
        }
        // A migration that sets its own is none of those that take longer.
        sqlx::raw_sql(AssertSqlSafe(limits.clone())).execute(&mut *conn).await?;
        // Prepared, so that the server takes it for one statement, too, or refuses it.
        let run = sqlx::query(AssertSqlSafe(script.sql(statement).to_owned()));
        run.execute(&mut *conn).await.map_err(|error| MigrationError::Statement { at, error: error.into() })?;
        watched.look(conn, at, &mut trace).await?;
    }
    if let Err(error) = sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *conn).await {
        return Err(MigrationError::End(error.into()));
    }
    settle(conn, wait).await?;
    let indexes = indexes(conn, &watched.relations).await?;
    let may = rights(conn, marts, reads, actual).await?;
    let actual = look(conn, desired, actual).await?;
    let tried = compile::attempt_within(conn, marts, wait).await?;
    let tried = following(conn, subject, &actual, needed(&tried, desired, &actual), true).await?;
    Ok(Found { actual, tried, watch: Watch { watched, trace, rights: (might, may), indexes } })
}

/// Puts back what a migration may have set for its session.
async fn settle(conn: &mut PgConnection, lock_timeout_ms: u64) -> Result<(), SqlError> {
    let ours = format!(
        "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; SET LOCAL lock_timeout = {lock_timeout_ms}; \
         SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL client_min_messages = warning; \
         SET LOCAL standard_conforming_strings = on; SET LOCAL TimeZone = 'UTC'; \
         SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'"
    );
    sqlx::raw_sql(AssertSqlSafe(ours)).execute(conn).await?;
    Ok(())
}

/// What is there after the migration; the registry's rows are those from before.
async fn look(conn: &mut PgConnection, desired: &Desired, before: &Actual) -> Result<Actual, MigrationError> {
    let schema = &desired.project.registry_schema;
    let there = registry::state(conn, schema).await?.usable(schema)?.is_some();
    if !before.recorded.is_empty() && !there {
        return Err(MigrationError::Registry { schema: schema.clone() });
    }
    let mut scope = plan::scope(desired, None);
    scope.names.extend(before.recorded.keys().cloned());
    let recorded = before.recorded.values();
    scope.sources.extend(recorded.flat_map(|row| row.applied.reads.values().map(|read| read.name.clone())));
    let mut after = catalog::introspect(conn, &scope).await?;
    after.recorded = before.recorded.clone();
    after.renamed = before.renamed.clone();
    Ok(after)
}
