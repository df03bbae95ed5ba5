//! The history: one row per run, what is counted of it, and who is told.

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::StreamExt;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};

use super::ended::ended;
use super::{Item, Method, Options, Run, RunStatus, before_totals};
use crate::build;
use crate::database::SqlError;
use crate::database::lock::PLANNED_ONCE;
use crate::database::registry::in_schema;
use crate::state::{QName, quote_literal};

/// Bounds of the counted durations, in seconds; what took longer is counted beyond the last one.
pub const DURATION_BOUNDS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// What became of a run that was to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// It has its row, of this number.
    Run(i64),
    /// In a registry that counts nothing yet, or not for this role.
    Uncounted(i64),
    /// A newer leadership is at work: this one begins nothing any more.
    Superseded,
    /// Its row waits no longer: somebody stopped it, or another daemon had it.
    Withdrawn,
}

/// The end of the run is what has to last; a crash of the server takes a beginning of the last moment with the run.
const QUICK: &str = ", pg_catalog.set_config('synchronous_commit', 'off', true) AS quick";

/// Opens a run's row, in a transaction of its own. The caller holds the mart's lock, so that no other run of it can be alive.
pub(super) async fn begin(
    conn: &mut PgConnection,
    options: &Options,
    item: &Item,
    method: Method,
    run: &Run,
) -> Result<Begun, SqlError> {
    open(conn, options, item, method, run, QUICK).await
}

/// The same, in the open transaction of its rows: that one lasts once it is committed.
pub(super) async fn begin_with_rows(
    conn: &mut PgConnection,
    options: &Options,
    item: &Item,
    method: Method,
    run: &Run,
) -> Result<Begun, SqlError> {
    open(conn, options, item, method, run, "").await
}

async fn open(
    conn: &mut PgConnection,
    options: &Options,
    item: &Item,
    method: Method,
    run: &Run,
    quick: &str,
) -> Result<Begun, SqlError> {
    let text = include_str!("sql/begin.sql").replace("{quick}", quick);
    let begun = sqlx::query(AssertSqlSafe(sql(&text, &options.registry)))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(method.as_str())
        .bind(&run.reason)
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(host())
        .bind(options.epoch)
        .bind(item.asked.cause)
        .bind(item.asked.due_at)
        .bind(item.asked.run)
        .fetch_one(&mut *conn)
        .await
        .map_err(SqlError::from);
    match begun {
        Err(error) if before_totals::is(&error) => {
            before_totals::begin(conn, options, item, method, run, &host()).await.map(Begun::Uncounted)
        }
        Err(error) => Err(error),
        Ok(row) if row.try_get("superseded")? => Ok(Begun::Superseded),
        Ok(row) => Ok(row.try_get::<Option<i64>, _>("run")?.map_or(Begun::Withdrawn, Begun::Run)),
    }
}

/// Keeps the statement that opens a row, for [`beginning_kept`].
pub(super) fn keep_beginning(registry: &str) -> String {
    let types = "text, text, text, text, text, timestamptz, text, text, text, bigint, text, timestamptz, int";
    let totals = quote_literal(&QName::new(registry, "totals").to_string());
    let text = in_schema(include_str!("sql/begin_alone.sql"), registry).replace("{totals}", &totals);
    format!("PREPARE datamart_begin ({types}) AS {text}\n;")
}

/// As [`begin`], of a run that nobody asked for, by the statement that is kept: it does something only where the lock was got before
/// it in the same message and no other run stands open. `worker` is the server process that will work.
pub(super) fn beginning_kept(options: &Options, item: &Item, method: Method, run: &Run, worker: i32) -> String {
    let values = [
        literal(Some(&options.project)),
        literal(Some(&item.mart.schema)),
        literal(Some(&item.mart.name)),
        literal(Some(method.as_str())),
        literal(Some(&run.reason)),
        literal(Some(time(run.started_at))),
        literal(run.revision.as_ref()),
        literal(Some(&options.requested_by)),
        literal(Some(host())),
        literal(options.epoch.map(|epoch| epoch.to_string())),
        literal(item.asked.cause),
        literal(item.asked.due_at.map(time)),
        worker.to_string(),
    ];
    format!("EXECUTE datamart_begin ({})", values.join(", "))
}

