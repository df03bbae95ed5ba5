//! What a mart should look like in the database, in the server's own spelling.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::shares::{Shares, shares};
use super::{PlanProblem, rename};
use crate::catalog::{Actual, Column, ReadSignature, Recorded, Relation, Undividable, kept_from, wanted};
use crate::compile::{Compiled, Following, recorded_for};
use crate::manifest::{DesiredMart, Project};
use crate::sql::{canonical_index, index_body};
use crate::state::{Changes, IndexDecl, Kind, Mart, Piece, QName, derived_name};

/// A mart as declared beside what is recorded and what is there.
#[derive(Debug, Clone)]
pub(crate) struct Target<'a> {
    /// As declared, with where.
    pub desired: &'a DesiredMart,
    /// As declared.
    pub mart: &'a Mart,
    /// As the registry has it, perhaps under an earlier name.
    pub recorded: Option<&'a Recorded>,
    /// As it is, perhaps under an earlier name.
    pub live: Option<&'a Relation>,
    /// Canonical text of the query.
    pub definition: String,
    /// Whether the server was asked for it now; else it is what was recorded.
    pub compiled: bool,
    /// Columns of the query.
    pub columns: Vec<Column>,
    /// Declared indexes by name.
    pub indexes: BTreeMap<String, TargetIndex<'a>>,
    /// The partitions it should have.
    pub pieces: Vec<Piece>,
    /// How it is filled, where that is done side by side.
    pub shares: Option<Shares>,
    /// Why it cannot be divided.
    pub undividable: Option<Undividable>,
    /// The instant at which it should have them.
    pub now: DateTime<Utc>,
    /// What the query reads.
    pub reads: BTreeSet<QName>,
    /// How its rows follow what changes, where it asks for that.
    pub changes: Option<Changes>,
    /// It is no mart: it follows what it depends on, as it is.
    pub follower: Option<&'a Following>,
}

/// A declared index in the server's spelling.
#[derive(Debug, Clone)]
pub(crate) struct TargetIndex<'a> {
    pub decl: &'a IndexDecl,
    /// Its definition without names.
    pub body: String,
}

