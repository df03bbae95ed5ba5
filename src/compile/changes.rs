//! Marts whose rows follow what changes: what the server knows of their queries, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use super::place::Scratch;
use super::{CompileError, Compiled, CompiledMart, Failure};
use crate::catalog::Column;
use crate::database::{ErrorKind, SqlError};
use crate::manifest::DesiredMart;
use crate::sql::changes::{self, Function, Known, Obstacle, Table, View};
use crate::state::{Changes, IncrementalMethod, Kind, Mart, Part, QName, Strategy};

/// What to write instead, where a query cannot follow changes.
const HELP: &str = "change the query, or say `method = \"window\"`, \"append\" or \"upsert\" under [refresh.incremental], or `strategy = \"full\"`";

/// What to write instead, where rows have to be exact at any time.
const HELP_OF_EXACT: &str = "change the query, or take `fresh = true` or `strategy = \"on_commit\"` out: rows are exact at any time only where changes tell them";

/// What to write instead, where the partitions that changes touch cannot be told.
const HELP_OF_PARTITIONS: &str =
    "add a `lookback` to [refresh.incremental]: the partitions of the newest part of the time are computed again then";

/// Finds out how the marts that ask for it follow changes; those whose query does not allow it are failures.
pub(super) async fn derived(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &Scratch,
    compiled: &mut Compiled,
) -> Result<Vec<Failure>, CompileError> {
    let asking: Vec<&Mart> = marts
        .iter()
        .map(|desired| &desired.mart)
        .filter(|mart| mart.follows_changes() || by_time(mart).is_some())
        .filter(|mart| compiled.marts.contains_key(&mart.name))
        .collect();
    if asking.is_empty() {
        return Ok(Vec::new());
    }
    let declared: BTreeMap<&QName, &DesiredMart> = marts.iter().map(|desired| (&desired.mart.name, *desired)).collect();
    let mut reading = Reading {
        conn,
        scratch,
        known: Known::default(),
        zoned: BTreeSet::new(),
        denied: BTreeMap::new(),
        outputs: BTreeMap::new(),
    };
    reading.read(&asking, &declared, compiled).await?;
    let mut failures = Vec::new();
    for mart in asking {
        let Some(is) = compiled.marts.get_mut(&mart.name) else { continue };
        let output = reading.outputs.remove(&mart.name).unwrap_or_default();
        let known = reading.of(mart);
        if let Some(column) = by_time(mart) {
            let found = changes::derive(&is.definition, &output, std::slice::from_ref(column), &known);
            is.divided = found.ok().filter(|found| found.moving.is_empty());
        }
        if !mart.follows_changes() {
            continue;
        }
        let found = changes::derive(&is.definition, &output, &key(mart), &known);
        match found.and_then(|found| touches(mart, found)) {
            Ok(found) => {
                let views = found.views.iter().cloned().chain([reading.scratch.view(mart)]);
                let settings = views.into_iter().any(|view| reading.zoned.contains(&view));
                is.changes = Some(Changes { settings, ..found });
            }
            Err(obstacle) => failures.push(failure(mart, &obstacle)),
        }
    }
    Ok(failures)
}

/// The column by whose time a mart is divided.
fn by_time(mart: &Mart) -> Option<&String> {
    mart.partition.as_ref().filter(|partition| partition.ranges().is_some()).map(|partition| &partition.column)
}

/// A mart's columns, with their types.
fn columns(mart: &CompiledMart) -> Vec<(String, String)> {
    mart.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).collect()
}

/// The partitions that changes touch are told by the values of the column by which the mart is divided.
fn touches(mart: &Mart, found: Changes) -> Result<Changes, Obstacle> {
    let Some(column) = told_by(mart).filter(|column| found.key.iter().all(|key| key.name != **column)) else {
        return Ok(found);
    };
    let message = format!("no change tells the value of {column}, by which the mart is divided");
    Err(Obstacle { clause: vec![column.clone()], message })
}

/// The column by which a mart is divided whose partitions are computed again where changes touch them.
fn told_by(mart: &Mart) -> Option<&String> {
    let method = mart.refresh.incremental.as_ref().map(|incremental| incremental.method);
    let partition = mart.partition.as_ref().filter(|_| method == Some(IncrementalMethod::Partition))?;
    Some(&partition.column)
}

