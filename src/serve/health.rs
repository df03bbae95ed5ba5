//! Whether the process works, is ready, and what it counts.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::ask::{Answer, Ask};
use super::cache::Brief;
use super::look::Look;
use super::marts::statuses;
use super::problem::Problem;
use super::scheduler::leadership;
use crate::catalog;
use crate::observe::{self, Freshness, Gauges, MartStatus};
use crate::reconcile::Leadership;
use crate::state::Mart;

/// The type of what `/metrics` answers.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The database has this long to answer who only asks whether the process works.
const LOOK: Duration = Duration::from_secs(1);

/// What was counted is told again for so long.
const RECENT: Duration = Duration::from_secs(1);
/// … and this long to count.
const COUNT: Duration = Duration::from_secs(8);

/// `GET /healthz`: 200 while the process works, whatever the database does.
pub(super) async fn health(ask: &Ask) -> Result<Answer, Problem> {
    let reached = ask.state.health.is_young() || matches!(timeout(LOOK, look(ask)).await, Ok(Ok(())));
    let marts = ask.state.health.get().map(|(_, marts)| marts).unwrap_or_default();
    let vitals = ask.state.vitals.borrow().clone();
    let well = reached && vitals.trouble.is_none() && !marts.iter().any(|mart| mart.unwell);
    let status = if well { "healthy" } else { "degraded" };
    Answer::json(&json!({ "status": status, "datamarts": marts }))
}

async fn look(ask: &Ask) -> Result<(), Problem> {
    let _turn = ask.state.health.turn.lock().await;
    if ask.state.health.is_young() {
        return Ok(());
    }
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let look = Look::at(ask, &mut session).await?;
        statuses(&mut session, &look).await
    }
    .await;
    let marts = session.after(done).await?;
    ask.state.health.set(marts.iter().map(brief).collect());
    Ok(())
}

fn brief(mart: &MartStatus) -> Brief {
    let stalled = mart.conditions.iter().find(|one| one.kind == "Stalled" && one.status == "True");
    let unready = mart.conditions.iter().find(|one| one.kind == "Ready" && one.status == "False");
    let old = match mart.freshness {
        Some(Freshness::Stale) => Some("its data is too old"),
        Some(Freshness::Warning) => Some("its data grows old"),
        Some(Freshness::Fresh) | None => None,
    };
    let wrong = stalled.or(unready).map(|one| one.message.clone());
    Brief {
        name: mart.full_name.clone(),
        status: mart.status.as_str(),
        age_seconds: mart.age_seconds,
        unwell: wrong.is_some() || mart.is_stale(),
        warning: wrong.or_else(|| old.map(str::to_owned)),
    }
}

/// `GET /readyz`.
pub(super) fn ready(ask: &Ask) -> Result<Answer, Problem> {
    let vitals = ask.state.vitals.borrow().clone();
    let facts = [
        (vitals.connected, "PostgreSQL is not reached"),
        (vitals.registry, "the registry could not be read"),
        (vitals.leadership != Leadership::Unknown, "it is not known who leads"),
    ];
    let missing: Vec<&str> = facts.iter().filter(|(is, _)| !is).map(|(_, words)| *words).collect();
    if missing.is_empty() {
        return Answer::json(&json!({ "status": "ready", "leadership": leadership(&vitals) }));
    }
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", missing.join("; "));
    // What exactly went wrong is for those who may read, and for the log.
    Err(problem.with("missing", json!(missing)))
}

/// `GET /metrics`: where the database is out of reach, what the daemon knows of itself.
pub(super) async fn metrics(ask: &Ask) -> Result<Answer, Problem> {
    let vitals = ask.state.vitals.borrow().clone();
    let gauges = Gauges {
        up: vitals.connected && vitals.registry,
        leader: matches!(vitals.leadership, Leadership::Leading(_)),
        queue_depth: vitals.queue_depth,
        running: vitals.running,
        schedule_lag: vitals.schedule_lag,
        paused: vitals.paused.is_some(),
    };
    let text = match timeout(COUNT, counted(ask, &gauges)).await {
        Ok(Ok(text)) => text,
        _ => observe::own_metrics(&Gauges { up: false, ..gauges }),
    };
    Ok(Answer::text(OPENMETRICS, text))
}

async fn counted(ask: &Ask, gauges: &Gauges) -> Result<String, Problem> {
    let mut last = ask.state.counted.0.lock().await;
    if let Some((at, of, text)) = &*last
        && at.elapsed() < RECENT
        && of == gauges
    {
        return Ok(text.clone());
    }
    let desired = ask.desired()?;
    let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
    let mut session = ask.state.pool.session().await?;
    let now = (ask.state.clock)();
    let text = async {
        // Where the manifests cannot be read yet, those that were applied hold.
        let unread = desired.marts.is_empty();
        let applied = if unread { catalog::recorded(&mut session, schema, project).await? } else { BTreeMap::new() };
        let applied = applied.values().map(|row| &row.mart);
        let declared: Vec<&Mart> = desired.marts.iter().map(|mart| &mart.mart).chain(applied).collect();
        Ok::<_, Problem>(observe::metrics(&mut session, schema, project, &declared, gauges, now).await?)
    };
    let text = text.await;
    let text = session.after(text).await?;
    *last = Some((Instant::now(), *gauges, text.clone()));
    Ok(text)
}