/// The number of the run that [`beginning_kept`] opened, among other rows.
pub(super) fn begun_kept(told: &[PgRow]) -> Result<Option<i64>, SqlError> {
    let row = told.iter().find(|row| row.try_column("begun").is_ok());
    Ok(row.map(|row| row.try_get("begun")).transpose()?)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Closes it, counts it and tells who listens.
pub(super) async fn finish(conn: &mut PgConnection, options: &Options, run: &Run) -> Result<(), SqlError> {
    match finishing(options, run).execute(&mut *conn).await.map_err(SqlError::from) {
        Err(error) if before_totals::is(&error) => before_totals::finish(conn, options, run).await,
        Err(error) => Err(error),
        Ok(closed) if closed.rows_affected() == 0 => Ok(()),
        Ok(_) => told(conn, ("", 0), [run].into_iter(), "").await.map(drop),
    }
}

fn finishing<'q>(options: &Options, run: &'q Run) -> Query<'q, Postgres, PgArguments> {
    // A mart follows changes only where an apply brought the registry up to date for them.
    let decided = if run.decision.is_some() { ", decision = $16" } else { "" };
    let text = include_str!("sql/finish.sql").replace("{decided}", decided);
    let statement = ended(sqlx::query(AssertSqlSafe(sql(&text, &options.registry))), run)
        .bind((!run.checks.is_empty()).then(|| serde_json::to_value(&run.checks).ok()).flatten());
    match &run.decision {
        Some(decision) => statement.bind(decision),
        None => statement,
    }
}

/// Keeps the statement that closes a row, for [`finish_with_rows`].
pub(super) fn keep_finishing(registry: &str) -> String {
    let types = "bigint, text, text, text, timestamptz, float8, bigint, bigint, bigint, bigint, bigint, text, text, jsonb, jsonb";
    let text = include_str!("sql/finish.sql").replace("{decided}", "");
    format!("PREPARE datamart_finish ({types}) AS {}\n;", sql(&text, registry))
}

/// Says `sql`, whose first `needed` statements have to go well, and tells in the same message, in a transaction of its own, how these runs
/// ended; then it says `then`. Whether all of that went well. Who tells something keeps everybody else who does from committing until its
/// own commit is on the disk: one that writes nothing that is to last holds nobody up. What stands against telling changes nothing about
/// the runs.
async fn told(
    conn: &mut PgConnection,
    (sql, needed): (&str, usize),
    runs: impl Iterator<Item = &Run>,
    then: &str,
) -> Result<bool, SqlError> {
    let tell =
        |run: &Run| format!("SELECT pg_catalog.pg_notify('{}', {});", channel(run.status), quote_literal(&run.mart));
    let sql = format!("{sql}{}{then}", runs.map(tell).collect::<String>());
    let mut told = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(conn);
    let mut done = 0;
    while let Some(one) = told.next().await {
        match one {
            Ok(one) => done += usize::from(one.is_left()),
            Err(error) if done < needed => return Err(error.into()),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// Who listens to it is told how a run ended.
fn channel(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Success | RunStatus::Noop => "datamart_refreshed",
        RunStatus::Failed | RunStatus::Skipped | RunStatus::Cancelled => "datamart_not_refreshed",
    }
}

/// As [`finish`] of a run about which nothing was decided, by the statement that is kept.
fn finishing_kept(run: &Run) -> String {
    let number = |value: Option<i64>| literal(value.map(|value| value.to_string()));
    let json = |value: Option<serde_json::Value>| literal(value.map(|value| value.to_string()));
    let values = [
        run.run.to_string(),
        literal(Some(run.status.as_str())),
        literal(run.method.map(Method::as_str)),
        literal(Some(&run.reason)),
        literal(Some(time(run.finished_at))),
        run.duration_ms.to_string(),
        number(run.rows_inserted),
        number(run.rows_updated),
        number(run.rows_deleted),
        number(run.row_count),
        number(run.size_bytes),
        literal(run.newest.as_ref()),
        literal(run.snapshot.as_ref()),
        json(run.error.as_ref().and_then(|error| serde_json::to_value(error).ok())),
        json((!run.checks.is_empty()).then(|| serde_json::to_value(&run.checks).ok()).flatten()),
    ];
    format!("EXECUTE datamart_finish ({})", values.join(", "))
}

fn literal(value: Option<impl AsRef<str>>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| quote_literal(value.as_ref()))
}

/// Takes the row of a run away that has nothing to tell: another one says already why it has to wait.
pub(super) async fn withdraw(conn: &mut PgConnection, options: &Options, run: &Run) -> Result<(), SqlError> {
    let text = sql("DELETE FROM {registry}.refreshes WHERE run = $1 AND status = 'running'", &options.registry);
    sqlx::query(AssertSqlSafe(text)).bind(run.run).execute(conn).await?;
    Ok(())
}

/// How a run's row is closed in the transaction of its rows.
pub(super) struct Closing {
    /// The registry counts.
    pub counted: bool,
    /// The session keeps the statement for it.
    pub keeps: bool,
    /// What is said last.
    pub then: Option<String>,
}

/// As [`finish`], in the transaction of the run's rows, which is committed: both are there, or neither. Whether what was to be said last
/// was said, and went well.
pub(super) async fn finish_with_rows(
    conn: &mut PgConnection,
    options: &Options,
    run: &Run,
    closing: Closing,
) -> Result<bool, SqlError> {
    let Closing { counted, keeps, then } = closing;
    if !counted {
        sqlx::raw_sql("COMMIT").execute(&mut *conn).await?;
        return finish(conn, options, run).await.map(|()| false);
    }
    let said = then.is_some();
    let then = then.unwrap_or_default();
    if keeps && run.decision.is_none() {
        let sql = format!("{PLANNED_ONCE}{};COMMIT;", finishing_kept(run));
        return match told(&mut *conn, (&sql, 3), [run].into_iter(), &then).await {
            Ok(all) => Ok(all && said),
            Err(error) => build::close(conn, Err(error)).await,
        };
    }
    finish_all(conn, options, [run].into_iter(), &then).await.map(|all| all && said)
}

/// As [`finish`] of several runs, in the transaction of their rows, which is committed; `then` is said last. Whether all that is not
/// needed went well, too.
pub(super) async fn finish_all<'r>(
    conn: &mut PgConnection,
    options: &Options,
    runs: impl Iterator<Item = &'r Run> + Clone,
    then: &str,
) -> Result<bool, SqlError> {
    for run in runs.clone() {
        if let Err(error) = finishing(options, run).execute(&mut *conn).await {
            return build::close(conn, Err(error.into())).await;
        }
    }
    told(conn, ("COMMIT;", 1), runs, then).await
}

