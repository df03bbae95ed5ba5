//! Partitions filled side by side, by several sessions that see one snapshot.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::filling::{Filling, begin, clock};
use super::next::{NextPart, NextParts};
use super::touched::{Division, Touched};
use crate::build::check::{CheckResult, check_all, failure};
use crate::build::copy::{Needed, close, remove_leftovers};
use crate::build::run::run;
use crate::build::session::{Frame, SessionState};
use crate::database::{Endpoint, ErrorKind, SqlError};
use crate::sql::changes::spanned;
use crate::state::{Changes, CheckForm, quote_literal};

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
    let filled = filled(conn, filling, &jobs(&parts), others, frame).await;
    let next = match filled {
        Ok(snapshot) => completed(conn, filling, parts, snapshot, frame, checks).await,
        Err(error) => Err(error),
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

/// Runs the jobs, each in whichever session is free. Gives the snapshot that all of them saw.
async fn filled(
    conn: &mut PgConnection,
    filling: &Filling<'_>,
    jobs: &[Job],
    others: &Others<'_>,
    frame: &Frame,
) -> Result<String, SqlError> {
    begin(conn, filling.which, frame).await?;
    let mut helpers = Vec::new();
    let mut pids: Vec<i32> = Vec::new();
    let outcome = async {
        let row = sqlx::query("SELECT pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_export_snapshot()")
            .fetch_one(&mut *conn)
            .await?;
        let (snapshot, exported): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let number = others.sessions.min(jobs.len()) - 1;
        for _ in 0..number {
            let purpose = format!("fill {}", filling.mart.name);
            let opened = others.endpoint.direct().session(&purpose).await;
            let mut helper = opened.map_err(|error| SqlError::new(ErrorKind::Connection, error.to_string()))?;
            let begin =
                format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT {}", quote_literal(&exported));
            sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut helper).await?;
            let row = sqlx::query("SELECT pg_catalog.pg_backend_pid()").fetch_one(&mut helper).await?;
            pids.push(row.try_get(0)?);
            helpers.push(helper);
        }
        let next = AtomicUsize::new(0);
        let all = helpers.iter_mut().chain([&mut *conn]);
        try_join_all(all.map(|conn| work(conn, jobs, &next, frame))).await?;
        for helper in &mut helpers {
            sqlx::raw_sql("COMMIT").execute(helper).await?;
        }
        Ok(snapshot)
    }
    .await;
    if outcome.is_err() && !pids.is_empty() {
        // What is being written would keep what was built from being removed.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await;
        let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM unnest($1::int[]) AS p (pid)";
        let _ = sqlx::query(sql).bind(&pids).execute(&mut *conn).await;
    }
    close(conn, outcome).await
}

/// Does what nobody else has begun, until there is no more of it.
async fn work(conn: &mut PgConnection, jobs: &[Job], next: &AtomicUsize, frame: &Frame) -> Result<(), SqlError> {
    let mut session = SessionState::in_transaction();
    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
        run(conn, &mut session, frame, &job.insert).await?;
    }
    session.leave(conn).await
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
