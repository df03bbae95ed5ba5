//! Where the marts that follow what changes stand: what their sources logged that they have not seen.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::subject::Subject;
use super::{Looked, ObserveError, human_size};
use crate::catalog::Applied;
use crate::database::registry::in_schema;
use crate::state::{ChangeSource, QName, log_name, log_segments, quote_ident, quote_literal};

/// No crash emptied the log since it was made.
const FILLED: &str = "EXISTS (SELECT FROM {registry}.sentinels AS s
                           WHERE (s.project, s.schema, s.name, s.generation) = (c.project, c.schema, c.name, c.generation))";

/// More rows of logs are not counted.
const MOST: i64 = 10_000;

/// How a mart stands to the changes of its sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Following {
    /// Rows of the logs that it has not seen; left out where it is to be computed whole next time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<i64>,
    /// There are more than that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// What is pending cannot be told here: a standby cannot read logs that a crash would empty.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// The moment up to which it has seen everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Bytes of the logs of its sources; other marts may need them, too.
    pub log_bytes: i64,
    /// The same for people.
    pub log_size: String,
    /// What was decided last: `none`, `keys` or `whole`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// What the changed rows were thought to cost then, as a part of what all of them cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Why so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is not refreshed by changes any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demoted: Option<String>,
}

/// The marts that follow changes, by name. Two queries, and none where no mart does.
pub(super) async fn read(
    conn: &mut PgConnection,
    looked: &Looked<'_>,
    marts: &BTreeMap<&QName, Subject<'_>>,
) -> Result<HashMap<QName, Following>, ObserveError> {
    let Some(registry) = looked.registry else { return Ok(HashMap::new()) };
    let follow: Vec<(&Subject<'_>, &[ChangeSource])> =
        marts.values().filter_map(|subject| Some((subject, sources(subject)?))).collect();
    if follow.is_empty() {
        return Ok(HashMap::new());
    }
    // What a crash empties cannot even be named on a standby.
    let standby = looked.actual.server.in_recovery;
    let sql = include_str!("sql/logs.sql").replace("{filled}", if standby { "false" } else { FILLED });
    let sql = in_schema(&sql, registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(looked.project).fetch_all(&mut *conn).await?;
    let mut logs = BTreeMap::new();
    for row in rows {
        let table = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        logs.insert(table, row.try_get::<i64, _>("bytes")?);
    }
    let mut found = HashMap::new();
    let mut counts = Vec::new();
    for (subject, sources) in follow {
        let log_bytes = sources.iter().filter_map(|source| logs.get(&source.table)).sum();
        let read = sources.iter().all(|source| logs.contains_key(&source.table));
        let unread = standby && !read;
        let following = Following { log_bytes, log_size: human_size(log_bytes), unread, ..Following::default() };
        found.insert(subject.mart.name.clone(), following);
        // Where a log is gone, all rows are computed.
        if read {
            counts.extend(subject.live.map(|live| count(looked, registry, (&subject.mart.name, &live.name), sources)));
        }
    }
    if counts.is_empty() {
        return Ok(found);
    }
    let counts = AssertSqlSafe(counts.join("\nUNION ALL\n"));
    for row in sqlx::query(counts).bind(looked.project).bind(MOST).fetch_all(conn).await? {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let Some(following) = found.get_mut(&name) else { continue };
        let pending: i64 = row.try_get("pending")?;
        following.pending = Some(pending.min(MOST));
        following.more = pending > MOST;
        following.since = row.try_get("at")?;
        following.demoted = row.try_get("demoted")?;
    }
    Ok(found)
}

/// What a mart follows, as it was applied.
fn sources<'a>(subject: &Subject<'a>) -> Option<&'a [ChangeSource]> {
    let recorded = subject.recorded.filter(|row| row.mart.follows_changes())?;
    let applied: &Applied = recorded.published().map_or(&recorded.applied, |version| &version.applied);
    Some(&applied.changes.as_ref()?.sources)
}

/// What is new to a mart since its position, if it has one.
fn count(looked: &Looked<'_>, registry: &str, (mart, stored): (&QName, &QName), sources: &[ChangeSource]) -> String {
    let logs = sources.iter().flat_map(|source| log_segments(&log_name(registry, looked.project, &source.table)));
    let mut new: Vec<String> = logs.map(|log| format!("SELECT datamart_xid FROM {log}")).collect();
    if new.is_empty() {
        new.push("SELECT NULL::pg_catalog.xid8 AS datamart_xid WHERE false".to_owned());
    }
    let [schema, name] = [&mart.schema, &mart.name].map(|text| quote_literal(text));
    let [stored_schema, stored_name] = [&stored.schema, &stored.name].map(|text| quote_literal(text));
    format!(
        "SELECT {schema} AS schema, {name} AS name, p.at, p.demoted, (SELECT pg_catalog.count(*) FROM (\n  SELECT FROM ({}) AS l\n  \
         WHERE NOT pg_catalog.pg_visible_in_snapshot(l.datamart_xid, p.snapshot) AND l.datamart_xid IS DISTINCT FROM p.xid \
         LIMIT $2 + 1) AS n) AS pending\nFROM {}.positions AS p\n\
         WHERE p.project = $1 AND p.schema = {stored_schema} AND p.name = {stored_name}",
        new.join(" UNION ALL "),
        quote_ident(registry)
    )
}

impl Following {
    /// Of a mart that writers keep: nothing waits.
    pub(super) fn kept(self) -> Self {
        Self { pending: self.pending.map(|_| 0), more: false, ..self }
    }

    /// With what the last run decided.
    pub(super) fn decided(mut self, decision: &Value, reason: Option<&str>) -> Self {
        self.rung = decision["rung"].as_str().map(str::to_owned);
        self.ratio = decision["ratio"].as_f64();
        self.reason = reason.map(str::to_owned);
        self
    }
}
