//! The registry's rows, written in the transaction of the change they record.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ApplyError;
use super::version::{self, VersionRow};
use crate::build::note_partitions;
use crate::catalog::{Applied, Divided, ReadSignature, Relation, relations};
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::plan::{Adopted, PartRow, Record, RecordRow};
use crate::state::{Changes, Mart, QName};

/// One mart to be written.
struct Entry<'a> {
    declared: &'a Mart,
    file: &'a str,
    definition: &'a str,
    changes: Option<&'a Changes>,
    reads: &'a BTreeMap<String, Box<ReadSignature>>,
    drifted: &'a [String],
    adopted: Option<Adopted>,
    part: Option<&'a PartRow>,
}

/// Writes the rows of one transaction: as declared, and as the server shows it now.
pub(crate) async fn write(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    revision: Option<&str>,
    major: i32,
    records: &[&Record],
) -> Result<(), ApplyError> {
    let renames = records.iter().filter_map(|record| match &record.row {
        RecordRow::Upsert { renamed_from: Some(old), .. } => Some((old, &record.mart)),
        _ => None,
    });
    rename(conn, registry, project, &renames.collect::<Vec<_>>()).await.map_err(ApplyError::Registry)?;
    let mut rows = Vec::new();
    for record in records {
        match &record.row {
            RecordRow::Delete => delete(conn, registry, project, &record.mart).await?,
            RecordRow::Behind => {
                version::mark(conn, include_str!("sql/behind.sql"), registry, project, &record.mart)
                    .await
                    .map_err(ApplyError::Registry)?;
            }
            RecordRow::Forget { of, number } => {
                version::forget(conn, registry, project, of, *number).await.map_err(ApplyError::Registry)?;
            }
            RecordRow::Upsert { declared, file, definition, changes, reads, drifted, adopted, part, .. } => {
                let (adopted, part, changes) = (*adopted, part.as_ref(), changes.as_deref());
                rows.push(Entry { declared, file, definition, changes, reads, drifted, adopted, part });
            }
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<QName> = rows.iter().map(|r| r.declared.name.clone()).collect();
    let sources: BTreeSet<QName> = rows.iter().flat_map(|r| r.reads.values().map(|read| read.name.clone())).collect();
    let live = relations(conn, &names, &sources).await?;
    let before = before(conn, registry, project, &rows).await.map_err(ApplyError::Registry)?;
    upsert(conn, registry, project, revision, major, &rows, &live, &before).await.map_err(ApplyError::Registry)?;
    for relation in live.values().filter(|relation| relation.partitioned_by.is_some() && names.contains(&relation.name))
    {
        note_partitions(conn, registry, &relation.name, &[], false).await.map_err(ApplyError::Registry)?;
    }
    versions(conn, registry, project, revision, major, &rows, &live, &before).await.map_err(ApplyError::Registry)
}

/// The rows of versions, and which of them are published.
#[allow(clippy::too_many_arguments)]
async fn versions(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    revision: Option<&str>,
    major: i32,
    rows: &[Entry<'_>],
    live: &HashMap<QName, Relation>,
    before: &BTreeMap<QName, Applied>,
) -> Result<(), SqlError> {
    for row in rows {
        if let Some(PartRow::Version { of, number }) = row.part {
            let name = &row.declared.name;
            let relation = live.get(name);
            let state = state(row, relation, live, before.get(name), major);
            let applied = serde_json::to_string(&state).unwrap_or_default();
            let oid = relation.map(|relation| relation.oid);
            let row = VersionRow { of, number: *number, declared: row.declared, applied, oid, revision };
            version::write(conn, registry, project, &row).await?;
            version::mark(conn, include_str!("sql/caught_up.sql"), registry, project, of).await?;
        }
    }
    for row in rows {
        if let Some(PartRow::Stable { whole, number, held }) = row.part {
            version::publish(conn, registry, project, &whole.name, *number, held.as_ref()).await?;
        }
    }
    Ok(())
}

/// What the registry said of marts of which something stays.
async fn before(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    rows: &[Entry<'_>],
) -> Result<BTreeMap<QName, Applied>, SqlError> {
    let needed = |row: &&Entry<'_>| !row.drifted.is_empty() || row.declared.partition.is_some();
    let drifted: Vec<&QName> = rows.iter().filter(needed).map(|r| &r.declared.name).collect();
    let mut before = BTreeMap::new();
    if drifted.is_empty() {
        return Ok(before);
    }
    let schemas: Vec<&str> = drifted.iter().map(|n| n.schema.as_str()).collect();
    let names: Vec<&str> = drifted.iter().map(|n| n.name.as_str()).collect();
    let found = sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/applied.sql"), registry)))
        .bind(project)
        .bind(&schemas)
        .bind(&names)
        .fetch_all(conn)
        .await?;
    for row in found {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        if let Ok(applied) = serde_json::from_str(row.try_get("applied")?) {
            before.insert(name, applied);
        }
    }
    Ok(before)
}

#[allow(clippy::too_many_arguments)]
async fn upsert(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    revision: Option<&str>,
    major: i32,
    rows: &[Entry<'_>],
    live: &HashMap<QName, Relation>,
    before: &BTreeMap<QName, Applied>,
) -> Result<(), SqlError> {
    let mut schemas = Vec::new();
    let mut names = Vec::new();
    let mut kinds = Vec::new();
    let mut fingerprints = Vec::new();
    let mut declared = Vec::new();
    let mut applied = Vec::new();
    let mut oids: Vec<Option<i64>> = Vec::new();
    let mut files = Vec::new();
    for row in rows.iter().filter(|row| !matches!(row.part, Some(PartRow::Version { .. }))) {
        let mart = row.declared;
        let relation = live.get(&mart.name);
        let state = state(row, relation, live, before.get(&mart.name), major);
        schemas.push(mart.name.schema.as_str());
        names.push(mart.name.name.as_str());
        // Of a versioned mart the row says what was declared, and what was applied is the view.
        let whole = match row.part {
            Some(PartRow::Stable { whole, .. }) => whole,
            _ => mart,
        };
        kinds.push(whole.kind.as_str());
        fingerprints.push(whole.fingerprint().0);
        declared.push(serde_json::to_string(whole).unwrap_or_default());
        applied.push(serde_json::to_string(&state).unwrap_or_default());
        oids.push(relation.map(|r| r.oid));
        files.push(row.file);
    }
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/upsert.sql"), registry)))
        .bind(project)
        .bind(&schemas)
        .bind(&names)
        .bind(&kinds)
        .bind(&fingerprints)
        .bind(&declared)
        .bind(&applied)
        .bind(&oids)
        .bind(&files)
        .bind(revision)
        .execute(conn)
        .await?;
    Ok(())
}

/// What drift will be measured against: the live state, but for what has drifted and stays.
fn state(
    row: &Entry<'_>,
    relation: Option<&Relation>,
    live: &HashMap<QName, Relation>,
    before: Option<&Applied>,
    major: i32,
) -> Applied {
    let mart = row.declared;
    let reads = row
        .reads
        .iter()
        .map(|(address, read)| {
            let signature = live.get(&read.name).map_or_else(|| read.signature.clone(), Relation::signature);
            (address.clone(), Box::new(ReadSignature { name: read.name.clone(), signature }))
        })
        .collect();
    let mut applied = Applied {
        major,
        definition: row.definition.to_owned(),
        compiled: row.definition.to_owned(),
        // What the manifest asks for was not built: its query is asked about again.
        query: match row.adopted {
            Some(Adopted::Pending) => String::new(),
            _ => mart.query_fingerprint().0,
        },
        reads,
        changes: row.changes.cloned(),
        adopted: row.adopted.is_some() && mart.kind.has_data(),
        ..Applied::default()
    };
    let Some(relation) = relation else {
        return applied;
    };
    if let Some(definition) = &relation.definition {
        applied.definition.clone_from(definition);
    }
    applied.columns.clone_from(&relation.columns);
    applied.owner.clone_from(&relation.owner);
    applied.comment.clone_from(&relation.comment);
    applied.options.clone_from(&relation.options);
    applied.tablespace.clone_from(&relation.tablespace);
    applied.grants.clone_from(&relation.grants);
    applied.divided = Divided::of(mart, relation, before.and_then(|before| before.divided.as_ref()));
    let there = relation.partitions.iter().map(|attached| &attached.name);
    let stays = |name: &&QName| row.adopted.is_some() || before.is_some_and(|before| before.partitions.contains(*name));
    applied.partitions = there.filter(stays).cloned().collect();
    let declared = |name: &String| mart.indexes.iter().any(|index| index.name == *name);
    applied.indexes = relation
        .indexes
        .iter()
        // An invalid one that nobody declared was there when its relation was taken over.
        .filter(|(name, index)| index.primary || declared(name) || (row.adopted.is_some() && !index.valid))
        .map(|(name, index)| (name.clone(), index.clone()))
        .collect();
    if let Some(before) = before {
        for aspect in row.drifted {
            keep(&mut applied, before, aspect);
        }
    }
    applied
}

/// Leaves one aspect as the registry had it.
fn keep(applied: &mut Applied, before: &Applied, aspect: &str) {
    let (kind, name) = aspect.split_once(':').unwrap_or((aspect, ""));
    match kind {
        "definition" => {
            applied.definition.clone_from(&before.definition);
            applied.columns.clone_from(&before.columns);
        }
        "columns" | "description" if !name.is_empty() => {
            let was = before.columns.iter().find(|c| c.name == name);
            let is = applied.columns.iter_mut().find(|c| c.name == name);
            if let (Some(was), Some(is)) = (was, is) {
                is.clone_from(was);
            }
        }
        "columns" => applied.columns.clone_from(&before.columns),
        "description" => applied.comment.clone_from(&before.comment),
        "owner" => applied.owner.clone_from(&before.owner),
        "tablespace" => applied.tablespace.clone_from(&before.tablespace),
        "indexes" => match before.indexes.get(name) {
            Some(index) => {
                applied.indexes.insert(name.to_owned(), index.clone());
            }
            None => {
                applied.indexes.remove(name);
            }
        },
        "primary_key" => {
            applied.indexes.retain(|_, index| !index.primary);
            let primary = before.indexes.iter().filter(|(_, index)| index.primary);
            applied.indexes.extend(primary.map(|(name, index)| (name.clone(), index.clone())));
        }
        "options" => match before.options.get(name) {
            Some(value) => {
                applied.options.insert(name.to_owned(), value.clone());
            }
            None => {
                applied.options.remove(name);
            }
        },
        "grants" => {
            applied.grants.retain(|grant| grant.role != name);
            applied.grants.extend(before.grants.iter().filter(|g| g.role == name).cloned());
        }
        _ => {}
    }
}

/// Rows get the new names of their marts, all at once: names may be exchanged.
async fn rename(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    renames: &[(&QName, &QName)],
) -> Result<(), SqlError> {
    if renames.is_empty() {
        return Ok(());
    }
    let (schemas, names): (Vec<&str>, Vec<&str>) = renames.iter().map(|(old, _)| parts(old)).unzip();
    let (new_schemas, new_names): (Vec<&str>, Vec<&str>) = renames.iter().map(|(_, new)| parts(new)).unzip();
    for sql in [include_str!("sql/forget.sql"), include_str!("sql/depart.sql"), include_str!("sql/arrive.sql")] {
        sqlx::query(AssertSqlSafe(in_schema(sql, registry)))
            .bind(project)
            .bind(&schemas)
            .bind(&names)
            .bind(&new_schemas)
            .bind(&new_names)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

fn parts(name: &QName) -> (&str, &str) {
    (&name.schema, &name.name)
}

async fn delete(conn: &mut PgConnection, registry: &str, project: &str, name: &QName) -> Result<(), ApplyError> {
    sqlx::query(AssertSqlSafe(in_schema(include_str!("sql/delete.sql"), registry)))
        .bind(project)
        .bind(&name.schema)
        .bind(&name.name)
        .execute(conn)
        .await
        .map_err(|error| ApplyError::Registry(error.into()))?;
    Ok(())
}
