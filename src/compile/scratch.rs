//! Scratch views, and what the server says about them.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::place::Scratch;
use super::savepoint::{MARTS_PER_MESSAGE, savepoint};
use super::{
    CompileError, Compiled, CompiledMart, Failure, Tried, allowed, canonical, changes, checks, said, span, weight,
};
use crate::catalog::Column;
use crate::manifest::DesiredMart;
use crate::sql::{Query, RelationRef};
use crate::state::{Mart, Part, QName};

/// Compiles `marts` (upstream first) and leaves the database as it was.
///
/// References between them are resolved among themselves, so that a whole new graph is checked before anything exists.
pub async fn compile(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    lock_timeout_ms: u64,
) -> Result<Compiled, CompileError> {
    let Tried { compiled, failures, skipped } = attempt(conn, marts, lock_timeout_ms).await?;
    match failures.is_empty() {
        true => Ok(compiled),
        false => Err(CompileError::Refused { failures, skipped }),
    }
}

/// The same, with what compiles where not everything does.
///
/// # Errors
/// Something else than a query or an index that is refused.
pub async fn attempt(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    lock_timeout_ms: u64,
) -> Result<Tried, CompileError> {
    if marts.is_empty() {
        return Ok(Tried::default());
    }
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
    let outcome = in_transaction(conn, marts, lock_timeout_ms).await;
    let rolled_back = sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await;
    let tried = outcome?;
    rolled_back?;
    Ok(tried)
}

/// The same in the caller's transaction, which goes on as if nothing had been made.
///
/// # Errors
/// As [`attempt`].
pub async fn attempt_within(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    lock_timeout_ms: u64,
) -> Result<Tried, CompileError> {
    if marts.is_empty() {
        return Ok(Tried::default());
    }
    sqlx::raw_sql("SAVEPOINT datamart_within").execute(&mut *conn).await?;
    let outcome = in_transaction(conn, marts, lock_timeout_ms).await;
    let undo = "ROLLBACK TO SAVEPOINT datamart_within; RELEASE SAVEPOINT datamart_within";
    let undone = sqlx::raw_sql(undo).execute(&mut *conn).await;
    let tried = outcome?;
    undone?;
    Ok(tried)
}

async fn in_transaction(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    lock_timeout_ms: u64,
) -> Result<Tried, CompileError> {
    let row =
        sqlx::query("SELECT pg_backend_pid(), (extract(epoch FROM clock_timestamp()) * 1000)::bigint % 1000000000")
            .fetch_one(&mut *conn)
            .await?;
    let token = format!("{}_{}", row.try_get::<i32, _>(0)?, row.try_get::<i64, _>(1)?);
    let mut scratch = Scratch::new(marts, &token);
    let owners: Vec<&str> = marts.iter().filter_map(|m| m.mart.owner.as_deref()).collect();
    if !owners.is_empty() {
        let rows = sqlx::query("SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1)")
            .bind(&owners)
            .fetch_all(&mut *conn)
            .await?;
        scratch.roles = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    }
    let mut setup = format!("SET LOCAL lock_timeout = {lock_timeout_ms};");
    for schema in scratch.all() {
        setup.push_str(&format!("CREATE SCHEMA {schema}; GRANT ALL ON SCHEMA {schema} TO PUBLIC;"));
    }
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut *conn).await?;
    let known: BTreeSet<&QName> = marts.iter().map(|m| &m.mart.name).collect();
    let (mut failures, skipped) = match all_at_once(conn, marts, &scratch, &known).await? {
        true => (Vec::new(), Vec::new()),
        false => each(conn, marts, &mut scratch, &known).await?,
    };
    let mut compiled = read(conn, &scratch).await?;
    let unreadable = allowed::unreadable(conn, marts, &scratch, &compiled).await?;
    let derived = changes::derived(conn, marts, &scratch, &mut compiled).await?;
    // What may not be read cannot be followed either, which nobody has to be told.
    failures.extend(derived.into_iter().filter(|failure| unreadable.iter().all(|other| other.mart != failure.mart)));
    failures.extend(unreadable);
    failures.extend(allowed::uncreatable(conn, marts, &scratch).await?);
    failures.extend(checks::refused(conn, marts, &scratch, &compiled).await?);
    failures.extend(span::spans(conn, marts, &scratch, &mut compiled).await?);
    weight::weigh(conn, marts, &scratch, &mut compiled).await?;
    Ok(Tried { compiled, failures, skipped })
}

