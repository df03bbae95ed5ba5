//! Marts that are suspended, and schedules that hold instead of those in the manifests, until a mart's own file changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::ReconcileError;
use crate::apply::By;
use crate::catalog::{self, Actual, Overrides};
use crate::database::registry::{self, Owner, audit, in_schema};
use crate::manifest::{Desired, DesiredMart};
use crate::plan::{self, Drift};
use crate::refresh::wake;
use crate::state::{Fingerprint, QName, RefreshPolicy};

const SET: &str = include_str!("sql/override_set.sql");
const CLEAR: &str = include_str!("sql/override_clear.sql");
const EXPIRE: &str = include_str!("sql/override_expire.sql");

/// Which marts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among {
    /// These.
    Marts(BTreeSet<QName>),
    /// The whole project, marts to come included.
    Project,
}

/// What holds in a project; nothing where its registry is older than daemons, or there is none.
///
/// # Errors
/// A registry that cannot be used; what the server says.
pub async fn overrides(conn: &mut PgConnection, registry: &str, project: &str) -> Result<Overrides, ReconcileError> {
    let meta = registry::state(conn, registry).await?.usable(registry)?;
    match meta.is_some_and(|meta| meta.format >= registry::DAEMONS) {
        true => Ok(catalog::overrides(conn, registry, project).await?),
        false => Ok(Overrides::default()),
    }
}

/// When every mart of the registry is refreshed, with what holds instead of its manifest (`actual.overrides`).
pub fn policies(desired: Option<&Desired>, actual: &Actual) -> BTreeMap<QName, RefreshPolicy> {
    let files = files(desired);
    let policy =
        |(name, row): (&QName, &catalog::Recorded)| (name.clone(), actual.overrides.policy(&row.mart, files.get(name)));
    actual.recorded.iter().map(policy).collect()
}

/// The fingerprint of every mart's file: a schedule set by [`reschedule`] holds until it changes.
pub(super) fn files(desired: Option<&Desired>) -> BTreeMap<QName, Fingerprint> {
    let marts = desired.into_iter().flat_map(|desired| &desired.marts);
    marts.map(|mart| (mart.mart.name.clone(), plan::file_fingerprint(mart))).collect()
}

/// Lets no refresh of these marts begin by itself until they are resumed, whatever is committed meanwhile. Gives those that were not
/// suspended so before; an empty set and `true` for the whole project.
///
/// # Errors
/// A registry that cannot be made or used; what the server says.
pub async fn suspend(
    conn: &mut PgConnection,
    registry: &str,
    by: &Owner,
    among: &Among,
) -> Result<Changed, ReconcileError> {
    let (schemas, names) = match among {
        Among::Marts(marts) => keys(marts),
        Among::Project => (vec![""], vec![""]),
    };
    let set = Set { schemas, names, value: None, file: None };
    change(conn, registry, by, "suspend", &Edit::Set(set)).await
}

/// Takes back what [`suspend`] said of these marts; for the whole project also what was said of each mart.
///
/// # Errors
/// A registry that cannot be made or used; what the server says.
pub async fn resume(
    conn: &mut PgConnection,
    registry: &str,
    by: &Owner,
    among: &Among,
) -> Result<Changed, ReconcileError> {
    change(conn, registry, by, "suspend", &Edit::Clear(among)).await
}

/// Refreshes a mart by these schedules instead of its manifest's until its file changes; by none: its manifest holds again.
/// The caller has validated them (`Schedule::parse`).
///
/// # Errors
/// A registry that cannot be made or used; what the server says.
pub async fn reschedule(
    conn: &mut PgConnection,
    registry: &str,
    by: &Owner,
    mart: &DesiredMart,
    schedule: &[String],
) -> Result<Changed, ReconcileError> {
    let name = &mart.mart.name;
    if schedule.is_empty() {
        return unschedule(conn, registry, by, &Among::Marts(BTreeSet::from([name.clone()]))).await;
    }
    let file = plan::file_fingerprint(mart);
    let set = Set {
        schemas: vec![&name.schema],
        names: vec![&name.name],
        value: Some(json!({ "schedule": schedule })),
        file: Some(&file.0),
    };
    change(conn, registry, by, "schedule", &Edit::Set(set)).await
}

/// Takes back what [`reschedule`] said of these marts: their manifests hold again.
///
/// # Errors
/// A registry that cannot be made or used; what the server says.
pub async fn unschedule(
    conn: &mut PgConnection,
    registry: &str,
    by: &Owner,
    among: &Among,
) -> Result<Changed, ReconcileError> {
    change(conn, registry, by, "schedule", &Edit::Clear(among)).await
}

/// What [`suspend`], [`resume`] and [`reschedule`] changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Marts.
    pub marts: BTreeSet<QName>,
    /// What holds for the whole project.
    pub project: bool,
}

impl Changed {
    /// Nothing is other than it was.
    pub fn is_empty(&self) -> bool {
        self.marts.is_empty() && !self.project
    }
}

