//! Asking for refreshes, and waiting for what comes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, timeout};

use super::ask::{Answer, Ask, within};
use super::look::Look;
use super::marts::{select, statuses};
use super::problem::Problem;
use crate::database::lock::{self, Holder, lock_key, mart_lock};
use crate::database::registry;
use crate::manifest::Desired;
use crate::observe::{self, PastRun, Summary};
use crate::refresh::{self, Asked, How, MOST_DAYS};
use crate::state::{Kind, QName, Selector};

/// A client waits this long where it does not say how long; in seconds.
const WAIT: i64 = 600;
/// … and this long at most.
const LONGEST: i64 = 3_600;
/// Between two looks at a run that is waited for: the first, and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));

/// What is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    select: Option<String>,
    how: Option<Words>,
    days: Option<u32>,
    concurrent: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Words {
    Full,
    Incremental,
    Smart,
}

impl Sent {
    fn asked(&self) -> Result<Asked, Problem> {
        let how = match self.how {
            None => How::AsDeclared,
            Some(Words::Full) => How::Full,
            Some(Words::Incremental) => How::Incremental,
            Some(Words::Smart) => How::Smart,
        };
        match self.days {
            Some(_) if how != How::Incremental => Err(Problem::bad("days goes with {\"how\": \"incremental\"}")),
            Some(days) if !(1..=MOST_DAYS).contains(&days) => {
                Err(Problem::bad(format!("days is from 1 to {MOST_DAYS}")))
            }
            days => Ok(Asked { how, days, concurrent: self.concurrent, ..Asked::default() }),
        }
    }
}

/// What was asked for.
struct Requested {
    runs: Vec<PastRun>,
    /// Marts that are refreshed by somebody already, and who that is.
    busy: BTreeMap<QName, Value>,
    /// What the command line would warn about.
    warnings: Vec<String>,
}

impl Requested {
    /// These runs, and what else is told of the request.
    fn told(&self, runs: &[PastRun]) -> Value {
        let mut told = json!({ "runs": runs, "busy": busy(&self.busy) });
        if !self.warnings.is_empty() {
            told["warnings"] = json!(self.warnings);
        }
        told
    }
}

/// The marts of a request, and what the command line would warn about.
type Which = (BTreeSet<QName>, Vec<String>);

/// `POST /api/v1/marts/{mart}/refresh`.
pub(super) async fn one(ask: &mut Ask) -> Result<Answer, Problem> {
    let sent: Sent = ask.json().await?;
    if sent.select.is_some() {
        return Err(Problem::bad("select goes with /api/v1/refresh; this is one mart"));
    }
    start(ask, &sent, async |_, look, text| {
        let name = look.find(text)?;
        let row = look.seen.actual.recorded.get(&name).filter(|row| row.status != "creating");
        let row = row.ok_or_else(|| Problem::conflict(format!("{name} is not applied yet")))?;
        match row.mart.kind {
            Kind::View => Err(Problem::conflict(format!("{name} is a view: it has nothing to refresh"))),
            _ => Ok((BTreeSet::from([name]), Vec::new())),
        }
    })
    .await
}

/// `POST /api/v1/refresh`.
pub(super) async fn many(ask: &mut Ask) -> Result<Answer, Problem> {
    let sent: Sent = ask.json().await?;
    let selector = sent.select.as_deref().map(Selector::parse).transpose().map_err(Problem::bad)?;
    start(ask, &sent, async |conn, look, _| {
        let recorded = &look.seen.actual.recorded;
        let (mut names, unknown): Which = match &selector {
            None => (recorded.keys().cloned().collect(), Vec::new()),
            Some(selector) => {
                let marts = statuses(conn, look).await?;
                let (names, unknown) = select(conn, look, selector, &marts).await?;
                // Here nobody reads a warning where nothing comes of it. That none is in a state is what one hopes for.
                if names.is_empty() && !(unknown.is_empty() && selector.needs_states()) {
                    let text = sent.select.as_deref().unwrap_or_default();
                    let none = || format!("no mart is selected by {text}");
                    return Err(Problem::bad(if unknown.is_empty() { none() } else { unknown.join("; ") }));
                }
                (names, unknown)
            }
        };
        // Views have nothing to refresh, and what is not applied nothing to refresh into.
        names.retain(|name| {
            recorded.get(name).is_some_and(|row| row.mart.kind != Kind::View && row.status != "creating")
        });
        Ok((names, unknown))
    })
    .await
}

