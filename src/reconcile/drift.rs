//! What somebody changed by hand: found, told, and put back where the policy says so and it costs nobody anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use globset::GlobMatcher;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::wanted::Wanted;
use super::{Drifted, ReconcileError, Seen, attempt, change, planning, record};
use crate::apply::By;
use crate::catalog::{Actual, STALLED};
use crate::compile::CompileError;
use crate::database::Endpoint;
use crate::database::registry::{Owner, audit, in_schema};
use crate::manifest::{Desired, OnDrift};
use crate::plan::{self, Drift, Heal, Options, Plan, PlanError};
use crate::state::{Part, QName};

const HEALS: &str = include_str!("sql/heals.sql");
const HEALED: &str = include_str!("sql/healed.sql");
const FORGET: &str = include_str!("sql/forget_heals.sql");
const BEFORE: &str = include_str!("sql/drift_before.sql");
const FOUND: &str = include_str!("sql/drift_found.sql");

/// Healing can wait: what holds a lock for longer is left alone until the next look.
const WAIT: Duration = Duration::from_secs(5);

/// Everything that differs from what was applied: what a plan calls drift, and what it would make again because it is gone.
pub fn drifted(desired: &Desired, actual: &Actual, drift: Vec<Drift>, ignored: &[GlobMatcher]) -> Vec<Drift> {
    let mut items = plan::gone(desired, actual);
    items.retain(|item| !ignored.iter().any(|glob| glob.is_match(&item.aspect)));
    items.extend(drift);
    items.sort_by(|a, b| (&a.address, &a.aspect, &a.message).cmp(&(&b.address, &b.aspect, &b.message)));
    items.dedup_by(|a, b| a.address == b.address && a.aspect == b.aspect && a.message == b.message);
    items
}

/// What differs from what was applied, whether or not what is declared can be made, and the plan or what stands against it. Marts whose
/// queries are refused, and what reads them, are left out: the others may differ all the same.
///
/// # Errors
/// Why nothing can be told.
pub async fn differences(
    conn: &mut PgConnection,
    desired: &Desired,
    seen: &Seen,
    mut options: Options,
    now: DateTime<Utc>,
) -> Result<(Vec<Drift>, Result<Plan, ReconcileError>), ReconcileError> {
    let mut left = BTreeSet::new();
    let mut refused = None;
    loop {
        let (drift, planned) = match planning::plan(conn, desired, seen, options.clone(), true, now).await {
            Ok(plan) => (plan.drift.clone(), Ok(plan)),
            Err(ReconcileError::Plan(PlanError::Problems { problems, drift })) => {
                (drift, Err(PlanError::Problems { problems, drift: Vec::new() }.into()))
            }
            Err(error) => {
                let known = left.len();
                leave(&error, desired, &mut left);
                if left.len() == known {
                    return refused.map_or(Err(error), |first| Ok((Vec::new(), Err(first))));
                }
                refused = refused.or(Some(error));
                let names = desired.marts.iter().map(|mart| &mart.mart.name);
                options.select = Some(names.filter(|name| !left.contains(*name)).cloned().collect());
                continue;
            }
        };
        return Ok((drift, refused.map_or(planned, Err)));
    }
}

/// The marts whose queries are refused, and what reads them, beside those that are known.
fn leave(error: &ReconcileError, desired: &Desired, left: &mut BTreeSet<QName>) {
    let ReconcileError::Compile { source: CompileError::Refused { failures, skipped }, desired: parts } = error else {
        return;
    };
    for name in failures.iter().map(|failure| &failure.mart).chain(skipped) {
        let part = parts.marts.iter().find(|mart| mart.mart.name == *name).and_then(|mart| mart.part.as_ref());
        left.insert(part.map_or(name, Part::mart).clone());
    }
    // Upstream stands first.
    for mart in &desired.marts {
        if mart.upstream.iter().any(|up| left.contains(up)) {
            left.insert(mart.mart.name.clone());
        }
    }
}

