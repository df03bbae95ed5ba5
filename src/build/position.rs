//! Up to where a mart's rows have seen their sources, and whether the logs tell all that they missed since.
//!
//! A position that is older than the rows is always safe: what changed in between is computed again, to the same end. So it is read
//! before rows are computed, and noted once they are published.

mod confirm;
mod figures;
mod moved;
mod pending;
mod planner;
mod views;

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};

pub use self::confirm::confirm;
pub use self::figures::Figures;
pub use self::moved::moved;
pub use self::pending::Pending;
use self::planner::Planner;
use crate::database::registry::in_schema;
use crate::database::{ErrorKind, SqlError};
use crate::sql::{MEMBERS, TRIGGERS, TRIGGERS_OF};
use crate::state::{Changes, Fingerprint, Mart, QName, log_name, log_segments, quote_ident, quote_literal};

/// What is needed to tell where a mart stands.
#[derive(Debug, Clone)]
pub struct Watched<'a> {
    /// The registry's schema.
    pub registry: &'a str,
    /// The project.
    pub project: &'a str,
    /// The relation that stores the rows.
    pub name: &'a QName,
    /// The name that its runs have in the history, which may be another one.
    pub mart: &'a QName,
    /// What its query reads, and how.
    pub changes: &'a Changes,
    /// What the query means.
    pub definition: String,
    /// The settings that it runs with.
    pub settings: String,
}

impl<'a> Watched<'a> {
    /// Of the mart whose rows `mart` says how to compute; `compiled` is its query as the server prints it.
    pub fn new(registry: &'a str, project: &'a str, mart: &'a Mart, compiled: &str, changes: &'a Changes) -> Self {
        let mut definition = changes.clone();
        // They are what the server prints, and stand for themselves.
        definition.functions.clear();
        Self {
            registry,
            project,
            name: &mart.name,
            mart: &mart.name,
            changes,
            definition: Fingerprint::of(&(compiled, &definition)).0,
            settings: Fingerprint::of(&mart.settings()).0,
        }
    }
}

/// What must be as it was, for the logs to tell all that a mart missed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    #[serde(default)]
    definition: String,
    #[serde(default)]
    settings: String,
    system: String,
    server: String,
    mart: String,
    functions: String,
    #[serde(default)]
    views: String,
    sources: Vec<SourceStand>,
}

/// How a source is, and its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SourceStand {
    table: String,
    relation: String,
    columns: Vec<String>,
    labels: Option<String>,
    members: String,
    files: String,
    triggers: String,
    noticed: bool,
    generation: Option<String>,
}

/// A place in the stream of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// `pg_current_snapshot()`: what it sees is seen.
    pub snapshot: String,
    /// The time of the query's `now()`.
    pub at: DateTime<Utc>,
    /// How everything stood then.
    pub stand: Stand,
}

/// What is known of a mart's rows, beside where they stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// What the planner thought of the whole query last.
    pub cost: Option<f64>,
    /// How many rows there are.
    pub rows: Option<i64>,
    /// Refreshes by changes since all rows were computed.
    pub refreshes: i32,
    /// How many of them were compared with the query.
    pub verified: i32,
    /// Why it is not refreshed by changes any more.
    pub demoted: Option<String>,
}

/// A look at everything, in one snapshot.
#[derive(Debug, Clone)]
pub struct Look {
    /// Where rows that are computed in this snapshot stand.
    pub now: Position,
    /// Where the mart's rows stand; `None`: nobody knows.
    pub before: Option<Position>,
    /// What else is known of them.
    pub standing: Standing,
    /// What each source logged since, where that was asked for.
    pub pending: Vec<Pending>,
    /// How many rows this transaction itself had logged by then, as the server counts them.
    pub own: i64,
    /// What is told again, where pending changes were asked for and there are none.
    pub figures: Option<Figures>,
    /// The files of the logs: others, once one was emptied.
    files: String,
    /// What the planner is told.
    planner: Planner,
}

impl Look {
    /// Whether the logs tell what comes after it.
    pub fn counts(&self) -> bool {
        self.now.stand.unnoticed().is_none() && !self.files.contains('-')
    }

    /// Whether of a source only some of the values were given back, of many: see [`complete`].
    pub fn in_part(&self) -> bool {
        self.pending.iter().any(|pending| pending.in_part)
    }
}

