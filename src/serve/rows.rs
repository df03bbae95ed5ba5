//! The rows of a mart.

use std::fmt::Write as _;

use axum::http::StatusCode;
use futures_util::TryStreamExt;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ask::{Answer, Ask};
use super::filter::{Column, Selection, placeholder};
use super::look::{Known, begin_rows, find_known, nothing_yet};
use super::problem::Problem;
use crate::catalog::CatalogError;
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::manifest::Desired;
use crate::observe;
use crate::state::{QName, quote_ident, quote_idents};

/// Bytes of rows at most: they are held until the client has them.
const BYTES: usize = 16 * 1_024 * 1_024;

/// `GET /api/v1/marts/{mart}/rows`.
pub(super) async fn rows(ask: &Ask) -> Result<Answer, Problem> {
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = read(ask, &mut session, &desired).await;
    let (body, since) = session.after(done).await?;
    Ok(Answer::text("application/json", body).tagged(&since))
}

/// What is known of a mart before its rows are read.
struct Facts {
    owner: String,
    /// We may read as its owner.
    become_owner: bool,
    oid: i64,
    /// Changes when its rows are computed anew.
    since: String,
}

async fn read(ask: &Ask, conn: &mut PgConnection, desired: &Desired) -> Result<(String, String), Problem> {
    let name = find_known(conn, desired, ask.part("mart"), Known::Now).await?;
    begin_rows(conn, desired).await?;
    let facts = facts(conn, desired, &name).await?;
    let columns = columns(conn, facts.oid).await?;
    let selection = Selection::read(&ask.query, &columns)?;
    become_reader(conn, desired, &facts).await?;
    if !selection.path.is_empty() {
        // Types of extensions have their operators where they are themselves; nothing else is looked for there.
        let path = std::iter::once("pg_catalog")
            .chain(selection.path.iter().map(String::as_str).filter(|s| *s != "pg_catalog"));
        let path = format!("SET LOCAL search_path = {}", quote_idents(path));
        sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut *conn).await?;
    }
    try_values(conn, &selection).await?;
    let body = fetch(conn, &name, &selection).await?;
    observe::end(conn).await?;
    Ok((body, facts.since))
}

async fn facts(conn: &mut PgConnection, desired: &Desired, name: &QName) -> Result<Facts, Problem> {
    let project = &desired.project;
    let sql = in_schema(include_str!("sql/facts.sql"), &project.registry_schema);
    let row = sqlx::query(AssertSqlSafe(sql)).bind(&project.name).bind(&name.schema).bind(&name.name);
    let absent = || Problem::conflict(format!("{name} is not applied yet"));
    let row = nothing_yet(row.fetch_optional(conn).await)?.flatten().ok_or_else(absent)?;
    let (status, oid): (String, Option<i64>) = (row.try_get("status")?, row.try_get("oid")?);
    let oid = oid.filter(|_| status != "creating").ok_or_else(absent)?;
    let (changed, run): (String, Option<i64>) = (row.try_get("changed")?, row.try_get("run")?);
    Ok(Facts {
        owner: row.try_get("owner")?,
        become_owner: row.try_get::<Option<bool>, _>("become")?.unwrap_or_default(),
        oid,
        since: format!("{oid} {changed} {run:?}"),
    })
}

async fn columns(conn: &mut PgConnection, oid: i64) -> Result<Vec<Column>, Problem> {
    let rows = sqlx::query(include_str!("sql/columns.sql")).bind(oid).fetch_all(conn).await?;
    let column = |row: &sqlx::postgres::PgRow| {
        Ok(Column {
            name: row.try_get("name")?,
            shown: row.try_get("shown")?,
            cast_to: row.try_get("cast_to")?,
            home: row.try_get("home")?,
            truth: row.try_get("truth")?,
            words: row.try_get("words")?,
        })
    };
    match rows.is_empty() {
        // Another relation took its place since.
        true => Err(CatalogError::outdated().into()),
        false => rows.iter().map(column).collect::<Result<_, sqlx::Error>>().map_err(Problem::from),
    }
}