/// Looks for drift, puts back what the policy says, and keeps in the registry what is left. What was found stands in `found` even
/// where putting it back fails.
///
/// # Errors
/// What the database says.
pub(super) async fn look(
    endpoint: &Endpoint,
    desired: &Desired,
    (by, wanted): (&By, &Wanted),
    now: DateTime<Utc>,
    found: &mut Drifted,
) -> Result<(), ReconcileError> {
    let mut conn = endpoint.session("drift").await?;
    let seen = planning::look(&mut conn, desired).await?;
    if seen.registry.is_none() {
        return Ok(());
    }
    record::prepare(&mut conn, &desired.project.registry_schema).await?;
    let options = attempt::options(desired, endpoint, Heal::Nothing)?;
    let ignored = options.ignore.clone();
    let (differs, planned) = differences(&mut conn, desired, &seen, options, now).await?;
    found.found = drifted(desired, &seen.actual, differs, &ignored);
    let plan = match planned {
        Ok(plan) => plan,
        Err(error) => {
            found.seen = Some(seen);
            return keep(&mut conn, desired, now, found).await.and(Err(error));
        }
    };
    let healed = match desired.project.policy.on_drift {
        OnDrift::Heal if !found.found.is_empty() => {
            heal(&mut conn, endpoint, desired, (&seen, &plan), (by, wanted), now, found).await
        }
        _ => Ok(None),
    };
    let (healed, outcome) = match healed {
        Ok(healed) => (healed, Ok(())),
        Err(error) => (None, Err(error)),
    };
    found.seen = Some(healed.unwrap_or(seen));
    let kept = keep(&mut conn, desired, now, found).await;
    let _ = conn.close().await;
    outcome.and(kept)
}

/// Puts back what can be, and gives the database as it is then.
async fn heal(
    conn: &mut PgConnection,
    endpoint: &Endpoint,
    desired: &Desired,
    (seen, before): (&Seen, &Plan),
    (by, wanted): (&By, &Wanted),
    now: DateTime<Utc>,
    found: &mut Drifted,
) -> Result<Option<Seen>, ReconcileError> {
    let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
    let lately = lately(conn, schema, project, now).await?;
    let times = |item: &Drift| lately.get(&(item.address.clone(), item.aspect.clone())).copied().unwrap_or(0);
    let mut marts = candidates(desired, &seen.actual, before, &found.found);
    for item in found.found.iter().filter(|item| times(item) >= STALLED) {
        marts.remove(&item.address);
    }
    let Some(plan) = harmless(conn, endpoint, desired, seen, &mut marts, now).await? else { return Ok(None) };
    let made = change::make(conn, endpoint, &desired.project, &plan, by, (WAIT, wanted)).await;
    // It is looked for again much later.
    wanted.none();
    made?;
    let stays = |item: &Drift| plan.drift.iter().any(|d| (&d.address, &d.aspect) == (&item.address, &item.aspect));
    let put_back = |item: &Drift| marts.contains_key(&item.address) && !stays(item);
    let (healed, left): (Vec<_>, Vec<_>) = std::mem::take(&mut found.found).into_iter().partition(put_back);
    let often = healed.iter().filter(|item| times(item) + 1 == STALLED).map(|item| item.address.clone());
    found.stalled = often.collect::<BTreeSet<_>>().into_iter().collect();
    (found.found, found.healed) = (left, healed);
    write(conn, schema, by, project, now, &found.healed).await?;
    Ok(Some(planning::look(conn, desired).await?))
}

/// The marts that may be healed: those that differ from what was applied, and from that alone. What a commit changed of a mart
/// waits for its own turn.
fn candidates(desired: &Desired, actual: &Actual, before: &Plan, found: &[Drift]) -> BTreeMap<String, QName> {
    let gone = plan::gone(desired, actual);
    let is_gone = |address: &str| gone.iter().any(|item| item.address == address);
    let changed = |address: &str| before.changes.iter().any(|change| change.address == address);
    let drifted = |address: &str| found.iter().any(|item| item.address == address && item.aspect != "schedule");
    let all = desired.marts.iter().map(|mart| (mart.mart.name.to_string(), mart.mart.name.clone()));
    all.filter(|(address, _)| drifted(address) && (is_gone(address) || !changed(address))).collect()
}

