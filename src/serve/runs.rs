//! Runs: all, of one mart, one; and stopping one.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::ask::{Answer, Ask};
use super::look::{Known, begin, find_known, nothing_yet};
use super::problem::Problem;
use crate::database::registry;
use crate::manifest::Desired;
use crate::observe::{self, PastRun};
use crate::refresh::{self, Stopped};

/// So many runs, where nobody says how many; and at most.
const RUNS: (i64, i64) = (100, 1_000);

/// `GET /api/v1/runs`.
pub(super) async fn list(ask: &Ask) -> Result<Answer, Problem> {
    read(ask, None).await
}

/// `GET /api/v1/marts/{mart}/history`.
pub(super) async fn history(ask: &Ask) -> Result<Answer, Problem> {
    read(ask, Some(ask.part("mart"))).await
}

async fn read(ask: &Ask, mart: Option<&str>) -> Result<Answer, Problem> {
    let limit = ask.query.whole("limit", (0, RUNS.1), RUNS.0)?;
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let name = match mart {
            Some(text) => Some(find_known(&mut session, &desired, text, Known::Ever).await?),
            None => None,
        };
        begin(&mut session, &desired).await?;
        let project = &desired.project;
        let runs = observe::history(&mut session, &project.registry_schema, &project.name, name.as_ref(), limit).await;
        match nothing_yet(runs)? {
            Some(runs) => {
                observe::end(&mut session).await?;
                Ok(runs)
            }
            None => {
                sqlx::raw_sql("ROLLBACK").execute(&mut *session).await?;
                Ok(Vec::new())
            }
        }
    }
    .await;
    let runs = session.after(done).await?;
    Ok(Answer::json(&json!({ "runs": runs }))?.tagged(""))
}

/// `GET /api/v1/runs/{run}`.
pub(super) async fn one(ask: &Ask) -> Result<Answer, Problem> {
    let number = ask.number("run")?;
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = numbered(&mut session, &desired, number).await;
    let run = session.after(done).await?;
    Ok(Answer::json(&run)?.tagged(""))
}

async fn numbered(conn: &mut PgConnection, desired: &Desired, number: i64) -> Result<PastRun, Problem> {
    let project = &desired.project;
    let runs = observe::runs(conn, &project.registry_schema, &project.name, &[number]).await;
    let run = nothing_yet(runs)?.and_then(|mut runs| runs.pop());
    run.ok_or_else(|| Problem::missing(format!("there is no run {number}")))
}

/// `POST /api/v1/runs/{run}/cancel`.
pub(super) async fn cancel(ask: &Ask) -> Result<Answer, Problem> {
    let number = ask.number("run")?;
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = stopped(ask, &mut session, &desired, number).await;
    let (stopped, run) = session.after(done).await?;
    let status = match stopped {
        Stopped::Queued => StatusCode::OK,
        Stopped::Told => StatusCode::ACCEPTED,
        Stopped::Ended | Stopped::Unknown => {
            let detail = format!("run {number} is over: {}", run.status);
            return Err(Problem::conflict(detail).with("run", json!(run)));
        }
    };
    Ok(Answer::json(&run)?.status(status).header(LOCATION, &format!("/api/v1/runs/{number}")))
}

async fn stopped(
    ask: &Ask,
    conn: &mut PgConnection,
    desired: &Desired,
    number: i64,
) -> Result<(Stopped, PastRun), Problem> {
    let before = numbered(conn, desired, number).await?;
    let (schema, by) = (&desired.project.registry_schema, ask.owner(desired));
    let mut transaction = conn.begin().await?;
    let stopped = refresh::cancel(&mut transaction, schema, &by.project, number, &by.who).await?;
    if matches!(stopped, Stopped::Queued | Stopped::Told) {
        let detail = json!({ "run": number });
        registry::audit(&mut transaction, schema, &by, "cancel", Some(&before.mart), &detail).await?;
    }
    transaction.commit().await?;
    Ok((stopped, numbered(conn, desired, number).await?))
}
