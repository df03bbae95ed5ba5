//! The tables behind what marts read, and what notices writes to them.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use super::CatalogError;
use super::kind::RelationKind;
use crate::state::{QName, TOUCH};

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureScope {
    /// The trigger's name.
    pub trigger: String,
    /// The registry, whose function it calls.
    pub registry: String,
    /// Whether the tables behind what marts read are needed; else only where triggers are.
    pub behind: bool,
}

/// What notices writes to source tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    /// The tables behind each relation that marts read, itself where it is one, through views and inheritance.
    pub behind: BTreeMap<QName, BTreeSet<QName>>,
    /// These tables, and all others that have our trigger.
    pub sources: BTreeMap<QName, Source>,
}

/// A table behind what marts read.
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
    /// It is read as a part of another, a partition for instance.
    pub child: bool,
    /// Our trigger; `None` where it has none.
    pub trigger: Option<Trigger>,
}

/// How our trigger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// It fires, always.
    Works,
    /// It is disabled, or does not fire for what replication writes.
    Disabled,
    /// It is of that name, and another one.
    Other,
}

impl Captures {
    /// Reads them, in one query.
    pub(super) async fn read(
        conn: &mut PgConnection,
        scope: &CaptureScope,
        sources: &BTreeSet<QName>,
    ) -> Result<Self, CatalogError> {
        let roots = || sources.iter().filter(|_| scope.behind);
        let schemas: Vec<&str> = roots().map(|name| name.schema.as_str()).collect();
        let names: Vec<&str> = roots().map(|name| name.name.as_str()).collect();
        let rows = sqlx::query(include_str!("sql/captures.sql"))
            .bind(&schemas)
            .bind(&names)
            .bind(&scope.trigger)
            .bind(&scope.registry)
            .bind(TOUCH)
            .fetch_all(conn)
            .await?;
        let mut captures = Self::default();
        for row in rows {
            let text = |column: &str| row.try_get::<Option<String>, _>(column);
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            let trigger = match (row.try_get::<Option<bool>, _>("as_made")?, text("enabled")?.as_deref()) {
                (None, _) => None,
                (Some(false), _) => Some(Trigger::Other),
                (Some(true), Some("A")) => Some(Trigger::Works),
                (Some(true), _) => Some(Trigger::Disabled),
            };
            let child: bool = row.try_get("child")?;
            if let (Some(schema), Some(root)) = (text("root_schema")?, text("root_name")?) {
                captures.behind.entry(QName::new(schema, root)).or_default().insert(name.clone());
            }
            let source = Source {
                oid: row.try_get("oid")?,
                kind: RelationKind::from_relkind(row.try_get("relkind")?),
                owner: row.try_get("owner")?,
                owned: row.try_get("owned")?,
                child,
                trigger,
            };
            // A partition may be read by its own name, too.
            captures.sources.entry(name).and_modify(|known| known.child &= child).or_insert(source);
        }
        Ok(captures)
    }
}