/// The plan that puts back all of these marts which take no hazardous step for it; `None` where nothing is left.
async fn harmless(
    conn: &mut PgConnection,
    endpoint: &Endpoint,
    desired: &Desired,
    seen: &Seen,
    marts: &mut BTreeMap<String, QName>,
    now: DateTime<Utc>,
) -> Result<Option<Plan>, ReconcileError> {
    while !marts.is_empty() {
        let mut options = attempt::options(desired, endpoint, Heal::ButAdded)?;
        options.select = Some(marts.values().cloned().collect());
        let plan = planning::plan(conn, desired, seen, options, true, now).await?;
        if plan.refused.is_empty() {
            return Ok((!plan.is_empty()).then_some(plan));
        }
        let known = marts.len();
        plan.refused.iter().for_each(|refusal| drop(marts.remove(&refusal.address)));
        if marts.len() == known {
            // What stands against it is no mart of these, so that none of them can be told from it.
            marts.clear();
        }
    }
    Ok(None)
}

async fn lately(
    conn: &mut PgConnection,
    schema: &str,
    project: &str,
    now: DateTime<Utc>,
) -> Result<BTreeMap<(String, String), i64>, ReconcileError> {
    let sql = AssertSqlSafe(in_schema(HEALS, schema));
    let rows = sqlx::query(sql).bind(project).bind(now).fetch_all(conn).await?;
    let read =
        |row: &sqlx::postgres::PgRow| Ok(((row.try_get("address")?, row.try_get("object")?), row.try_get("times")?));
    rows.iter().map(read).collect()
}

/// What was put back, for the count within an hour and for the audit.
async fn write(
    conn: &mut PgConnection,
    schema: &str,
    by: &By,
    project: &str,
    now: DateTime<Utc>,
    healed: &[Drift],
) -> Result<(), ReconcileError> {
    let addresses: Vec<&str> = healed.iter().map(|item| item.address.as_str()).collect();
    let aspects: Vec<&str> = healed.iter().map(|item| item.aspect.as_str()).collect();
    let owner = Owner { project: project.to_owned(), who: by.who.clone(), host: by.host.clone() };
    let mut transaction = conn.begin().await?;
    let sql = AssertSqlSafe(in_schema(HEALED, schema));
    sqlx::query(sql).bind(project).bind(now).bind(addresses).bind(aspects).execute(&mut *transaction).await?;
    let sql = AssertSqlSafe(in_schema(FORGET, schema));
    sqlx::query(sql).bind(project).bind(now).execute(&mut *transaction).await?;
    for item in healed {
        let detail = json!({ "aspect": item.aspect, "message": item.message });
        audit(&mut transaction, schema, &owner, "heal", Some(&item.address), &detail).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Keeps what is left for `status`, and tells what of it the look before did not find. Where all is as it was, nothing is written.
async fn keep(
    conn: &mut PgConnection,
    desired: &Desired,
    now: DateTime<Utc>,
    found: &mut Drifted,
) -> Result<(), ReconcileError> {
    let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
    let sql = AssertSqlSafe(in_schema(BEFORE, schema));
    let before: Option<Option<Value>> = sqlx::query_scalar(sql).bind(project).fetch_optional(&mut *conn).await?;
    let before: Vec<Drift> =
        before.flatten().and_then(|before| serde_json::from_value(before).ok()).unwrap_or_default();
    found.new = found.found.iter().filter(|item| !before.contains(item)).cloned().collect();
    if found.found != before {
        let drift = serde_json::to_value(&found.found).unwrap_or(Value::Null);
        let sql = AssertSqlSafe(in_schema(FOUND, schema));
        sqlx::query(sql).bind(project).bind(drift).bind(now).execute(conn).await?;
    }
    Ok(())
}
