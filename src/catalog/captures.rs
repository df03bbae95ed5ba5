//! The tables behind what marts read, and what logs the changes of tables.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::kind::RelationKind;
use crate::database::registry::in_schema;
use crate::state::{ChangeLog, LOG_EVENTS, LoggedColumn, QName};

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureScope {
    /// The registry, where the logs are.
    pub registry: String,
    /// Whether the tables behind what marts read are needed; else only what is logged.
    pub behind: bool,
}

/// What logs the changes of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    /// The tables behind each relation that marts read, itself where it is one, through views.
    pub behind: BTreeMap<QName, BTreeSet<QName>>,
    /// These tables and their parts, what they are parts of, and all others that have triggers of logs.
    pub tables: BTreeMap<QName, Source>,
    /// The project's logs, by the name their table had.
    pub logs: BTreeMap<QName, Log>,
}

/// A table that may be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number.
    pub oid: i64,
    /// What it is: foreign tables and materialized views have no statement triggers.
    pub kind: RelationKind,
    /// Its owner.
    pub owner: String,
    /// The connection's role may do what its owner may.
    pub owned: bool,
    /// A subscription writes to it: that fires no trigger of statements.
    pub subscribed: bool,
    /// Its parts, what it is a part of, and itself: a write to any of them may be a write to it.
    pub family: BTreeSet<QName>,
    /// The triggers that fill logs: by log, each as `catalog` prints it.
    pub triggers: BTreeMap<String, BTreeSet<String>>,
}

/// A log, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its name: that of the function, and what those of its tables begin with.
    pub name: String,
    /// The columns it keeps.
    pub columns: Vec<LoggedColumn>,
    /// It survives a crash.
    pub logged: bool,
    /// Which of its tables is written to.
    pub segment: usize,
    /// Marts are kept by it as writers commit.
    pub commits: bool,
    /// Its function is the one that was made, and its tables are there.
    pub whole: bool,
}

/// How the triggers of a log on a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// They fire, always.
    Works,
    /// They fire, but not for what replication writes: so ENABLE TRIGGER ALL leaves them.
    Ordinary,
    /// Some are disabled.
    Disabled,
    /// Some are others than were made.
    Other,
    /// Some are gone.
    Missing,
}

impl Source {
    /// The triggers of a log on it.
    pub fn trigger(&self, log: &ChangeLog) -> Trigger {
        let nothing = BTreeSet::new();
        let found = self.triggers.get(&log.name().name).unwrap_or(&nothing);
        let expected = LOG_EVENTS.map(|event| expected(log, event));
        if expected.iter().all(|one| found.contains(one)) && found.len() == LOG_EVENTS.len() {
            return Trigger::Works;
        }
        let always = |text: &String| {
            let mut words: Vec<&str> = text.split(' ').collect();
            if let Some(enabled) = words.get_mut(1) {
                *enabled = "A";
            }
            words.join(" ")
        };
        let alike: BTreeSet<String> = found.iter().map(always).collect();
        if expected.iter().all(|one| alike.contains(one)) && found.len() == LOG_EVENTS.len() {
            let fires = |text: &String| matches!(text.split(' ').nth(1), Some("A" | "O"));
            return if found.iter().all(fires) { Trigger::Ordinary } else { Trigger::Disabled };
        }
        let names = LOG_EVENTS.map(|event| format!(" {}", log.trigger(event)));
        let there = names.iter().filter(|name| found.iter().any(|text| text.ends_with(name.as_str()))).count();
        if there < LOG_EVENTS.len() { Trigger::Missing } else { Trigger::Other }
    }

    /// It has any trigger of a log.
    pub fn has_triggers(&self, log: &str) -> bool {
        self.triggers.contains_key(log)
    }
}

/// A trigger as the query prints it: `tgtype`, `tgenabled`, the tables of old and new rows, its name.
fn expected(log: &ChangeLog, event: &str) -> String {
    let (number, old, new) = match event {
        "INSERT" => (4, "-", "datamart_new"),
        "UPDATE" => (16, "datamart_old", "datamart_new"),
        "DELETE" => (8, "datamart_old", "-"),
        _ => (32, "-", "-"),
    };
    let (old, new) = if log.columns.is_empty() { ("-", "-") } else { (old, new) };
    format!("{number} A {old} {new} {}", log.trigger(event))
}