/// Writes a run that did not begin.
pub(super) async fn not_begun(
    conn: &mut PgConnection,
    options: &Options,
    item: &Item,
    run: &Run,
) -> Result<i64, SqlError> {
    debug_assert_ne!(run.status, RunStatus::Success);
    let written = sqlx::query(AssertSqlSafe(sql(include_str!("sql/not_begun.sql"), &options.registry)))
        .bind(&options.project)
        .bind(&item.mart.schema)
        .bind(&item.mart.name)
        .bind(&run.reason)
        .bind(run.status.as_str())
        .bind(run.started_at)
        .bind(&run.revision)
        .bind(&options.requested_by)
        .bind(host())
        .bind(run.error.as_ref().and_then(|e| serde_json::to_value(e).ok()))
        .bind(options.epoch)
        .bind(item.asked.cause)
        .bind(item.asked.due_at)
        .bind(item.asked.run)
        .bind(&run.mart)
        .bind(channel(run.status))
        .fetch_optional(&mut *conn)
        .await
        .map_err(SqlError::from);
    match written {
        Err(error) if before_totals::is(&error) => before_totals::not_begun(conn, options, item, run, &host()).await,
        Err(error) => Err(error),
        // Its row waits no longer, and says already what became of it.
        Ok(row) => Ok(row.as_ref().map(number).transpose()?.or(item.asked.run).unwrap_or_default()),
    }
}

fn number(row: &PgRow) -> Result<i64, sqlx::Error> {
    row.try_get("run")
}

/// A statement of the history, with what counts runs in it.
fn sql(text: &str, registry: &str) -> String {
    let bounds: Vec<String> = DURATION_BOUNDS.iter().map(ToString::to_string).collect();
    let bounds = format!("'{{{}}}'::float8[]", bounds.join(","));
    let count =
        |from: &str| include_str!("sql/count.sql").trim_end().replace("{ended}", from).replace("{bounds}", &bounds);
    let text = text.replace("{count ended}", &count("ended")).replace("{count abandoned}", &count("abandoned"));
    in_schema(&text, registry)
}

/// This machine.
pub(super) fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}