/// The columns that tell a mart's rows apart, as declared; of one whose partitions are computed again, what tells these apart.
fn key(mart: &Mart) -> Vec<String> {
    if let Some(column) = told_by(mart) {
        return vec![column.clone()];
    }
    if !mart.primary_key.is_empty() {
        return mart.primary_key.clone();
    }
    let unique = mart.indexes.iter().find(|index| index.serves_concurrent_refresh());
    unique.map(|index| index.keys.iter().map(|key| key.term.clone()).collect()).unwrap_or_default()
}

fn failure(mart: &Mart, obstacle: &Obstacle) -> Failure {
    let message = format!("{} cannot follow what changes: {obstacle}", mart.name);
    let exact = mart.refresh.fresh || mart.refresh.strategy == Strategy::OnCommit;
    let help = match told_by(mart) {
        Some(_) => HELP_OF_PARTITIONS,
        None if exact => HELP_OF_EXACT,
        None => HELP,
    };
    let error = SqlError::new(ErrorKind::Syntax, message).hinted(help).at(changes::place(&mart.query, obstacle));
    Failure { mart: mart.name.clone(), index: None, check: None, key: None, error }
}

/// What is asked of the server.
struct Reading<'a> {
    conn: &'a mut PgConnection,
    scratch: &'a Scratch,
    known: Known,
    /// Views whose rows depend on the session's time zone.
    zoned: BTreeSet<QName>,
    /// Relations and the roles that may not read them.
    denied: BTreeMap<QName, BTreeSet<String>>,
    /// The columns of the marts that ask.
    outputs: BTreeMap<QName, Vec<(String, String)>>,
}

