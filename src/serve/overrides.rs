//! What holds instead of what the manifests say: suspended marts, other schedules.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use super::ask::{Answer, Ask};
use super::look::{Known, find_known};
use super::problem::Problem;
use crate::catalog::{Instead, Override};
use crate::manifest::Desired;
use crate::reconcile::{self, Among};
use crate::state::{Kind, QName, Schedule};

/// So many schedules of one mart at most.
const SCHEDULES: usize = 20;

/// `POST …/suspend`.
pub(super) async fn suspend(ask: &Ask) -> Result<Answer, Problem> {
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let name = find_known(&mut session, &desired, ask.part("mart"), Known::Now).await?;
        let among = Among::Marts(BTreeSet::from([name.clone()]));
        reconcile::suspend(&mut session, &desired.project.registry_schema, &ask.owner(&desired), &among).await?;
        holding(&mut session, &desired, &name).await
    }
    .await;
    Answer::json(&session.after(done).await?)
}

/// `POST …/resume`.
pub(super) async fn resume(ask: &Ask) -> Result<Answer, Problem> {
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let name = find_known(&mut session, &desired, ask.part("mart"), Known::Now).await?;
        let among = Among::Marts(BTreeSet::from([name.clone()]));
        reconcile::resume(&mut session, &desired.project.registry_schema, &ask.owner(&desired), &among).await?;
        holding(&mut session, &desired, &name).await
    }
    .await;
    Answer::json(&session.after(done).await?)
}

/// `PUT …/schedule`.
pub(super) async fn schedule(ask: &mut Ask) -> Result<Answer, Problem> {
    let schedule = schedules(ask.json().await?)?;
    let desired = ask.desired()?;
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let name = find_known(&mut session, &desired, ask.part("mart"), Known::Now).await?;
        let mart = desired.marts.iter().find(|mart| mart.mart.name == name);
        let mart = mart.ok_or_else(|| Problem::conflict(format!("no manifest declares {name} any more")))?;
        if mart.mart.kind == Kind::View {
            return Err(Problem::conflict(format!("{name} is a view: it has nothing to refresh")));
        }
        let by = ask.owner(&desired);
        reconcile::reschedule(&mut session, &desired.project.registry_schema, &by, mart, &schedule).await?;
        holding(&mut session, &desired, &name).await
    }
    .await;
    Answer::json(&session.after(done).await?)
}

/// `{"schedule": "30 2 * * *"}`, a list, or null: none.
fn schedules(sent: Map<String, Value>) -> Result<Vec<String>, Problem> {
    let wrong = || Problem::bad("what is sent is {\"schedule\": …}: a schedule, a list of them, or null");
    let (1, Some(said)) = (sent.len(), sent.get("schedule")) else { return Err(wrong()) };
    let schedules: Vec<String> = match said {
        Value::Null => return Ok(Vec::new()),
        Value::String(one) => vec![one.clone()],
        Value::Array(more) if !more.is_empty() && more.len() <= SCHEDULES => {
            more.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    for schedule in &schedules {
        Schedule::parse(schedule).map_err(|error| Problem::bad(format!("schedule {schedule:?}: {error}")))?;
    }
    Ok(schedules)
}

/// What holds for a mart now.
async fn holding(conn: &mut PgConnection, desired: &Desired, name: &QName) -> Result<Value, Problem> {
    let found = reconcile::overrides(conn, &desired.project.registry_schema, &desired.project.name).await?;
    let about = found.0.iter().filter(|found| found.mart.as_ref().is_none_or(|mart| mart == name));
    let overrides: Vec<Value> = about.map(told).collect();
    Ok(json!({ "mart": name.to_string(), "overrides": overrides }))
}

/// One that holds, as programs see it.
pub(super) fn told(found: &Override) -> Value {
    let (what, schedule) = match &found.instead {
        Instead::Suspend => ("suspend", None),
        Instead::Schedule(schedule) => ("schedule", Some(schedule)),
    };
    json!({
        "mart": found.mart.as_ref().map(ToString::to_string),
        "what": what,
        "schedule": schedule,
        "who": found.who,
        "at": found.at,
    })
}