/// Reads on as the role that reads for others, else as the mart's owner, so that grants and row security hold.
async fn become_reader(conn: &mut PgConnection, desired: &Desired, facts: &Facts) -> Result<(), Problem> {
    let reader = desired.project.http.read_role.as_deref();
    let Some(role) = reader.or(facts.become_owner.then_some(facts.owner.as_str())) else { return Ok(()) };
    let sql = format!("SET LOCAL ROLE {}", quote_ident(role));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(|error| {
        let detail = format!("rows cannot be read as {role}: {}", SqlError::from(error).message);
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "config", detail)
    })?;
    Ok(())
}

/// Casts the values alone, so that one that is none of its type is the caller's mistake, and not the mart's.
async fn try_values(conn: &mut PgConnection, selection: &Selection<'_>) -> Result<(), Problem> {
    let typed = || selection.values.iter().filter_map(|(value, to)| Some((value, to.as_deref()?)));
    let cast: Vec<String> =
        typed().enumerate().map(|(i, (_, to))| format!("({}) IS NULL", placeholder(i + 1, Some(to)))).collect();
    if cast.is_empty() {
        return Ok(());
    }
    let sql = format!("SELECT ARRAY[{}]", cast.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for (value, _) in typed() {
        query = query.bind(value);
    }
    query.execute(conn).await.map_err(|error| refused(error, &["22", "23", "0A"]))?;
    Ok(())
}

/// Where the caller is to blame: for values and names that only the server could judge.
fn refused(error: sqlx::Error, classes: &[&str]) -> Problem {
    let error = SqlError::from(error);
    let code = error.sqlstate.clone().unwrap_or_default();
    // No such operator for the type, no order, a pattern that ends in its escape.
    let of_request = ["42883", "42804", "42725", "42809", "42846", "22025", "22019", "2201X", "2201W"];
    match of_request.contains(&code.as_str()) || classes.iter().any(|class| code.starts_with(class)) {
        true => Problem::bad(error.message.clone()),
        false => error.into(),
    }
}

async fn fetch(conn: &mut PgConnection, name: &QName, selection: &Selection<'_>) -> Result<String, Problem> {
    let columns = selection.columns.iter().map(|column| format!("t.{}", quote_ident(&column.name)));
    let sql = format!(
        "SELECT pg_catalog.row_to_json(r.*)::pg_catalog.text FROM (SELECT {} FROM {name} AS t{}{} LIMIT {} OFFSET {}) AS r",
        columns.collect::<Vec<_>>().join(", "),
        selection.condition,
        selection.order,
        // One more tells whether there is more.
        selection.limit + 1,
        selection.offset,
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for (value, _) in &selection.values {
        query = query.bind(value);
    }
    let types: Vec<_> =
        selection.columns.iter().map(|column| json!({ "name": column.name, "type": column.shown })).collect();
    let mut body = format!("{{\"mart\":{},\"columns\":{},\"rows\":[", json!(name.to_string()), json!(types));
    let mut count = 0;
    let mut more = false;
    let mut rows = query.fetch(conn);
    while let Some(row) = rows.try_next().await.map_err(|error| refused(error, &[]))? {
        if count == selection.limit {
            more = true;
            continue;
        }
        let text: &str = row.try_get(0)?;
        if body.len() + text.len() > BYTES {
            let detail = format!("{count} rows fill {} MiB already: ask for fewer, or for fewer columns", BYTES >> 20);
            return Err(Problem::bad(detail));
        }
        if count > 0 {
            body.push(',');
        }
        body.push_str(text);
        count += 1;
    }
    drop(rows);
    let (limit, offset) = (selection.limit, selection.offset);
    // Writing into a text does not fail.
    let _ = write!(body, "],\"count\":{count},\"limit\":{limit},\"offset\":{offset},\"more\":{more}}}");
    Ok(body)
}