impl Reading<'_> {
    /// What is known to one mart: what its owner may not read through a view, is out of its reach.
    fn of(&self, mart: &Mart) -> Known {
        let mut known = self.known.clone();
        let own = self.scratch.view(mart);
        for (view, _) in known.behind.iter_mut().filter(|(view, _)| view.as_ref() == Some(&own)) {
            *view = None;
        }
        let Some(owner) = &mart.owner else { return known };
        for (name, roles) in &self.denied {
            if roles.contains(owner) && known.tables.remove(name).is_some() {
                known
                    .others
                    .insert(name.clone(), format!("{owner} may not read {name}: GRANT SELECT ON {name} TO {owner}"));
            }
        }
        known
    }

    async fn read(
        &mut self,
        asking: &[&Mart],
        declared: &BTreeMap<&QName, &DesiredMart>,
        compiled: &Compiled,
    ) -> Result<(), CompileError> {
        let roles: BTreeSet<&str> = asking.iter().filter_map(|mart| mart.owner.as_deref()).collect();
        let roles: Vec<&str> = roles.into_iter().filter(|role| self.scratch.roles.contains(*role)).collect();
        let mut functions = BTreeSet::new();
        let mut made = BTreeSet::new();
        let mut seen: BTreeSet<QName> = BTreeSet::new();
        let texts = asking.iter().filter_map(|mart| compiled.marts.get(&mart.name));
        let mut texts: Vec<String> = texts.map(|is| is.definition.clone()).collect();
        // Views are read to their ends.
        while !texts.is_empty() {
            let mut wanted: BTreeSet<QName> = BTreeSet::new();
            for text in texts.drain(..) {
                let names = changes::names(&text);
                functions.extend(names.functions);
                made.extend(names.made);
                wanted.extend(names.relations.into_iter().filter(|name| seen.insert(name.clone())));
            }
            let (ours, others): (Vec<QName>, Vec<QName>) =
                wanted.into_iter().partition(|name| declared.contains_key(name) && compiled.marts.contains_key(name));
            for name in ours {
                texts.extend(declared.get(&name).and_then(|mart| self.mart(mart, declared, compiled)));
            }
            texts.extend(self.relations(&others, &roles).await?);
        }
        self::functions(self.conn, &functions, &made, &mut self.known).await?;
        self.behind(asking).await?;
        self.zoned(asking).await?;
        self.comparable().await?;
        let outputs =
            asking.iter().filter_map(|mart| Some((mart.name.clone(), columns(compiled.marts.get(&mart.name)?))));
        self.outputs = outputs.collect();
        self.bases().await
    }

    /// A domain may refuse what a log and the keys of rows need: no value at all. So every column has the type behind its domain.
    async fn bases(&mut self) -> Result<(), CompileError> {
        let known = &mut self.known;
        let tables = known.tables.values_mut().map(|table| &mut table.columns);
        let views = known.views.values_mut().map(|view| &mut view.columns);
        let mut types: Vec<&mut String> =
            tables.chain(views).chain(self.outputs.values_mut()).flatten().map(|(_, type_name)| type_name).collect();
        let names: BTreeSet<&str> = types.iter().map(|type_name| type_name.as_str()).collect();
        let rows = sqlx::query(include_str!("sql/base_types.sql"))
            .bind(names.into_iter().collect::<Vec<_>>())
            .fetch_all(&mut *self.conn)
            .await?;
        for row in rows {
            let (name, base): (String, String) = (row.try_get("name")?, row.try_get("base")?);
            for type_name in types.iter_mut().filter(|type_name| ***type_name == name) {
                **type_name = base.clone();
            }
            if known.keys.contains(&name) {
                known.keys.insert(base);
            }
        }
        Ok(())
    }

    /// A mart of the same project, as it will be; the text of one that is a view.
    fn mart(
        &mut self,
        desired: &DesiredMart,
        declared: &BTreeMap<&QName, &DesiredMart>,
        compiled: &Compiled,
    ) -> Option<String> {
        let mart = &desired.mart;
        let is = compiled.marts.get(&mart.name)?;
        let columns = columns(is);
        let name = mart.name.clone();
        if mart.kind == Kind::View {
            // What shows fresh rows is as if it were the query.
            let query = shown(desired, declared).and_then(|version| compiled.marts.get(version));
            let definition = query.unwrap_or(is).definition.clone();
            self.known.views.insert(name, View { definition: definition.clone(), columns });
            return Some(definition);
        }
        if mart.kind == Kind::MaterializedView {
            let why = format!("{name} is a materialized view: as `type = \"table\"` its changes can be followed");
            self.known.others.insert(name, why);
        } else {
            let unique = mart.indexes.iter().filter(|index| index.serves_concurrent_refresh());
            let unique = unique.map(|index| index.keys.iter().map(|key| key.term.clone()).collect::<Vec<_>>());
            let primary = Some(mart.primary_key.clone()).filter(|key| !key.is_empty());
            let unique = primary.into_iter().chain(unique).collect();
            let collation = |column: &Column| Some((column.name.clone(), column.collation.clone()?));
            let collations = is.columns.iter().filter_map(collation).collect();
            self.known.tables.insert(name, Table { columns, collations, unique });
        }
        None
    }

    /// What is in the database; the texts of views.
    async fn relations(&mut self, names: &[QName], roles: &[&str]) -> Result<Vec<String>, CompileError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let schemas: Vec<&str> = names.iter().map(|name| name.schema.as_str()).collect();
        let own: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
        let rows = sqlx::query(include_str!("sql/sources.sql"))
            .bind(&schemas)
            .bind(&own)
            .bind(roles)
            .fetch_all(&mut *self.conn)
            .await?;
        let mut texts = Vec::new();
        for row in rows {
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            let columns: Vec<String> = row.try_get("columns")?;
            let types: Vec<String> = row.try_get("types")?;
            let columns: Vec<(String, String)> = columns.into_iter().zip(types).collect();
            let kind: String = row.try_get("kind")?;
            if let Some(why) = excluded(&name, &kind, &row)? {
                self.known.others.insert(name, why);
                continue;
            }
            if kind == "v" {
                let definition: String = row.try_get("definition")?;
                texts.push(definition.clone());
                self.known.views.insert(name, View { definition, columns });
                continue;
            }
            let denied: Vec<String> = row.try_get("denied")?;
            self.denied.insert(name.clone(), denied.into_iter().collect());
            let keys: Vec<Option<String>> = row.try_get("keys")?;
            let unique = keys.iter().flatten().filter_map(|key| crate::sql::parse_name_list(key)).collect();
            let collations: Vec<Option<String>> = row.try_get("collations")?;
            let collations = columns.iter().zip(collations).filter_map(|((name, _), is)| Some((name.clone(), is?)));
            let collations = collations.collect();
            self.known.tables.insert(name, Table { columns, collations, unique });
        }
        Ok(texts)
    }

    async fn behind(&mut self, asking: &[&Mart]) -> Result<(), CompileError> {
        let views = self.known.views.keys().map(|name| (name.schema.clone(), name.name.clone()));
        let scratch = asking.iter().map(|mart| self.scratch.view(mart)).map(|name| (name.schema, name.name));
        let (schemas, names): (Vec<String>, Vec<String>) = views.chain(scratch).unzip();
        let rows =
            sqlx::query(include_str!("sql/behind.sql")).bind(&schemas).bind(&names).fetch_all(&mut *self.conn).await?;
        for row in rows {
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            let signatures = vec![row.try_get("signature")?];
            let volatility = letter(row.try_get("volatility")?);
            self.known.behind.push((Some(name), Function { volatility, signatures, ..Function::default() }));
        }
        Ok(())
    }

    async fn zoned(&mut self, asking: &[&Mart]) -> Result<(), CompileError> {
        let views = self.known.views.keys().map(|name| (name.schema.clone(), name.name.clone()));
        let scratch = asking.iter().map(|mart| self.scratch.view(mart)).map(|name| (name.schema, name.name));
        let (schemas, names): (Vec<String>, Vec<String>) = views.chain(scratch).unzip();
        let rows =
            sqlx::query(include_str!("sql/zoned.sql")).bind(&schemas).bind(&names).fetch_all(&mut *self.conn).await?;
        for row in rows {
            self.zoned.insert(QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?));
        }
        Ok(())
    }

    async fn comparable(&mut self) -> Result<(), CompileError> {
        let schemas: Vec<&str> = self.scratch.views.values().map(String::as_str).collect();
        let rows = sqlx::query(include_str!("sql/comparable.sql")).bind(&schemas).fetch_all(&mut *self.conn).await?;
        for row in rows {
            let type_name: String = row.try_get("type")?;
            self.known.keys.insert(self.scratch.real(&type_name));
        }
        Ok(())
    }
}

