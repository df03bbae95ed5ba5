//! What the roles of marts may not: a view of a query is made all the same, and what is built from it would fail.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::place::Scratch;
use super::{CompileError, Compiled, Failure};
use crate::database::SqlError;
use crate::manifest::DesiredMart;
use crate::state::{QName, quote_ident, quote_role};

/// Marts whose rows could not be computed: their role may not read what the query names. What a mart of the project will let it
/// read is that mart's to say.
pub(super) async fn unreadable(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &Scratch,
    compiled: &Compiled,
) -> Result<Vec<Failure>, CompileError> {
    let stored = |desired: &&&DesiredMart| {
        let mart = &desired.mart;
        desired.is_declared() && mart.kind.has_data() && compiled.marts.contains_key(&mart.name)
    };
    let marts: Vec<&DesiredMart> = marts.iter().filter(stored).copied().collect();
    if marts.is_empty() {
        return Ok(Vec::new());
    }
    let (schemas, names): (Vec<String>, Vec<String>) =
        marts.iter().map(|desired| scratch.view(&desired.mart)).map(|view| (view.schema, view.name)).unzip();
    let roles: Vec<Option<&String>> = marts.iter().map(|desired| scratch.role(&desired.mart)).collect();
    let rows = sqlx::query(include_str!("sql/unreadable.sql"))
        .bind(scratch.all())
        .bind(&schemas)
        .bind(&names)
        .bind(&roles)
        .fetch_all(conn)
        .await?;
    let mut failures = Vec::new();
    for row in rows {
        let Some(desired) = mart_of(&row, &marts)? else { continue };
        let relation = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        if desired.upstream.contains(&relation) {
            continue;
        }
        let error = denied(&relation, &row)?;
        failures.push(failure(desired, error));
    }
    Ok(failures)
}

/// Marts that could not be made where they are to be. Who may not make schemas compiles nothing, so that one which is missing is no matter.
pub(super) async fn uncreatable(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &Scratch,
) -> Result<Vec<Failure>, CompileError> {
    let marts: Vec<&DesiredMart> = marts.iter().filter(|desired| desired.is_declared()).copied().collect();
    let (schemas, names): (Vec<&str>, Vec<&str>) =
        marts.iter().map(|desired| (desired.mart.name.schema.as_str(), desired.mart.name.name.as_str())).unzip();
    let roles: Vec<Option<&String>> = marts.iter().map(|desired| scratch.role(&desired.mart)).collect();
    let rows = sqlx::query(include_str!("sql/uncreatable.sql"))
        .bind(&schemas)
        .bind(&names)
        .bind(&roles)
        .fetch_all(conn)
        .await?;
    let mut failures = Vec::new();
    for row in rows {
        let Some(desired) = mart_of(&row, &marts)? else { continue };
        let (role, schema) = (quote_role(row.try_get("role")?), quote_ident(&desired.mart.name.schema));
        let said = format!("{role} may make nothing in schema {schema}");
        let error = SqlError::with_sqlstate("42501", said);
        let error = error.hinted(format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};"));
        failures.push(failure(desired, error));
    }
    Ok(failures)
}

/// The mart that a row tells of, by its place among those that were asked about.
fn mart_of<'m>(row: &PgRow, marts: &[&'m DesiredMart]) -> Result<Option<&'m DesiredMart>, sqlx::Error> {
    let nth: i64 = row.try_get("nth")?;
    Ok(usize::try_from(nth - 1).ok().and_then(|at| marts.get(at)).copied())
}

fn failure(desired: &DesiredMart, error: SqlError) -> Failure {
    Failure { mart: desired.mart.name.clone(), index: None, check: None, key: None, error }
}

/// What the role may not read, and the GRANT that is missing.
fn denied(relation: &QName, row: &PgRow) -> Result<SqlError, sqlx::Error> {
    let role = quote_role(row.try_get("role")?);
    let columns: Option<String> = row.try_get("columns")?;
    let mut grants = Vec::new();
    if !row.try_get::<bool, _>("usage")? {
        grants.push(format!("GRANT USAGE ON SCHEMA {} TO {role};", quote_ident(&relation.schema)));
    }
    let what = match (&columns, row.try_get("reads")?) {
        (Some(columns), true) => {
            grants.push(format!("GRANT SELECT ({columns}) ON {relation} TO {role};"));
            format!("{columns} of {relation}")
        }
        (None, true) => relation.to_string(),
        (_, false) => {
            grants.push(format!("GRANT SELECT ON {relation} TO {role};"));
            relation.to_string()
        }
    };
    Ok(SqlError::with_sqlstate("42501", format!("{role} may not read {what}")).hinted(grants.join(" ")))
}
