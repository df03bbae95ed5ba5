//! The scheduler, as far as the registry and this daemon know it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};

use super::ask::{Answer, Ask};
use super::look::nothing_yet;
use super::overrides::told;
use super::problem::Problem;
use crate::catalog::{Instead, Override, Overrides};
use crate::database::registry::in_schema;
use crate::manifest::Desired;
use crate::observe::{self, PastRun};
use crate::reconcile::{self, Leadership, Vitals};
use crate::state::QName;

/// So many runs are shown at most.
const RUNS: i64 = 1_000;

/// `GET /api/v1/scheduler`.
pub(super) async fn scheduler(ask: &Ask) -> Result<Answer, Problem> {
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let vitals = ask.state.vitals.borrow().clone();
    let leads = matches!(vitals.leadership, Leadership::Leading(_));
    let done = async {
        let next = if leads { next(&vitals) } else { said(&mut session, &desired).await? };
        Ok((next, read(&mut session, &desired).await?))
    }
    .await;
    let (next, (leader, open, overrides)) = session.after(done).await?;
    let (queued, running): (Vec<PastRun>, Vec<PastRun>) = open.into_iter().partition(|run| run.status == "queued");
    let running: Vec<PastRun> = running.into_iter().filter(|run| run.status == "running").collect();
    let of = |wanted: fn(&Override) -> bool| overrides.0.iter().filter(move |one| wanted(one)).map(told);
    let suspended: Vec<Value> = of(|one| one.instead == Instead::Suspend).collect();
    let overridden: Vec<Value> = of(|_| true).collect();
    let told = json!({
        "leadership": leadership(&vitals),
        "leader": leader,
        // Another daemon's queue is nobody's to know here.
        "queue_depth": leads.then(|| vitals.queue_depth.max(queued.len())),
        "schedule_lag_seconds": leads.then_some(vitals.schedule_lag),
        "paused": vitals.paused,
        "trouble": vitals.trouble,
        "running": running,
        "queued": queued,
        "next": next.into_iter().map(|(at, mart)| json!({ "mart": mart, "at": at })).collect::<Vec<_>>(),
        "suspended": suspended,
        "overrides": overridden,
    });
    Ok(Answer::json(&told)?.tagged(""))
}

/// The word for it.
pub(super) fn leadership(vitals: &Vitals) -> &'static str {
    match vitals.leadership {
        Leadership::Unknown => "unknown",
        Leadership::Following => "following",
        Leadership::Leading(_) => "leading",
    }
}

/// What is due, the soonest first.
fn next(vitals: &Vitals) -> Vec<(DateTime<Utc>, String)> {
    let mut due: Vec<_> = vitals.next.iter().map(|(mart, at)| (*at, mart.to_string())).collect();
    due.sort();
    due
}

/// The same, as the daemon that leads says in the registry; nothing where none does, or the registry is older than that.
async fn said(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<(DateTime<Utc>, String)>, Problem> {
    let sql = in_schema(include_str!("sql/due.sql"), &desired.project.registry_schema);
    let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(&desired.project.name).fetch_all(conn).await;
    let rows: Vec<(String, String, DateTime<Utc>)> = nothing_yet(rows)?.unwrap_or_default();
    Ok(rows.into_iter().map(|(schema, name, at)| (at, QName::new(schema, name).to_string())).collect())
}

async fn read(conn: &mut PgConnection, desired: &Desired) -> Result<(Option<Value>, Vec<PastRun>, Overrides), Problem> {
    let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
    let overrides = reconcile::overrides(conn, schema, project).await?;
    let sql = in_schema(include_str!("sql/scheduler.sql"), schema);
    let leader = sqlx::query_scalar(AssertSqlSafe(sql)).bind(project).fetch_optional(&mut *conn).await;
    let leader = nothing_yet(leader)?.flatten();
    let open = nothing_yet(observe::open_runs(conn, schema, project, RUNS).await)?.unwrap_or_default();
    Ok((leader, open, overrides))
}