/// Finds out what functions promise: the server's `own` of these names, and those that somebody `made`.
pub(super) async fn functions(
    conn: &mut PgConnection,
    own: &BTreeSet<String>,
    made: &BTreeSet<QName>,
    known: &mut Known,
) -> Result<(), SqlError> {
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let schemas: Vec<&str> = made.iter().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = made.iter().map(|name| name.name.as_str()).collect();
    let rows =
        sqlx::query(include_str!("sql/functions.sql")).bind(&own).bind(&schemas).bind(&names).fetch_all(conn).await?;
    for row in rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let function = Function {
            volatility: letter(row.try_get("volatility")?),
            set: row.try_get("set")?,
            aggregate: row.try_get("aggregate")?,
            signatures: row.try_get("signatures")?,
        };
        match name.schema.as_str() {
            "pg_catalog" => known.functions.insert(name.name, function),
            _ => known.made.insert(name, function),
        };
    }
    Ok(())
}

/// The version whose rows the view of a fresh mart shows.
fn shown<'a>(view: &DesiredMart, declared: &BTreeMap<&'a QName, &'a DesiredMart>) -> Option<&'a QName> {
    let Some(Part::Stable { whole, number }) = &view.part else { return None };
    let of = |part: &Option<Part>| matches!(part, Some(Part::Version { of, number: n, .. }) if *of == whole.name && n == number);
    let version = declared.iter().find(|(_, other)| whole.refresh.fresh && of(&other.part));
    version.map(|(name, _)| *name)
}

/// Why the changes of a relation cannot be followed.
fn excluded(name: &QName, kind: &str, row: &sqlx::postgres::PgRow) -> Result<Option<String>, CompileError> {
    let is = |column: &str| row.try_get::<bool, _>(column);
    if matches!(name.schema.as_str(), "pg_catalog" | "information_schema") {
        return Ok(Some(format!("{name} is a catalog: its changes are not logged")));
    }
    Ok(match kind {
        "m" => Some(format!("{name} is a materialized view: its refreshes are not logged")),
        "f" => Some(format!("{name} is a foreign table: its changes happen elsewhere")),
        "r" | "p" if is("temporary")? => Some(format!("{name} is a temporary table")),
        "r" | "p" if is("secured")? => Some(format!("{name} has row security: who reads it decides what is there")),
        "r" | "p" if is("partition")? => Some(format!("{name} is a partition: read the table that it is a part of")),
        "r" | "p" if is("inherits")? => Some(format!("{name} inherits or is inherited from")),
        "p" => {
            let part: Option<String> = row.try_get("foreign_part")?;
            part.map(|part| format!("{name} has the partition {part}, a foreign table: its changes happen elsewhere"))
        }
        "r" | "v" => None,
        _ => Some(format!("{name} is no table")),
    })
}

/// The letter that stands for what a function promises.
pub(super) fn letter(text: &str) -> char {
    text.chars().next().unwrap_or('v')
}
