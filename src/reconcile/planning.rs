//! One look at the database and one plan from it, as the command line and the daemon make them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{ReconcileError, overrides};
use crate::catalog::{self, Actual, CatalogError};
use crate::compile;
use crate::database::lock;
use crate::database::registry::{self, Meta};
use crate::database::retry::Rereads;
use crate::manifest::{Desired, DesiredMart, OnDrift};
use crate::observe;
use crate::plan::{self, Options, Plan};

/// One snapshot of the database.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What is there.
    pub actual: Actual,
    /// The registry's own row, where there is a registry.
    pub registry: Option<Meta>,
}

/// Reads everything the manifests and the registry speak of, in one snapshot that changes nothing.
///
/// # Errors
/// A registry that cannot be used; what the server says.
pub async fn look(conn: &mut PgConnection, desired: &Desired) -> Result<Seen, ReconcileError> {
    look_at(conn, desired, Depth::default()).await
}

/// As [`look`], for refreshes: nothing is planned from it.
///
/// # Errors
/// As [`look`].
pub async fn look_to_refresh(conn: &mut PgConnection, desired: &Desired) -> Result<Seen, ReconcileError> {
    look_at(conn, desired, Depth { refreshing: true, ..Depth::default() }).await
}

/// As [`look`], without the definitions of views and materialized views: it waits for nobody's refresh, and nothing is planned
/// from it.
///
/// # Errors
/// As [`look`].
pub async fn glance(conn: &mut PgConnection, desired: &Desired) -> Result<Seen, ReconcileError> {
    look_at(conn, desired, Depth { brief: true, ..Depth::default() }).await
}

/// What is left out; see [`catalog::Scope`].
#[derive(Clone, Copy, Default)]
struct Depth {
    brief: bool,
    refreshing: bool,
}

async fn look_at(conn: &mut PgConnection, desired: &Desired, depth: Depth) -> Result<Seen, ReconcileError> {
    let mut rereads = Rereads::default();
    loop {
        match look_once(conn, desired, depth).await {
            Err(ReconcileError::Catalog(error)) if error.is_outdated() && rereads.another() => {}
            done => return done,
        }
    }
}

async fn look_once(conn: &mut PgConnection, desired: &Desired, depth: Depth) -> Result<Seen, ReconcileError> {
    observe::begin(conn).await?;
    let found = seen(conn, desired, depth).await;
    let ended = observe::end(conn).await;
    let found = match found {
        Err(ReconcileError::Catalog(CatalogError::Sql(error))) => {
            return Err(CatalogError::Sql(lock::blocked(conn, error).await).into());
        }
        found => found?,
    };
    ended?;
    Ok(found)
}

async fn seen(conn: &mut PgConnection, desired: &Desired, depth: Depth) -> Result<Seen, ReconcileError> {
    // Sizes and definitions need a lock that somebody's ALTER TABLE keeps from us.
    let wait = format!("SET LOCAL lock_timeout = {}", desired.project.database.lock_timeout_ms);
    sqlx::raw_sql(AssertSqlSafe(wait)).execute(&mut *conn).await?;
    let schema = &desired.project.registry_schema;
    let registry = registry::state(conn, schema).await?.usable(schema)?;
    let scope = plan::scope(desired, registry.as_ref().map(|_| schema.clone()));
    let mut scope = catalog::Scope { brief: depth.brief, refreshing: depth.refreshing, ..scope };
    if depth.refreshing {
        // It makes no names.
        scope.taken.clear();
    }
    let mut actual = catalog::introspect(conn, &scope).await?;
    if registry.as_ref().is_some_and(|meta| meta.format >= registry::DAEMONS) {
        actual.overrides = catalog::overrides(conn, schema, &desired.project.name).await?;
        actual.stalled = catalog::stalled(conn, schema, &desired.project.name).await?;
    }
    Ok(Seen { actual, registry })
}

/// Plans from a snapshot: compiles what is new or changed, in a transaction that rolls back, and compares. Drift is left out where the
/// policy says so, unless `show_drift`.
///
/// # Errors
/// Queries PostgreSQL refuses; what the database lacks.
pub async fn plan(
    conn: &mut PgConnection,
    desired: &Desired,
    seen: &Seen,
    mut options: Options,
    show_drift: bool,
    now: DateTime<Utc>,
) -> Result<Plan, ReconcileError> {
    let project = &desired.project;
    let mut overridden = overrides::drift(desired, &seen.actual);
    overridden.retain(|drift| !options.ignore.iter().any(|glob| glob.is_match(&drift.aspect)));
    if let Some(selected) = &options.select {
        overridden.retain(|drift| selected.iter().any(|name| name.to_string() == drift.address));
    }
    let parts = plan::parts(desired, &seen.actual);
    let (desired, actual) = (&*parts.desired, &*parts.actual);
    let needed = compile::needed(&desired.marts, actual);
    let among: Option<BTreeSet<_>> = options.select.as_ref().map(|selected| plan::concerned(desired, actual, selected));
    let marts = desired.marts.iter().filter(|m| needed.contains(&m.mart.name));
    let marts: Vec<_> = marts.filter(|m| among.as_ref().is_none_or(|among| among.contains(&m.mart.name))).collect();
    // What is taken over as it is, is not built: its owner need not be able to, and no index is made to see its text.
    let unowned: Vec<DesiredMart> = match options.adopt.is_empty() {
        true => Vec::new(),
        false => marts.iter().map(|mart| query_alone(mart)).collect(),
    };
    let marts = if unowned.is_empty() { marts } else { unowned.iter().collect() };
    let lock_timeout = project.database.lock_timeout_ms;
    let refused = |source| ReconcileError::Compile { source, desired: Box::new(desired.clone()) };
    let compiled = compile::compile(conn, &marts, lock_timeout).await.map_err(refused)?;
    let following = plan::following(desired, &compiled, actual, &options);
    let compiled = compile::follow(conn, &following.asked(), &compiled, lock_timeout).await.map_err(refused)?;
    options.respelled = compile::respelled(conn, desired, &compiled, actual).await.map_err(refused)?;
    let mut plan = plan::plan(desired, &compiled, actual, &options, now)?;
    if !plan.changes.is_empty() {
        // What it costs is asked only where there is something to tell.
        let registry = seen.registry.as_ref().map(|_| project.registry_schema.as_str());
        let addresses = plan.changes.iter().map(|change| change.address.as_str()).collect();
        let measures = catalog::measures(conn, &seen.actual, &addresses, registry, &project.name).await?;
        let measured = Actual { measures, ..actual.clone() };
        plan = plan::plan(desired, &compiled, &measured, &options, now)?;
    }
    plan.drift.extend(overridden);
    if project.policy.on_drift == OnDrift::Off && !show_drift {
        plan.drift.clear();
    }
    Ok(plan)
}

fn query_alone(desired: &DesiredMart) -> DesiredMart {
    let mut desired = desired.clone();
    desired.mart.owner = None;
    desired.mart.indexes.clear();
    desired
}
