//! The history: one row per run, what is counted of it, and who is told.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};

use super::ended::ended;
use super::{Item, Method, Options, Run, RunStatus, before_totals};
use crate::build;
use crate::database::SqlError;
use crate::database::registry::in_schema;

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

/// Closes it, counts it and tells who listens, in one statement and transaction.
pub(super) async fn finish(conn: &mut PgConnection, options: &Options, run: &Run) -> Result<(), SqlError> {
    match finishing(options, run).execute(&mut *conn).await.map_err(SqlError::from) {
        Err(error) if before_totals::is(&error) => before_totals::finish(conn, options, run).await,
        finished => finished.map(drop),
    }
}

fn finishing<'q>(options: &Options, run: &'q Run) -> Query<'q, Postgres, PgArguments> {
    // A mart follows changes only where an apply brought the registry up to date for them.
    let decided = if run.decision.is_some() { ", decision = $17" } else { "" };
    let text = include_str!("sql/finish.sql").replace("{decided}", decided);
    let statement = ended(sqlx::query(AssertSqlSafe(sql(&text, &options.registry))), run)
        .bind((!run.checks.is_empty()).then(|| serde_json::to_value(&run.checks).ok()).flatten())
        .bind(&run.mart);
    match &run.decision {
        Some(decision) => statement.bind(decision),
        None => statement,
    }
}

/// Takes the row of a run away that has nothing to tell: another one says already why it has to wait.
pub(super) async fn withdraw(conn: &mut PgConnection, options: &Options, run: &Run) -> Result<(), SqlError> {
    let text = sql("DELETE FROM {registry}.refreshes WHERE run = $1 AND status = 'running'", &options.registry);
    sqlx::query(AssertSqlSafe(text)).bind(run.run).execute(conn).await?;
    Ok(())
}

/// As [`finish`], in the transaction of the run's rows, which is committed: both are there, or neither. `counted` is whether the
/// registry counts.
pub(super) async fn finish_with_rows(
    conn: &mut PgConnection,
    options: &Options,
    run: &Run,
    counted: bool,
) -> Result<(), SqlError> {
    if !counted {
        sqlx::raw_sql("COMMIT").execute(&mut *conn).await?;
        return finish(conn, options, run).await;
    }
    let finished = finishing(options, run).execute(&mut *conn).await.map(drop);
    build::close(conn, finished.map_err(SqlError::from)).await
}

/// As [`finish`] of several runs, in the transaction of their rows, which stays open.
pub(super) async fn finish_all<'r>(
    conn: &mut PgConnection,
    options: &Options,
    runs: impl Iterator<Item = &'r Run>,
) -> Result<(), SqlError> {
    for run in runs {
        finishing(options, run).execute(&mut *conn).await?;
    }
    Ok(())
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

/// A statement of the history, with what counts runs and what names the channel in it.
fn sql(text: &str, registry: &str) -> String {
    let bounds: Vec<String> = DURATION_BOUNDS.iter().map(ToString::to_string).collect();
    let bounds = format!("'{{{}}}'::float8[]", bounds.join(","));
    let count =
        |from: &str| include_str!("sql/count.sql").trim_end().replace("{ended}", from).replace("{bounds}", &bounds);
    let text = text
        .replace("{count ended}", &count("ended"))
        .replace("{count abandoned}", &count("abandoned"))
        .replace("{channel}", include_str!("sql/channel.sql").trim_end());
    in_schema(&text, registry)
}

/// This machine.
pub(super) fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}
