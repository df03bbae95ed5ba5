//! Partitions filled side by side, by several sessions that see one snapshot.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::filling::{Filling, clock};
use super::next::{NextPart, NextParts};
use super::together::{Together, together};
use super::touched::{Division, Touched};
use crate::build::check::{CheckResult, check_all, failure};
use crate::build::copy::{Needed, close, remove_leftovers};
use crate::build::session::{Frame, SessionState};
use crate::database::{Endpoint, SqlError};
use crate::sql::changes::spanned;
use crate::state::{Changes, CheckForm};

/// Fewer rows than the planner takes for this are filled before a session is open.
const LARGE: f64 = 2_500.0;
/// All partitions one by one may cost so many times what all rows in one pass do: beyond it the bounds do not reach what is read.
const REACHES: f64 = 3.0;
/// And one of few partitions this part of it.
const PART: f64 = 0.5;

/// Those who may help.
pub struct Others<'a> {
    /// How to get another session.
    pub endpoint: &'a Endpoint,
    /// How many sessions there are with the one that is there.
    pub sessions: usize,
    /// What is known of the query: where the bounds may stand.
    pub changes: Option<&'a Changes>,
}

/// One partition's rows.
struct Job {
    rows: String,
    insert: String,
}

/// Fills `<mart>__next` side by side; `None` where that does not pay, or cannot be: nothing was done then.
pub(super) async fn fill(
    conn: &mut PgConnection,
    filling: &Filling<'_>,
    others: &Others<'_>,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Option<NextParts>, SqlError> {
    let mart = filling.mart;
    // What a check reads beside the mart is to be of the same snapshot.
    let reads = mart.checks.iter().any(|check| matches!(check.form, CheckForm::Sql(_)));
    if others.sessions < 2 || reads || !filling.which.is_all() || filling.live.partitions.len() < 2 {
        return Ok(None);
    }
    let Some(division) = Division::of(conn, mart, filling.live).await? else { return Ok(None) };
    let jobs = |parts: &[NextPart]| jobs(filling, &division, parts, others.changes);
    let planned = jobs(&filling.parts(clock(conn).await?)?);
    if !pays(conn, filling, &planned, frame).await? {
        return Ok(None);
    }
    let made = async {
        let mut session = SessionState::in_transaction();
        sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
        let made = match filling.make(conn, &mut session, frame).await {
            Ok(parts) => session.leave(conn).await.map(|()| parts),
            Err(error) => Err(error),
        };
        close(conn, made).await
    };
    let parts = made.await?;
    let jobs = jobs(&parts);
    let what = Together {
        statements: jobs.iter().map(|job| job.insert.as_str()).collect(),
        reads: &filling.which.reads,
        purpose: format!("fill {}", mart.name),
        sessions: Some((others.endpoint, others.sessions)),
        holder: None,
    };
    let next = match together(conn, &what, frame, &|_| {}).await {
        Ok(snapshot) => completed(conn, filling, parts, snapshot, frame, checks).await,
        Err(halted) => Err(halted.error),
    };
    if next.is_err() {
        // Where the connection is gone, the next refresh removes it.
        let _ = remove_leftovers(conn, &mart.name, Needed::Yes, frame).await;
    }
    next.map(Some)
}

/// The partitions, largest first as far as that is known by their order; what none of them takes comes first.
fn jobs(filling: &Filling<'_>, division: &Division, parts: &[NextPart], changes: Option<&Changes>) -> Vec<Job> {
    let at = changes.and_then(|changes| changes.key.iter().position(|key| key.name == filling.partition.column));
    let job = |part: Option<&NextPart>| {
        let oid = part.and_then(|part| part.live.as_ref()).filter(|live| !live.is_default()).map(|live| live.oid);
        let touched = Touched { parts: oid.into_iter().collect(), others: oid.is_none() };
        let spans = if oid.is_some() { division.spans(&touched) } else { Vec::new() };
        let query = match changes.zip(at) {
            Some((changes, at)) if !spans.is_empty() => spanned(changes, at, &spans),
            _ => filling.mart.query.clone(),
        };
        let condition = division.condition(&touched);
        let into = part.map_or_else(|| filling.default_name(), |part| part.next.clone());
        Job { rows: filling.select(&query, Some(&condition)), insert: filling.insert(&into, &query, Some(&condition)) }
    };
    let (default, others): (Vec<&NextPart>, Vec<&NextPart>) = parts.iter().partition(|part| part.is_default());
    let rest = match default.first() {
        Some(default) => Some(job(Some(default))),
        None => filling.catches(parts).then(|| job(None)),
    };
    rest.into_iter().chain(others.into_iter().map(|part| job(Some(part)))).collect()
}

/// Whether the bounds reach what is read, as the server's planner sees it.
async fn pays(conn: &mut PgConnection, filling: &Filling<'_>, jobs: &[Job], frame: &Frame) -> Result<bool, SqlError> {
    let Some(middle) = jobs.get(jobs.len() / 2) else { return Ok(false) };
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let costs = async {
        let whole = cost(conn, &filling.select(&filling.mart.query, None)).await?;
        Ok::<_, SqlError>((whole, if whole < LARGE { 0.0 } else { cost(conn, &middle.rows).await? }))
    };
    let costs = costs.await;
    session.leave(conn).await?;
    let (whole, part) = costs?;
    #[allow(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    let most = (REACHES / jobs.len() as f64).min(PART);
    Ok(whole >= LARGE && part <= whole * most)
}

async fn cost(conn: &mut PgConnection, query: &str) -> Result<f64, SqlError> {
    let sql = format!("EXPLAIN (FORMAT JSON) {query}");
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(conn).await?;
    let plan: Value = row.try_get(0)?;
    Ok(plan.pointer("/0/Plan/Total Cost").and_then(Value::as_f64).unwrap_or(f64::MAX))
}

/// Gives partitions to rows that have none, and runs the mart's checks.
async fn completed(
    conn: &mut PgConnection,
    filling: &Filling<'_>,
    mut parts: Vec<NextPart>,
    snapshot: String,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<NextParts, SqlError> {
    let mut session = SessionState::in_transaction();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let outcome = async {
        filling.rest(conn, &mut session, &mut parts, frame).await?;
        session.leave(conn).await?;
        check_all(conn, &mut session, frame, filling.mart, &filling.name, checks).await?;
        match failure(checks) {
            Some(error) => Err(error),
            None => Ok(NextParts { name: filling.name.clone(), parts, snapshot, differ: false }),
        }
    };
    let outcome = outcome.await;
    close(conn, outcome).await
}