/// Looks where a mart stands, and where that is asked for what its sources logged since. One statement.
///
/// # Errors
/// What the server says.
pub async fn look(conn: &mut PgConnection, watched: &Watched<'_>, pending: bool) -> Result<Look, SqlError> {
    let sources = &watched.changes.sources;
    let logs: Vec<QName> = sources.iter().map(|s| log_name(watched.registry, watched.project, &s.table)).collect();
    let functions: Vec<&str> = watched.changes.functions.iter().map(String::as_str).collect();
    let row = sqlx::query(AssertSqlSafe(statement(watched, &logs, pending)))
        .bind(watched.project)
        .bind(&watched.name.schema)
        .bind(&watched.name.name)
        .bind(sources.iter().map(|source| source.table.schema.as_str()).collect::<Vec<_>>())
        .bind(sources.iter().map(|source| source.table.name.as_str()).collect::<Vec<_>>())
        .bind(logs.iter().map(|log| log.name.as_str()).collect::<Vec<_>>())
        .bind(functions)
        .bind(watched.changes.views.iter().map(ToString::to_string).collect::<Vec<_>>())
        .bind(segments(watched))
        .fetch_one(conn)
        .await?;
    let mut look = Look {
        own: row.try_get("own")?,
        files: row.try_get::<Option<String>, _>("files")?.unwrap_or_default(),
        now: Position {
            snapshot: row.try_get("now_snapshot")?,
            at: row.try_get("now_at")?,
            stand: stand(row.try_get("now_stand")?, watched)?,
        },
        before: before(&row)?,
        standing: Standing::default(),
        pending: Vec::new(),
        figures: None,
        planner: Planner::default(),
    };
    if look.before.is_some() {
        look.standing = Standing {
            cost: row.try_get("cost")?,
            rows: row.try_get("rows")?,
            refreshes: row.try_get("refreshes")?,
            verified: row.try_get("verified")?,
            demoted: row.try_get("demoted")?,
        };
    }
    for (at, source) in sources.iter().enumerate().filter(|_| pending) {
        look.pending.push(Pending::of(&row, at, source)?);
    }
    if pending && look.pending.iter().all(|pending| pending.rows == 0) {
        look.figures = Some(Figures::told(&row)?);
    }
    look.planner = Planner::of(&row, look.pending.iter().map(|pending| pending.pages).sum())?;
    Ok(look)
}

/// Reads the values of all new rows where a look gave back those of some; in the transaction of the look.
///
/// # Errors
/// What the server says.
pub async fn complete(conn: &mut PgConnection, watched: &Watched<'_>, look: &mut Look) -> Result<(), SqlError> {
    let sources = &watched.changes.sources;
    let logs: Vec<QName> = sources.iter().map(|s| log_name(watched.registry, watched.project, &s.table)).collect();
    let in_part = |at: &usize| look.pending.get(*at).is_some_and(|pending| pending.in_part);
    let places: Vec<usize> = (0..sources.len()).filter(in_part).collect();
    let sql = pending::statement(places.iter().map(|at| (*at, &sources[*at], &logs[*at])));
    let row = sqlx::query(AssertSqlSafe(in_schema(&sql, watched.registry)))
        .persistent(false)
        .bind(watched.project)
        .bind(&watched.name.schema)
        .bind(&watched.name.name)
        .fetch_one(conn)
        .await?;
    for at in places {
        let pending = &mut look.pending[at];
        pending.values = pending::values(&row, at, sources[at].columns.len())?;
        pending.in_part = false;
    }
    Ok(())
}

fn statement(watched: &Watched<'_>, logs: &[QName], pending: bool) -> String {
    let (mut ctes, mut columns, mut joins) = (String::new(), String::new(), String::new());
    for (at, (source, log)) in watched.changes.sources.iter().zip(logs).enumerate().filter(|_| pending) {
        let _ = write!(ctes, "{}", pending::ctes(at, source, log));
        let _ = write!(columns, "{}", pending::columns(at, source));
        joins.push_str(&pending::joins(at, source));
    }
    if pending {
        ctes.insert_str(0, &pending::limits());
        columns.push_str(&figures::columns(watched, logs.len()));
    }
    in_schema(include_str!("sql/stand.sql"), watched.registry)
        .replace("{schema}", &quote_literal(watched.registry))
        .replace("{functions}", if watched.changes.functions.is_empty() { "''" } else { FUNCTIONS })
        .replace("{views}", if watched.changes.views.is_empty() { "''" } else { VIEWS })
        .replace("{members}", MEMBERS)
        .replace("{triggers}", TRIGGERS)
        .replace("{triggers_of}", TRIGGERS_OF)
        .replace("{planner}", &planner::columns())
        .replace("{pending}", &ctes)
        .replace("{joins}", &joins)
        .replace("{columns}", &columns)
}

/// The functions that the query calls, which may be changed in place.
const FUNCTIONS: &str = "coalesce((
      SELECT pg_catalog.string_agg(f.oid || ':' || f.xmin, ' ' ORDER BY f.oid)
      FROM (SELECT DISTINCT pg_catalog.to_regprocedure(name) AS oid FROM unnest($7::text[]) AS name) AS n
      JOIN pg_catalog.pg_proc AS f ON f.oid = n.oid), '')";

/// The views that it reads.
const VIEWS: &str = "coalesce((
      SELECT pg_catalog.string_agg(r.ev_class || ':' || r.xmin, ' ' ORDER BY r.ev_class)
      FROM (SELECT DISTINCT pg_catalog.to_regclass(name) AS oid FROM unnest($8::text[]) AS name) AS n
      JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = n.oid AND r.rulename = '_RETURN'), '')";

