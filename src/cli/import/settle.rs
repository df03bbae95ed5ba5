//! Queries as the server settles them, and those that are better not read back.

use std::collections::BTreeMap;

use datamart::adopt;
use datamart::catalog::{self, Actual, Relation, Untrusted};
use datamart::compile::{self, Restated, Stated, StatedIndex};
use datamart::database::SqlError;
use datamart::state::{Mart, QName};

use super::super::context::Context;
use super::super::error::{CommandError, Result};
use super::super::report::import::Left;
use super::Seen;

/// The queries of relations and of their manifests, as the server settles them.
pub struct Settled {
    /// Of relations.
    pub live: BTreeMap<QName, std::result::Result<Restated, SqlError>>,
    /// Of manifests.
    pub declared: BTreeMap<QName, std::result::Result<Restated, SqlError>>,
}

/// Asks the server.
///
/// # Errors
/// What it says, beside queries that it refuses.
pub async fn settle(context: &mut Context, seen: &mut Seen) -> Result<Settled> {
    let wait = context.desired.project.database.lock_timeout_ms;
    let untrusted = set_untrusted_aside(context, seen).await?;
    let project = &context.desired.project;
    let manifests: BTreeMap<&QName, &Mart> = context.desired.marts.iter().map(|d| (&d.mart.name, &d.mart)).collect();
    let definition = |name| {
        let relation: &Relation = seen.actual.relations.get(name)?;
        let computed = relation.indexes.iter().filter(|(name, index)| {
            let trusted = !untrusted.indexes.contains_key(&(relation.oid, (*name).clone()));
            trusted && index.valid && (index.partial || index.expressions)
        });
        let indexes =
            computed.map(|(name, index)| StatedIndex { name, definition: &index.definition, unique: index.unique });
        Some(Stated {
            mart: name,
            query: relation.definition.as_deref()?,
            settings: Vec::new(),
            again: match manifests.get(name) {
                Some(mart) => mart.settings(),
                None => adopt::settings(name, project),
            },
            indexes: indexes.collect(),
        })
    };
    let live: Vec<Stated<'_>> = seen.chosen.names.iter().filter_map(definition).collect();
    let known = context.desired.marts.iter().filter(|desired| seen.chosen.names.contains(&desired.mart.name));
    let declared: Vec<Stated<'_>> = known
        .map(|desired| &desired.mart)
        .map(|mart| Stated {
            mart: &mart.name,
            query: &mart.query,
            settings: mart.settings(),
            again: Vec::new(),
            indexes: Vec::new(),
        })
        .collect();
    let conn = &mut context.conn;
    Ok(Settled {
        live: compile::restate(conn, &live, wait).await.map_err(unsettled)?,
        declared: compile::restate(conn, &declared, wait).await.map_err(unsettled)?,
    })
}

/// Leaves out what cannot be read back without running other roles' functions.
async fn set_untrusted_aside(context: &mut Context, seen: &mut Seen) -> Result<Untrusted> {
    let relation = |name: &QName| seen.actual.relations.get(name).cloned();
    let chosen: Vec<Relation> = seen.chosen.names.iter().filter_map(relation).collect();
    let oids: Vec<i64> = chosen.iter().map(|relation| relation.oid).collect();
    let untrusted = catalog::untrusted(&mut context.conn, &oids)
        .await
        .map_err(|error| CommandError::sql("cannot read the queries", &error))?;
    for relation in &chosen {
        if let Some(owner) = untrusted.queries.get(&relation.oid) {
            let reason = format!(
                "reading its query would run functions of {owner} (checks of a domain); import it as that role"
            );
            seen.chosen.left.push(Left::new(&relation.name, relation.kind.label(), reason));
            seen.chosen.names.remove(&relation.name);
        }
    }
    Ok(untrusted)
}

fn unsettled(error: compile::CompileError) -> CommandError {
    match error {
        compile::CompileError::Sql(source) => CommandError::sql("cannot read the queries", &source),
        refused @ compile::CompileError::Refused { .. } => CommandError::internal(refused.to_string()),
    }
}

/// A relation whose own query the server does not take from this role.
pub fn refused(actual: &Actual, name: QName, error: &SqlError) -> Left {
    let kind = actual.relations.get(&name).map_or("object", |relation| relation.kind.label());
    let told = CommandError::sql("", error);
    let mut reason = error.message.clone();
    for hint in &told.hints {
        reason.push_str(&format!("; {hint}"));
    }
    Left::new(&name, kind, reason)
}
