//! What answers look at: one mart by its name, or all of them in one snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::ask::Ask;
use super::problem::Problem;
use crate::database::registry::in_schema;
use crate::manifest::Desired;
use crate::observe::{self, Looked};
use crate::reconcile::{self, Seen};
use crate::state::QName;
use crate::state::selector::{self, Node};

/// A statement of a read takes so long at most, in milliseconds: less than its request.
const STATEMENT: u64 = 25_000;

/// Everything, as one look saw it.
#[derive(Debug)]
pub(super) struct Look {
    pub desired: Arc<Desired>,
    pub seen: Seen,
    pub now: DateTime<Utc>,
}

impl Look {
    /// Looks at everything.
    ///
    /// # Errors
    /// What the server says.
    pub async fn at(ask: &Ask, conn: &mut PgConnection) -> Result<Self, Problem> {
        let desired = ask.desired()?;
        let seen = reconcile::glance(conn, &desired).await?;
        Ok(Self { desired, seen, now: (ask.state.clock)() })
    }

    /// What `observe` looks at.
    pub fn looked(&self) -> Looked<'_> {
        let project = &self.desired.project;
        Looked {
            desired: Some(&self.desired),
            actual: &self.seen.actual,
            project: &project.name,
            registry: self.seen.registry.as_ref().map(|_| project.registry_schema.as_str()),
            now: self.now,
        }
    }

    /// The mart that the path names, declared or only known to the registry.
    ///
    /// # Errors
    /// 404, with the nearest.
    pub fn find(&self, text: &str) -> Result<QName, Problem> {
        let declared = self.desired.marts.iter().map(|mart| &mart.mart.name);
        let names = declared.chain(self.seen.actual.recorded.keys()).cloned().collect();
        find(text, names, &self.desired.project.schema)
    }
}

/// Which marts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Those that are declared or applied.
    Now,
    /// Those that were dropped, too.
    Ever,
}

/// The mart that the path names, without a look at the catalog.
///
/// # Errors
/// 404, with the nearest; what the server says.
pub(super) async fn find_known(
    conn: &mut PgConnection,
    desired: &Desired,
    text: &str,
    known: Known,
) -> Result<QName, Problem> {
    let mut names: BTreeSet<QName> = desired.marts.iter().map(|mart| mart.mart.name.clone()).collect();
    let project = &desired.project;
    let at_home = QName::new(&project.schema, text);
    if names.contains(&at_home) {
        return Ok(at_home);
    }
    let sql = in_schema(include_str!("sql/names.sql"), &project.registry_schema);
    let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(&project.name).bind(known == Known::Ever).fetch_all(conn).await;
    let rows: Vec<(String, String)> = nothing_yet(rows)?.unwrap_or_default();
    names.extend(rows.into_iter().map(|(schema, name)| QName::new(schema, name)));
    find(text, names, &project.schema)
}

/// `None` where there is no registry yet.
///
/// # Errors
/// Another error.
pub(super) fn nothing_yet<T, E: Into<Problem> + NoRegistry>(read: Result<T, E>) -> Result<Option<T>, Problem> {
    match read {
        Err(error) if error.is_no_registry() => Ok(None),
        read => read.map(Some).map_err(Into::into),
    }
}

/// Errors that may only say that there is no registry yet, or one from before there were daemons.
pub(super) trait NoRegistry {
    /// Whether it does.
    fn is_no_registry(&self) -> bool;
}

impl NoRegistry for crate::database::SqlError {
    fn is_no_registry(&self) -> bool {
        ["42P01", "3F000", "42703"].iter().any(|code| self.is(code))
    }
}

impl NoRegistry for observe::ObserveError {
    fn is_no_registry(&self) -> bool {
        matches!(self, Self::Sql(error) if error.is_no_registry())
    }
}

impl NoRegistry for sqlx::Error {
    fn is_no_registry(&self) -> bool {
        let code = self.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| ["42P01", "3F000", "42703"].contains(&code.as_ref()))
    }
}

fn find(text: &str, names: BTreeSet<QName>, home: &str) -> Result<QName, Problem> {
    let nodes: Vec<Node> = names.into_iter().map(Node::named).collect();
    let found = selector::find(text, &nodes, home).map_err(Problem::missing)?;
    // A path is no pattern.
    match text.contains(['*', '?']) && found.name != text && found.to_string() != text {
        true => Err(Problem::missing(format!("no mart is called {text}"))),
        false => Ok(found),
    }
}

/// Begins a snapshot that changes nothing; its statements take seconds at most.
///
/// # Errors
/// What the server says.
pub(super) async fn begin(conn: &mut PgConnection, desired: &Desired) -> Result<(), Problem> {
    observe::begin(conn).await?;
    limit(conn, desired).await
}

/// As [`begin`], for rows: each statement sees its own moment, so that no mart is empty that is exchanged meanwhile.
///
/// # Errors
/// What the server says.
pub(super) async fn begin_rows(conn: &mut PgConnection, desired: &Desired) -> Result<(), Problem> {
    observe::begin_rows(conn).await?;
    limit(conn, desired).await
}

async fn limit(conn: &mut PgConnection, desired: &Desired) -> Result<(), Problem> {
    let locks = desired.project.database.lock_timeout_ms;
    let limits = format!("SET LOCAL lock_timeout = {locks}; SET LOCAL statement_timeout = {STATEMENT}");
    sqlx::raw_sql(AssertSqlSafe(limits)).execute(conn).await?;
    Ok(())
}

/// What does not grow older by itself in the JSON of a mart: what its tag is made of.
pub(super) fn ageless(mut mart: Value, now: DateTime<Utc>) -> Value {
    if let Some(object) = mart.as_object_mut() {
        object.retain(|key, _| key != "age_seconds" && key != "ages");
        // What is overdue is due now, whenever that is.
        let now = serde_json::to_value(now).unwrap_or_default();
        object.retain(|key, value| key != "next_run" || *value != now);
    }
    mart
}