/// Makes everything in a few round trips, as it mostly goes. `false` where PostgreSQL refuses something: then nothing
/// is made, and [`each`] finds all that is wrong.
async fn all_at_once(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &Scratch,
    known: &BTreeSet<&QName>,
) -> Result<bool, CompileError> {
    sqlx::raw_sql("SAVEPOINT datamart_compile").execute(&mut *conn).await?;
    for part in marts.chunks(MARTS_PER_MESSAGE) {
        let mut batch = String::new();
        for desired in part {
            let view = scratch.view(&desired.mart);
            let (prefix, query) = statement(desired, scratch, known, &view);
            batch.push_str(&format!("{prefix}{query}\n;"));
            if let Some((table, indexes)) = scratch.table(&desired.mart) {
                batch.push_str(&empty_table(&table, &view));
                for index in indexes {
                    batch.push_str(&format!(";{}\n", crate::sql::create_index(index, &table, &index.name, false)));
                }
                batch.push(';');
            }
            if let Some(stored) = said::stored(&desired.mart, scratch) {
                batch.push_str(&format!("{stored};"));
            }
            batch.push_str("RESET ROLE;");
        }
        match sqlx::raw_sql(AssertSqlSafe(batch)).execute(&mut *conn).await {
            Ok(_) => {}
            Err(sqlx::Error::Database(_)) => {
                sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_compile").execute(&mut *conn).await?;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Makes one after the other, and collects what PostgreSQL refuses, and the marts that read such a one.
async fn each(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &mut Scratch,
    known: &BTreeSet<&QName>,
) -> Result<(Vec<Failure>, Vec<QName>), CompileError> {
    let mut failures = said::refused_settings(conn, marts, scratch).await?;
    let unset: BTreeSet<QName> = failures.iter().map(|failure| failure.mart.clone()).collect();
    let mut unusable: BTreeSet<&QName> = unset.iter().collect();
    let mut skipped = Vec::new();
    for desired in marts.iter().filter(|desired| !unset.contains(&desired.mart.name)) {
        let name = &desired.mart.name;
        if desired.upstream.iter().any(|up| unusable.contains(up)) {
            unusable.insert(name);
            // Of a mart with versions they are looked at, and the view of its name reads nothing else.
            match &desired.part {
                Some(Part::Stable { .. }) => {}
                part => skipped.push(part.as_ref().map_or(name, Part::mart).clone()),
            }
            continue;
        }
        let found = one(conn, desired, scratch, known).await?;
        if !found.is_empty() {
            unusable.insert(name);
            failures.extend(found);
        }
    }
    Ok((failures, skipped))
}

/// Creates one scratch view and its indexes; what PostgreSQL refuses is returned, the transaction goes on.
async fn one(
    conn: &mut PgConnection,
    desired: &DesiredMart,
    scratch: &Scratch,
    known: &BTreeSet<&QName>,
) -> Result<Vec<Failure>, CompileError> {
    let mart = &desired.mart;
    let mut failures = Vec::new();
    let view = scratch.view(mart);
    let (prefix, query) = statement(desired, scratch, known, &view);
    let mut tried = savepoint(conn, &format!("{prefix}{query}\n")).await?;
    if tried.as_ref().is_err_and(|error| error.is("42501")) && mart.owner.is_some() && desired.is_declared() {
        // What a query means can be told by whoever may read; that its owner may not is told when it is built.
        let ourselves = DesiredMart { mart: Mart { owner: None, ..mart.clone() }, ..desired.clone() };
        let (prefix, query) = statement(&ourselves, scratch, known, &view);
        if savepoint(conn, &format!("{prefix}{query}\n")).await?.is_ok() {
            tried = Ok(());
        }
    }
    if let Err(error) = tried {
        let before = prefix.chars().count();
        let position = error.position.and_then(|at| at.checked_sub(before)).filter(|at| *at > 0 && query == mart.query);
        let error = error.at(position);
        failures.push(Failure { mart: mart.name.clone(), index: None, check: None, key: None, error });
        return Ok(failures);
    }
    if let Some(stored) = said::stored(mart, scratch)
        && let Err(error) = savepoint(conn, &stored).await?
    {
        failures.push(said::unstorable(mart, error));
    }
    if let Some((table, indexes)) = scratch.table(mart) {
        if let Err(error) = savepoint(conn, &empty_table(&table, &view)).await? {
            return Err(error.into());
        }
        for index in indexes {
            let create = crate::sql::create_index(index, &table, &index.name, false);
            if let Err(error) = savepoint(conn, &create).await? {
                let error = error.at(None);
                failures.push(Failure {
                    mart: mart.name.clone(),
                    index: Some(index.name.clone()),
                    check: None,
                    key: None,
                    error,
                });
            }
        }
    }
    Ok(failures)
}

/// The statement that makes a scratch table for indexes.
fn empty_table(table: &QName, view: &QName) -> String {
    format!("CREATE TABLE {table} AS SELECT * FROM {view} WITH NO DATA")
}

/// The statement that creates a scratch view: what stands before the query, and the query.
fn statement(desired: &DesiredMart, scratch: &Scratch, known: &BTreeSet<&QName>, view: &QName) -> (String, String) {
    let mart = &desired.mart;
    let mut prefix = scratch.surroundings(mart);
    prefix.push_str(&format!("CREATE VIEW {view} AS\n"));
    let to_scratch = |reference: &RelationRef| scratch.of(reference.schema.as_ref()?, &reference.name, known);
    let query = match Query::parse(&mart.query) {
        Ok(query) => query.rewrite(to_scratch),
        Err(_) => mart.query.clone(),
    };
    (prefix, query)
}

async fn read(conn: &mut PgConnection, scratch: &Scratch) -> Result<Compiled, CompileError> {
    let ours = format!("{}SET LOCAL search_path = pg_catalog; SET LOCAL TimeZone = 'UTC'", scratch.defaults(|_| false));
    sqlx::raw_sql(AssertSqlSafe(ours)).execute(&mut *conn).await?;
    let mut compiled = Compiled::default();
    let schemas: Vec<&str> = scratch.views.values().map(String::as_str).collect();
    let rows = sqlx::query(include_str!("sql/views.sql")).bind(&schemas).fetch_all(&mut *conn).await?;
    for row in rows {
        let schema: String = row.try_get("schema")?;
        let name: String = row.try_get("name")?;
        let names: Vec<String> = row.try_get("columns")?;
        let types: Vec<String> = row.try_get("types")?;
        let collations: Vec<Option<String>> = row.try_get("collations")?;
        let columns = names
            .into_iter()
            .zip(types)
            .zip(collations)
            .map(|((name, type_name), collation)| Column {
                name,
                type_name: scratch.real(&type_name),
                not_null: false,
                collation,
                comment: None,
                statistics: None,
            })
            .collect();
        let read_schemas: Option<Vec<String>> = row.try_get("read_schemas")?;
        let read_names: Option<Vec<String>> = row.try_get("read_names")?;
        let reads = read_schemas
            .unwrap_or_default()
            .iter()
            .zip(read_names.unwrap_or_default())
            .map(|(schema, name)| QName::new(scratch.real_schema(schema), name))
            .collect();
        let mart = CompiledMart {
            columns,
            definition: canonical(&scratch.real(row.try_get("definition")?)),
            reads,
            indexes: BTreeMap::new(),
            changes: None,
            span: None,
            divided: None,
            weight: None,
        };
        compiled.marts.insert(QName::new(scratch.real_schema(&schema), name), mart);
    }
    let schemas: Vec<&str> = scratch.tables.values().map(String::as_str).collect();
    let rows = sqlx::query(include_str!("sql/indexes.sql")).bind(&schemas).fetch_all(conn).await?;
    for row in rows {
        let schema: String = row.try_get("schema")?;
        let relation: String = row.try_get("relation")?;
        let name = QName::new(scratch.real_schema(&schema), relation);
        if let Some(mart) = compiled.marts.get_mut(&name) {
            mart.indexes.insert(row.try_get("name")?, scratch.real(row.try_get("definition")?));
        }
    }
    Ok(compiled)
}