impl<'a> Target<'a> {
    pub(crate) fn new(desired: &'a DesiredMart, compiled: &Compiled, actual: &'a Actual, project: &Project) -> Self {
        let mart = &desired.mart;
        let recorded = recorded_for(mart, actual);
        let live = match recorded {
            Some(recorded) => actual.relations.get(&recorded.mart.name),
            None => actual.relations.get(&mart.name),
        };
        let compiled = compiled.marts.get(&mart.name);
        let weight = compiled.and_then(|compiled| compiled.weight.as_ref());
        let (mut definition, columns, reads) = match (compiled, recorded) {
            (Some(c), _) => (c.definition.clone(), c.columns.clone(), c.reads.clone()),
            (None, Some(r)) => (
                r.applied.compiled.clone(),
                r.applied.columns.clone(),
                r.applied.reads.values().map(|read| read.name.clone()).collect(),
            ),
            (None, None) => Default::default(),
        };
        let changes = match (compiled, recorded) {
            _ if !mart.follows_changes() => None,
            (Some(c), _) => c.changes.clone(),
            (None, recorded) => recorded.and_then(|r| r.applied.changes.clone()),
        };
        // The view of a fresh mart is told by the text that it is made from.
        if let Some(view) = &desired.view {
            definition.clone_from(&view.text);
        }
        let indexes = mart
            .indexes
            .iter()
            .map(|decl| {
                let spelled = compiled.and_then(|c| c.indexes.get(&decl.name)).cloned();
                // One that is declared as before is as it was applied, however the server would spell it today; another major
                // spells it otherwise, and what is there is read again.
                let applied = || {
                    let recorded = recorded.filter(|recorded| recorded.mart.indexes.contains(decl))?;
                    let was = recorded.applied.indexes.get(&decl.name)?;
                    let same_major = recorded.applied.major == actual.server.major();
                    let is = if same_major { Some(was) } else { live?.indexes.get(&decl.name) };
                    is.map(|index| index.definition.clone())
                };
                let definition = if decl.needs_server() { applied().or(spelled) } else { None };
                let definition = definition.unwrap_or_else(|| canonical_index(decl, &mart.name));
                let body = index_body(&definition).to_owned();
                (decl.name.clone(), TargetIndex { decl, body })
            })
            .collect();
        let now = actual.server.now;
        let span = compiled.and_then(|compiled| compiled.span);
        // Another division begins where its rows do; and where more is kept than before, what left in its time is not gone.
        let same = recorded.filter(|row| match (&row.mart.partition, &mart.partition) {
            (Some(before), Some(divided)) => {
                before.divides_as(divided) && kept_from(mart, &columns, now) >= kept_from(&row.mart, &columns, now)
            }
            _ => false,
        });
        let divided = same.and_then(|row| row.applied.divided.as_ref());
        let (pieces, undividable) = match wanted(mart, &columns, live, span, divided, now) {
            Ok(pieces) => (pieces, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self {
            desired,
            mart,
            recorded,
            live,
            definition,
            compiled: compiled.is_some() || desired.view.is_some(),
            columns,
            indexes,
            shares: shares(weight, &pieces, project),
            pieces,
            undividable,
            now,
            reads,
            changes,
            follower: None,
        }
    }

    /// Schema and name, quoted where needed.
    pub(crate) fn address(&self) -> String {
        self.mart.name.to_string()
    }

    /// The name the live relation has, where it is to get another.
    pub(crate) fn renamed_from(&self) -> Option<&'a QName> {
        self.recorded.map(|r| &r.mart.name).filter(|name| **name != self.mart.name)
    }

    /// The primary key's constraint, as PostgreSQL names it.
    pub(crate) fn primary_key_name(&self) -> String {
        derived_name(&self.mart.name.name, "_pkey")
    }

    /// Columns that must not be null.
    pub(crate) fn not_null(&self) -> BTreeSet<&str> {
        let declared = self.mart.columns.iter().filter(|(_, c)| c.not_null);
        let declared = declared.map(|(name, _)| name.as_str());
        declared.chain(self.mart.primary_key.iter().map(String::as_str)).collect()
    }

    /// Whether the columns begin with `old`, so that a view can be replaced in place.
    pub(crate) fn extends(&self, old: &[Column]) -> bool {
        let same = |(new, old): (&Column, &Column)| new.is_like(old);
        self.columns.len() >= old.len() && self.columns.iter().zip(old).all(same)
    }

    /// Whether names and types are those of `old`, in the same order.
    pub(crate) fn same_columns(&self, old: &[Column]) -> bool {
        self.columns.len() == old.len() && self.extends(old)
    }

    /// The rows of `reads` for the registry; `apply` fills in the signatures.
    pub(crate) fn read_signatures(&self, actual: &Actual) -> BTreeMap<String, Box<ReadSignature>> {
        self.reads
            .iter()
            .map(|name| {
                let signature = match actual.relation(name) {
                    Some(relation) => relation.signature(),
                    None => crate::state::Fingerprint(String::new()),
                };
                let name = name.clone();
                (name.to_string(), Box::new(ReadSignature { name, signature }))
            })
            .collect()
    }

    /// A definition as it will read once marts that are renamed have their new names.
    pub(crate) fn with_new_names(&self, definition: &str, renames: &[(QName, QName)]) -> String {
        rename::in_definition(definition, renames)
    }

    /// Columns that the declaration names and the query does not give.
    pub(crate) fn problems(&self) -> Vec<PlanProblem> {
        let known: BTreeSet<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let mut problems = Vec::new();
        let mut check = |key: &str, column: &str| {
            if !known.contains(column) {
                let list: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
                problems.push(PlanProblem {
                    mart: self.mart.name.clone(),
                    file: self.desired.file.clone(),
                    key: key.to_owned(),
                    message: format!("the query has no column {column:?}"),
                    help: format!("its columns are {}", list.join(", ")),
                });
            }
        };
        for index in &self.mart.indexes {
            for key in index.keys.iter().filter(|k| !k.expression) {
                check("indexes.columns", &key.term);
            }
            for column in &index.include {
                check("indexes.include", column);
            }
        }
        for column in &self.mart.primary_key {
            check("primary_key", column);
        }
        for column in self.mart.columns.keys() {
            check("columns", column);
        }
        for grant in self.mart.grants.iter().flatten() {
            for column in &grant.columns {
                check("grants.columns", column);
            }
        }
        for (at, declared) in self.mart.checks.iter().enumerate() {
            for column in declared.form.columns() {
                check(&format!("checks.{at}.{}", declared.form.key()), column);
            }
        }
        if let Some(column) = self.mart.freshness.as_ref().and_then(|f| f.column.as_ref()) {
            check("freshness.column", column);
        }
        if let Some(retention) = &self.mart.retention {
            check("retention.column", &retention.column);
        }
        if let Some(incremental) = &self.mart.refresh.incremental {
            if let Some(column) = &incremental.time_column {
                check("refresh.incremental.time_column", column);
            }
            for column in &incremental.unique_key {
                check("refresh.incremental.unique_key", column);
            }
        }
        problems
    }

    /// Whether the mart keeps rows.
    pub(crate) fn has_data(&self) -> bool {
        self.mart.kind != Kind::View
    }
}