async fn start(
    ask: &mut Ask,
    sent: &Sent,
    which: impl AsyncFnOnce(&mut PgConnection, &Look, &str) -> Result<Which, Problem>,
) -> Result<Answer, Problem> {
    let asked = sent.asked()?;
    let wait = ask.query.flag("wait")?;
    let limit = ask.query.whole("timeout", (0, LONGEST), WAIT)?;
    let begun = async {
        let mut session = ask.state.pool.session().await?;
        let done = async {
            let look = Look::at(ask, &mut session).await?;
            let which = which(&mut session, &look, ask.part("mart")).await?;
            Ok((request(ask, &mut session, &look, which, &asked).await?, look.desired))
        }
        .await;
        session.after(done).await
    };
    let (requested, desired) = within(begun).await?;
    if wait && !requested.runs.is_empty() {
        let limit = Duration::from_secs(u64::try_from(limit).unwrap_or_default());
        if let Some(ended) = ended(ask, &desired, &requested.runs, limit).await? {
            let mut told = requested.told(&ended);
            told["summary"] = json!(Summary::of_past(&ended));
            return Answer::json(&told);
        }
    }
    let answer = Answer::json(&requested.told(&requested.runs))?;
    let answer = answer.status(StatusCode::ACCEPTED);
    Ok(match requested.runs.as_slice() {
        [one] => answer.header(LOCATION, &format!("/api/v1/runs/{}", one.run)),
        _ => answer,
    })
}

fn busy(busy: &BTreeMap<QName, Value>) -> Vec<Value> {
    busy.iter().map(|(mart, holder)| json!({ "mart": mart.to_string(), "holder": holder })).collect()
}

/// Writes the runs that are to be, but for marts that somebody refreshes already; where that is all of them, it is a conflict.
async fn request(
    ask: &Ask,
    conn: &mut PgConnection,
    look: &Look,
    (names, warnings): Which,
    asked: &Asked,
) -> Result<Requested, Problem> {
    let (desired, by) = (&look.desired, ask.owner(&look.desired));
    let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
    let busy = holders(conn, desired, &names).await?;
    let free: BTreeSet<QName> = names.into_iter().filter(|name| !busy.contains_key(name)).collect();
    if let (true, Some((name, holder))) = (free.is_empty(), busy.first_key_value()) {
        let detail = format!("{name} is refreshed already");
        return Err(Problem::conflict(detail).with("holder", holder.clone()).with("busy", self::busy(&busy).into()));
    }
    let items = refresh::items(&look.seen.actual, &free);
    let items = items.map_err(|_| Problem::conflict("what was selected is not applied yet"))?;
    let marts: Vec<QName> = items.into_iter().map(|item| item.mart).collect();
    let mut transaction = conn.begin().await?;
    let numbers = refresh::enqueue(&mut transaction, schema, project, &marts, asked, &by.who).await?;
    for (mart, number) in marts.iter().zip(&numbers) {
        let detail = json!({ "run": number, "how": asked.how, "days": asked.days, "concurrent": asked.concurrent });
        registry::audit(&mut transaction, schema, &by, "refresh", Some(&mart.to_string()), &detail).await?;
    }
    transaction.commit().await?;
    let runs = observe::runs(conn, schema, project, &numbers).await?;
    Ok(Requested { runs, busy, warnings })
}

/// Who refreshes these marts at this moment.
async fn holders(
    conn: &mut PgConnection,
    desired: &Desired,
    names: &BTreeSet<QName>,
) -> Result<BTreeMap<QName, Value>, Problem> {
    let (schema, project) = (&desired.project.registry_schema, &desired.project.name);
    let held = lock::holders(conn, schema).await?;
    let mut busy = BTreeMap::new();
    for name in names {
        let key = lock_key(schema, project, &mart_lock(name));
        if let Some(holder) = held.iter().find(|holder| holder.key == key) {
            let run = observe::history(conn, schema, project, Some(name), 1).await?.pop();
            busy.insert(name.clone(), told(holder, run.filter(|run| run.status == "running").as_ref()));
        }
    }
    Ok(busy)
}

fn told(holder: &Holder, run: Option<&PastRun>) -> Value {
    json!({
        "pid": holder.pid,
        "host": holder.host,
        "application": holder.application,
        "since": holder.since,
        "run": run.map(|run| run.run),
    })
}

/// The runs, when all of them have ended; `None` where that takes longer than the caller waits, or the daemon ends. What becomes of
/// the caller is nothing to the runs.
async fn ended(
    ask: &mut Ask,
    desired: &Desired,
    runs: &[PastRun],
    limit: Duration,
) -> Result<Option<Vec<PastRun>>, Problem> {
    // Who only waits takes nobody's place, but for those who wait.
    ask.place = None;
    let Ok(_place) = ask.state.waiting.try_acquire() else { return Ok(None) };
    let numbers: Vec<i64> = runs.iter().map(|run| run.run).collect();
    let deadline = Instant::now() + limit;
    let mut ending = ask.state.ending.clone();
    let mut pause = LOOKS.0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || timeout(pause.min(left), ending.wait_for(|ending| *ending)).await.is_ok() {
            return Ok(None);
        }
        pause = (pause * 3 / 2).min(LOOKS.1);
        let project = &desired.project;
        let look = async {
            let mut session = ask.state.pool.session().await?;
            let done = observe::runs(&mut session, &project.registry_schema, &project.name, &numbers).await;
            session.after(done.map_err(Problem::from)).await
        };
        let runs = within(look).await?;
        // A run whose row is gone is over, too.
        if runs.iter().all(PastRun::has_ended) {
            return Ok(Some(runs));
        }
    }
}