fn stand(value: Value, watched: &Watched<'_>) -> Result<Stand, SqlError> {
    let stand: Stand = serde_json::from_value(value)
        .map_err(|error| SqlError::new(ErrorKind::Internal, format!("cannot read how the sources are: {error}")))?;
    Ok(Stand { definition: watched.definition.clone(), settings: watched.settings.clone(), ..stand })
}

fn before(row: &PgRow) -> Result<Option<Position>, SqlError> {
    let Some(snapshot) = row.try_get::<Option<String>, _>("snapshot")? else { return Ok(None) };
    let fingerprint: String = row.try_get("fingerprint")?;
    // What cannot be read any more says nothing.
    let Ok(stand) = serde_json::from_str(&fingerprint) else { return Ok(None) };
    Ok(Some(Position { snapshot, at: row.try_get("at")?, stand }))
}

/// Where a mart stands before all of its rows are computed; `None` where its logs would not tell what comes next, or the registry
/// is older than positions.
///
/// # Errors
/// What the server says.
pub async fn before_all(conn: &mut PgConnection, watched: &Watched<'_>) -> Result<Option<Look>, SqlError> {
    match look(conn, watched, false).await {
        Ok(look) => Ok(look.counts().then_some(look)),
        Err(error) if error.is("42P01") || error.is("42703") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes where a mart's rows stand that were computed at `look`, which is of this transaction, as they are published in it.
///
/// # Errors
/// What the server says.
pub async fn note(
    conn: &mut PgConnection,
    watched: &Watched<'_>,
    look: &Look,
    standing: &Standing,
) -> Result<(), SqlError> {
    let sql = in_schema(include_str!("sql/note_position.sql"), watched.registry);
    let statement = noting(&sql, watched, &look.now, standing).bind(look.own).bind(segments(watched));
    statement.execute(conn).await?;
    Ok(())
}

/// Notes where the rows of a mart stand that were computed after `look`, and are published by now, perhaps in another relation of
/// the same name. Where a log was emptied since, nothing is noted: it may have said what the rows have not seen.
///
/// # Errors
/// What the server says.
pub async fn published(
    conn: &mut PgConnection,
    watched: &Watched<'_>,
    look: &Look,
    standing: &Standing,
) -> Result<(), SqlError> {
    let segments = segments(watched);
    let held: Vec<String> =
        segments.iter().map(|segment| format!("\n  AND NOT EXISTS (SELECT FROM {segment} WHERE false)")).collect();
    let sql = include_str!("sql/publish_position.sql").replace("{held}", &held.concat());
    let sql = in_schema(&sql, watched.registry);
    let statement = noting(&sql, watched, &look.now, standing);
    statement.bind(&look.files).bind(segments).execute(conn).await?;
    Ok(())
}

fn noting<'q>(
    sql: &str,
    watched: &'q Watched<'_>,
    position: &'q Position,
    standing: &'q Standing,
) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .bind(watched.project)
        .bind(&watched.name.schema)
        .bind(&watched.name.name)
        .bind(&position.snapshot)
        .bind(position.at)
        .bind(serde_json::to_string(&position.stand).unwrap_or_default())
        .bind(standing.cost)
        .bind(standing.rows)
        .bind(standing.refreshes)
        .bind(standing.verified)
        .bind(&standing.demoted)
}

/// The tables of its logs.
fn segments(watched: &Watched<'_>) -> Vec<String> {
    let logs = watched.changes.sources.iter().map(|source| log_name(watched.registry, watched.project, &source.table));
    logs.flat_map(|log| log_segments(&log)).map(|segment| segment.to_string()).collect()
}

/// The statements that begin a refresh by changes: nothing of what it reads can be emptied or rewritten from then on, the logs
/// neither, and the snapshot is taken after that, by the first query.
pub fn begin(watched: &Watched<'_>, role: Option<&str>, lock_timeout_ms: u64) -> String {
    begin_all([(watched, role)], lock_timeout_ms)
}

/// As [`begin`], of several marts.
pub fn begin_all<'a>(
    marts: impl IntoIterator<Item = (&'a Watched<'a>, Option<&'a str>)>,
    lock_timeout_ms: u64,
) -> String {
    // Our own statements are planned once in a session: to plan the look takes longer than to look.
    let mut sql = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = {lock_timeout_ms}; \
         SET LOCAL plan_cache_mode = force_generic_plan;"
    );
    for (watched, role) in marts {
        lock(&mut sql, watched, role);
    }
    sql
}

fn lock(sql: &mut String, watched: &Watched<'_>, role: Option<&str>) {
    let tables: Vec<String> = watched.changes.sources.iter().map(|source| source.table.to_string()).collect();
    if let Some(role) = role {
        let _ = write!(sql, " SET LOCAL ROLE {};", quote_ident(role));
    }
    if !tables.is_empty() {
        let _ = write!(sql, " LOCK TABLE {} IN ACCESS SHARE MODE;", tables.join(", "));
    }
    if role.is_some() {
        sql.push_str(" RESET ROLE;");
    }
    let segments = segments(watched);
    if !segments.is_empty() {
        let _ = write!(sql, " LOCK TABLE {} IN ACCESS SHARE MODE;", segments.join(", "));
    }
}