impl Captures {
    /// Reads them, in one query; where there are logs, in two.
    pub(super) async fn read(
        conn: &mut PgConnection,
        scope: &CaptureScope,
        project: &str,
        registry: Option<&str>,
        sources: &BTreeSet<QName>,
    ) -> Result<Self, CatalogError> {
        let roots = || sources.iter().filter(|_| scope.behind);
        let schemas: Vec<&str> = roots().map(|name| name.schema.as_str()).collect();
        let names: Vec<&str> = roots().map(|name| name.name.as_str()).collect();
        let rows = sqlx::query(include_str!("sql/captures.sql"))
            .bind(&schemas)
            .bind(&names)
            .bind(&scope.registry)
            .fetch_all(&mut *conn)
            .await?;
        let mut captures = Self::default();
        let mut families: Vec<(QName, Vec<i64>)> = Vec::new();
        for row in rows {
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            let texts = |column: &str| row.try_get::<Vec<String>, _>(column);
            for (schema, root) in texts("root_schemas")?.into_iter().zip(texts("root_names")?) {
                captures.behind.entry(QName::new(schema, root)).or_default().insert(name.clone());
            }
            let mut triggers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (log, text) in texts("logs")?.into_iter().zip(texts("triggers")?) {
                triggers.entry(log).or_default().insert(text);
            }
            let source = Source {
                oid: row.try_get("oid")?,
                kind: RelationKind::from_relkind(row.try_get("relkind")?),
                owner: row.try_get("owner")?,
                owned: row.try_get("owned")?,
                subscribed: row.try_get("subscribed")?,
                family: BTreeSet::new(),
                triggers,
            };
            families.push((name.clone(), row.try_get("sources")?));
            captures.tables.insert(name, source);
        }
        let by_oid: BTreeMap<i64, QName> =
            captures.tables.iter().map(|(name, source)| (source.oid, name.clone())).collect();
        for (member, of) in families {
            for source in of.iter().filter_map(|oid| by_oid.get(oid)) {
                captures.tables.entry(source.clone()).and_modify(|source| {
                    source.family.insert(member.clone());
                });
            }
        }
        if let Some(registry) = registry {
            captures.logs = logs(conn, registry, project).await?;
        }
        Ok(captures)
    }
}

async fn logs(conn: &mut PgConnection, registry: &str, project: &str) -> Result<BTreeMap<QName, Log>, CatalogError> {
    // A registry that an older program wrote has none.
    let table = QName::new(registry, "captures").to_string();
    let there: bool =
        sqlx::query_scalar("SELECT pg_catalog.to_regclass($1) IS NOT NULL").bind(table).fetch_one(&mut *conn).await?;
    if !there {
        return Ok(BTreeMap::new());
    }
    let sql = in_schema(include_str!("sql/logs.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(registry).fetch_all(conn).await?;
    let log = |row: &sqlx::postgres::PgRow| -> Result<(QName, Log), sqlx::Error> {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let columns =
            row.try_get::<Vec<String>, _>("columns")?.into_iter().zip(row.try_get::<Vec<String>, _>("types")?);
        let commits: bool = row.try_get("commits")?;
        let log = Log {
            name: row.try_get("log")?,
            columns: columns.map(|(name, type_name)| LoggedColumn { name, type_name }).collect(),
            logged: row.try_get("logged")?,
            commits,
            segment: usize::try_from(row.try_get::<i16, _>("segment")?).unwrap_or_default(),
            whole: row.try_get::<bool, _>("fills")?
                && row.try_get::<bool, _>("whole")?
                && (!commits || row.try_get::<bool, _>("indexed")?),
        };
        Ok((name, log))
    };
    Ok(rows.iter().map(log).collect::<Result<_, _>>()?)
}
