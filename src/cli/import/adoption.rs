//! Recording relations as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use datamart::adopt::Adoption;
use datamart::catalog::{Actual, Relation};
use datamart::compile::Restated;
use datamart::database::LockSession;
use datamart::state::{Mart, QName, quote_ident};
use sqlx::Row;

use super::super::apply;
use super::super::context::{Context, PlanFlags};
use super::super::error::{CommandError, Result};
use super::super::refresh::held;

/// Adopting is an apply that changes nothing: no other goes on meanwhile.
///
/// # Errors
/// Who is at work.
pub async fn locked(context: &Context) -> Result<LockSession> {
    let (schema, project) = (context.registry_schema(), context.project());
    let mut locks = LockSession::open(&context.reach.endpoint, schema, project, "import lock").await?;
    locks.acquire("apply", Duration::ZERO).await.map_err(held)?;
    Ok(locks)
}

/// Adopting makes the registry, and scratch schemas that stay for a moment: better told before anything is written.
///
/// # Errors
/// The GRANT that is missing.
pub async fn may_adopt(context: &mut Context) -> Result<()> {
    let row =
        sqlx::query("SELECT current_database()::text, pg_catalog.has_database_privilege(current_database(), 'CREATE')")
            .fetch_one(&mut context.conn)
            .await
            .map_err(|error| CommandError::sql("cannot ask for privileges", &error.into()))?;
    let read = |error: sqlx::Error| CommandError::sql("cannot ask for privileges", &error.into());
    let (database, may): (String, bool) = (row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?);
    if may {
        return Ok(());
    }
    let role = quote_ident(context.reach.endpoint.role());
    let message = format!(
        "permission denied for database {}: nothing can be adopted, and nothing was written",
        quote_ident(&database)
    );
    Err(CommandError::new("privilege", message)
        .help(format!("GRANT CREATE ON DATABASE {} TO {role};", quote_ident(&database)))
        .help("without --adopt the manifests alone are written"))
}

/// The settled queries of relations whose manifests ask for others.
pub fn pending(
    taken: &[&Adoption<'_>],
    live: &BTreeMap<QName, Restated>,
    declared: &BTreeMap<QName, Restated>,
) -> BTreeMap<QName, String> {
    let mut pending = BTreeMap::new();
    for (known, mart) in taken.iter().filter_map(|adoption| Some((adoption.known?, &adoption.mart))) {
        let is = live.get(&mart.name).map(|settled| &settled.canonical);
        let asked = declared.get(&mart.name).map(|settled| &settled.canonical);
        if let Some(is) = is.filter(|is| known.mart.query == mart.query && Some(*is) != asked) {
            pending.insert(mart.name.clone(), is.clone());
        }
    }
    pending
}

/// Writes the registry's rows of what was taken over and is not recorded as it is. Gives how many.
///
/// # Errors
/// What changed meanwhile; what the server says.
pub async fn record(
    context: &mut Context,
    taken: &[&Adoption<'_>],
    pending: &BTreeMap<QName, String>,
    before: &Actual,
    lock: Option<&LockSession>,
) -> Result<usize> {
    let seen = context.actual().await?;
    let mut adopt = BTreeMap::new();
    for mart in taken.iter().map(|adoption| &adoption.mart) {
        let name = &mart.name;
        let (was, is) = (before.relations.get(name), seen.actual.relations.get(name));
        if was.map(Relation::fingerprint) != is.map(Relation::fingerprint) {
            return Err(CommandError::new("stale", format!("{name} changed while it was imported"))
                .help("import again; the manifests that were written stay"));
        }
        if !is_recorded(&seen.actual, mart) {
            adopt.insert(name.clone(), pending.get(name).cloned());
        }
    }
    if adopt.is_empty() {
        return Ok(0);
    }
    let number = adopt.len();
    let only: BTreeSet<QName> = adopt.keys().cloned().collect();
    let flags = PlanFlags { only: Some(only), adopt, ..PlanFlags::default() };
    let plan = context.plan_with(&seen, &flags).await?;
    apply::execute(context, &plan, lock.map(LockSession::pid)).await?;
    Ok(number)
}

/// Whether the registry says of a relation what it is.
fn is_recorded(actual: &Actual, mart: &Mart) -> bool {
    let recorded = actual.recorded.get(&mart.name).zip(actual.relations.get(&mart.name));
    let Some((recorded, live)) = recorded else { return false };
    let applied = &recorded.applied;
    let of = |mart: &Mart, name: &String| mart.indexes.iter().find(|index| index.name == *name).cloned();
    let declared = |name: &String| of(&recorded.mart, name).is_some_and(|index| of(mart, name) == Some(index));
    recorded.relation == Some(live.oid)
        && live.definition.as_ref().is_none_or(|definition| *definition == applied.definition)
        && (&live.owner, &live.comment, &live.options) == (&applied.owner, &applied.comment, &applied.options)
        && (&live.tablespace, &live.grants, &live.columns) == (&applied.tablespace, &applied.grants, &applied.columns)
        && live
            .indexes
            .iter()
            .all(|(name, index)| applied.indexes.get(name) == Some(index) && (!index.valid || declared(name)))
        && applied.indexes.keys().all(|name| live.indexes.contains_key(name))
}