/// What happens to rows.
enum Edit<'a> {
    Set(Set<'a>),
    Clear(&'a Among),
}

/// Rows that are written.
struct Set<'a> {
    schemas: Vec<&'a str>,
    names: Vec<&'a str>,
    value: Option<Value>,
    file: Option<&'a str>,
}

/// Writes rows or takes them away, with an audit row for each, and wakes the daemons. All of it or nothing.
async fn change(
    conn: &mut PgConnection,
    registry: &str,
    by: &Owner,
    what: &'static str,
    edit: &Edit<'_>,
) -> Result<Changed, ReconcileError> {
    let mut transaction = conn.begin().await?;
    registry::migrate(&mut transaction, registry).await?;
    let rows = match edit {
        Edit::Set(set) => {
            sqlx::query(AssertSqlSafe(in_schema(SET, registry)))
                .bind(&by.project)
                .bind(&set.schemas)
                .bind(&set.names)
                .bind(what)
                .bind(&set.value)
                .bind(set.file)
                .bind(&by.who)
                .fetch_all(&mut *transaction)
                .await?
        }
        Edit::Clear(among) => {
            let (schemas, names) = match among {
                Among::Marts(marts) => Some(keys(marts)),
                Among::Project => None,
            }
            .unzip();
            sqlx::query(AssertSqlSafe(in_schema(CLEAR, registry)))
                .bind(&by.project)
                .bind(schemas)
                .bind(names)
                .bind(what)
                .fetch_all(&mut *transaction)
                .await?
        }
    };
    let changed = read(&rows)?;
    if changed.is_empty() {
        // A registry that had to be made stays.
        transaction.commit().await?;
        return Ok(changed);
    }
    let (action, value) = match (what, edit) {
        ("suspend", Edit::Clear(_)) => ("resume", None),
        (what, Edit::Set(set)) => (what, set.value.clone()),
        (what, Edit::Clear(_)) => (what, None),
    };
    let detail = value.unwrap_or_else(|| json!({}));
    let addresses = changed.marts.iter().map(|mart| Some(mart.to_string()));
    for address in addresses.chain(changed.project.then_some(None)) {
        audit(&mut transaction, registry, by, action, address.as_deref(), &detail).await?;
    }
    wake(&mut transaction, &by.project, "overrides").await?;
    transaction.commit().await?;
    Ok(changed)
}

/// Forgets schedules whose mart's file is another one by now, so that a file that comes back does not bring them back.
pub(super) async fn expire(conn: &mut PgConnection, desired: &Desired, by: &By) -> Result<Changed, ReconcileError> {
    let registry = &desired.project.registry_schema;
    let files = files(Some(desired));
    let schemas: Vec<&str> = files.keys().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = files.keys().map(|name| name.name.as_str()).collect();
    let prints: Vec<&str> = files.values().map(|file| file.0.as_str()).collect();
    let mut transaction = conn.begin().await?;
    let rows = sqlx::query(AssertSqlSafe(in_schema(EXPIRE, registry)))
        .bind(&desired.project.name)
        .bind(schemas)
        .bind(names)
        .bind(prints)
        .fetch_all(&mut *transaction)
        .await?;
    let expired = read(&rows)?;
    let owner = Owner { project: desired.project.name.clone(), who: by.who.clone(), host: by.host.clone() };
    let detail = json!({ "reason": "its file changed" });
    for mart in &expired.marts {
        audit(&mut transaction, registry, &owner, "schedule", Some(&mart.to_string()), &detail).await?;
    }
    transaction.commit().await?;
    Ok(expired)
}

/// Schedules that hold instead of a manifest's, as drift: what is declared is not what is done.
pub(super) fn drift(desired: &Desired, actual: &Actual) -> Vec<Drift> {
    let one = |mart: &DesiredMart| {
        let declared = &mart.mart;
        let (schedule, found) = actual.overrides.schedule(&declared.name, Some(&plan::file_fingerprint(mart)))?;
        let (expected, now) = (declared.refresh.schedule.join("\n"), schedule.join("\n"));
        Some(Drift {
            address: declared.name.to_string(),
            kind: declared.kind,
            aspect: "schedule".to_owned(),
            message: format!("schedule was changed by {}, until its file changes", found.who),
            diff: plan::unified(&expected, &now, "declared", "in force"),
            expected: (!expected.is_empty()).then_some(expected),
            actual: Some(now),
        })
    };
    desired.marts.iter().filter_map(one).collect()
}

fn keys(marts: &BTreeSet<QName>) -> (Vec<&str>, Vec<&str>) {
    marts.iter().map(|mart| (mart.schema.as_str(), mart.name.as_str())).unzip()
}

fn read(rows: &[PgRow]) -> Result<Changed, ReconcileError> {
    let mut changed = Changed::default();
    for row in rows {
        let (schema, name): (String, String) = (row.try_get("schema")?, row.try_get("name")?);
        match name.is_empty() {
            true => changed.project = true,
            false => drop(changed.marts.insert(QName::new(schema, name))),
        }
    }
    Ok(changed)
}
