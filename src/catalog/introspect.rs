//! Reading the catalog.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::actual::{Actual, DefaultAcl, Relation, Server};
use super::aside::{left, taken};
use super::called::called;
use super::captures::{CaptureScope, Captures};
use super::columns::{Column, Index};
use super::dependents::dependents;
use super::keepers::Keepers;
use super::kind::RelationKind;
use super::measured::Measures;
use super::options::options;
use super::renamed::renamed;
use super::version::next_version;
use super::{CatalogError, Recorded, divided, extras, followers, marts, partitions};
use crate::manifest::version_mart;
use crate::state::{GrantDecl, Mart, QName, next_name, version_name};

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The project.
    pub project: String,
    /// The registry's schema; `None` where there is no registry.
    pub registry: Option<String>,
    /// Relations to describe whole, with definitions: the marts declared, under all their names.
    pub names: BTreeSet<QName>,
    /// Relations whose columns are enough: what the marts read.
    pub sources: BTreeSet<QName>,
    /// Names that are needed beside those: of indexes, and of what is built aside.
    pub taken: BTreeSet<QName>,
    /// Roles to look for.
    pub roles: BTreeSet<String>,
    /// The names that marts had, of those that had others.
    pub earlier: BTreeMap<QName, Vec<QName>>,
    /// Logs of source tables, and whether what is behind the sources matters.
    pub capture: Option<CaptureScope>,
    /// Marts that are divided: who has names that their partitions may need is looked for as well.
    pub divided: BTreeSet<QName>,
    /// Versioned marts: what their next version needs is looked for as well.
    pub versioned: Vec<Mart>,
    /// Without the definitions of views and materialized views, and without a look whether a relation is empty: those wait for
    /// whoever computes its rows.
    pub brief: bool,
    /// To refresh: what hangs on marts that follow changes is looked at by whoever exchanges one for another after all.
    pub refreshing: bool,
}

/// Reads everything in `scope`, and whatever the registry records, in the caller's transaction.
pub async fn introspect(conn: &mut PgConnection, scope: &Scope) -> Result<Actual, CatalogError> {
    let server = server(conn, &scope.roles).await?;
    let recorded = match &scope.registry {
        Some(schema) => marts::recorded(conn, schema, &scope.project).await?,
        None => BTreeMap::new(),
    };
    let said = recorded.iter().map(|(name, row)| (name, row.mart.renamed_from.as_slice())).collect();
    let renamed = renamed(&scope.earlier, &said);
    let mut managed = scope.names.clone();
    managed.extend(recorded.keys().cloned());
    let mut sources = scope.sources.clone();
    for mart in recorded.values() {
        sources.extend(mart.applied.reads.values().map(|r| r.name.clone()));
    }
    for version in recorded.values().flat_map(|mart| &mart.versions) {
        managed.insert(version.mart.name.clone());
        sources.extend(version.applied.reads.values().map(|r| r.name.clone()));
    }
    let mut names = scope.taken.clone();
    let versions = recorded.values().flat_map(|row| &row.versions).map(|version| &version.mart.name);
    let versions: BTreeSet<&QName> = versions.collect();
    let mut parts = scope.divided.clone();
    let each = recorded.values().flat_map(|row| match row.versions.is_empty() {
        true => vec![&row.mart],
        false => row.versions.iter().map(|version| &version.mart).collect(),
    });
    parts.extend(each.filter(|mart| mart.partition.is_some()).map(|mart| mart.name.clone()));
    for mart in &scope.versioned {
        let row = recorded.get(renamed.get(&mart.name).unwrap_or(&mart.name));
        let number = next_version(row, &mart.name, |name| versions.contains(name));
        let next = version_mart(mart, version_name(&mart.name, number), number);
        names.extend(next.names_beside());
        parts.extend(next.partition.is_some().then(|| next.name.clone()));
        managed.insert(next.name);
        let known = row.map(|row| row.versions.as_slice()).unwrap_or_default();
        for version in known {
            // As it is, and as it is wanted now.
            let wanted = version_mart(mart, version.mart.name.clone(), version.number);
            names.extend(version.mart.names_beside().into_iter().chain(wanted.names_beside()));
        }
    }
    let bare = |name: &_| scope.refreshing && recorded.get(name).is_some_and(Recorded::is_written_in_place);
    let mut found = described(conn, &managed, &sources, (!scope.brief, bare)).await?;
    let called = called(conn, &recorded, &found).await?;
    let left = left(conn, &scope.project).await?;
    // What applies left is nobody's.
    let versions: BTreeSet<&QName> =
        recorded.values().flat_map(|row| &row.versions).map(|version| &version.mart.name).collect();
    let known = managed.iter().filter(|name| !versions.contains(name)).chain(left.keys()).cloned().collect();
    let followers = followers::followers(conn, &known, &found).await?;
    let (frozen, mut followers): (BTreeMap<_, _>, BTreeMap<_, _>) =
        followers.into_iter().partition(|(name, _)| versions.contains(name));
    if !followers.is_empty() {
        if let Some(schema) = &scope.registry {
            followers::declared(conn, schema, &scope.project, &mut followers).await?;
        }
        let whole = followers.keys().cloned().collect();
        let whole = described(conn, &whole, &BTreeSet::new(), (!scope.brief, |_: &_| false)).await?;
        names.extend(whole.values().flat_map(names_aside));
        found.extend(whole);
    }
    let mut taken = taken(conn, &names).await?;
    // What was asked for by name is known better.
    for (name, one) in divided::beside(conn, &parts).await? {
        taken.entry(name).or_insert(one);
    }
    let captures = match &scope.capture {
        Some(capture) => {
            // Marts that no manifest declares any more follow changes, too, until they are dropped.
            let follow = recorded.values().any(|row| row.mart.notices_writes());
            let capture = CaptureScope { behind: capture.behind || follow, ..capture.clone() };
            // A mart with rows is a source, too.
            let sources = sources.union(&managed).cloned().collect();
            Captures::read(conn, &capture, &scope.project, scope.registry.as_deref(), &sources).await?
        }
        None => Captures::default(),
    };
    // Without logs there is nothing to keep marts by.
    let keepers = match &scope.registry {
        Some(registry) if !captures.logs.is_empty() => Keepers::read(conn, registry, &scope.project).await?,
        _ => Keepers::default(),
    };
    let strangers: BTreeSet<&QName> =
        scope.names.iter().filter(|name| found.contains_key(*name) && !recorded.contains_key(*name)).collect();
    let foreign = match &scope.registry {
        Some(schema) if !strangers.is_empty() => followers::of_others(conn, schema, &scope.project, &strangers).await?,
        _ => BTreeMap::new(),
    };
    let undeclared: BTreeSet<&QName> = recorded.keys().filter(|name| !scope.names.contains(*name)).collect();
    let read_elsewhere = match &scope.registry {
        Some(schema) if !undeclared.is_empty() && !scope.refreshing => {
            followers::readers_of_others(conn, schema, &scope.project, &undeclared).await?
        }
        _ => BTreeMap::new(),
    };
    let default_acls = default_acls(conn).await?;
    let measures = Measures::default();
    Ok(Actual {
        taken,
        left,
        server,
        recorded,
        renamed,
        called,
        relations: found,
        followers,
        frozen,
        foreign,
        read_elsewhere,
        default_acls,
        measures,
        captures,
        keepers,
        ..Actual::default()
    })
}

/// The names a relation and its indexes have while another is built in its place.
fn names_aside(relation: &Relation) -> Vec<QName> {
    let names = relation.indexes.keys().chain([&relation.name.name]);
    names.map(|name| relation.name.sibling(next_name(name))).collect()
}

/// Describes relations by name: `managed` whole, `sources` without definition, indexes and grants.
pub async fn relations(
    conn: &mut PgConnection,
    managed: &BTreeSet<QName>,
    sources: &BTreeSet<QName>,
) -> Result<HashMap<QName, Relation>, CatalogError> {
    described(conn, managed, sources, (true, |_: &_| false)).await
}

async fn described(
    conn: &mut PgConnection,
    managed: &BTreeSet<QName>,
    sources: &BTreeSet<QName>,
    (definitions, bare): (bool, impl Fn(&QName) -> bool),
) -> Result<HashMap<QName, Relation>, CatalogError> {
    // Compiling would cost many times what they do. Plans for a few names are kept: who goes on to refresh looks again.
    let sql = "SELECT pg_catalog.set_config('jit', 'off', true), \
               CASE WHEN $1 THEN pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true) END";
    sqlx::query(sql).bind(managed.len() + sources.len() <= 100).execute(&mut *conn).await?;
    let wanted = || managed.iter().map(|n| (n, true)).chain(sources.difference(managed).map(|n| (n, false)));
    let schemas: Vec<&str> = wanted().map(|(n, _)| n.schema.as_str()).collect();
    let names: Vec<&str> = wanted().map(|(n, _)| n.name.as_str()).collect();
    let flags: Vec<bool> = wanted().map(|(_, managed)| managed && definitions).collect();
    let rows = sqlx::query(include_str!("sql/relations.sql"))
        .bind(&schemas)
        .bind(&names)
        .bind(&flags)
        .bind(definitions)
        .fetch_all(&mut *conn)
        .await?;
    let mut found: HashMap<i64, Relation> = HashMap::with_capacity(rows.len());
    let mut oids = Vec::with_capacity(rows.len());
    let (mut whole, mut hung) = (Vec::new(), Vec::new());
    for row in rows {
        let relation = relation(&row)?;
        let printed = matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView);
        if printed && definitions && managed.contains(&relation.name) && relation.definition.is_none() {
            return Err(CatalogError::outdated());
        }
        oids.push(relation.oid);
        if managed.contains(&relation.name) {
            whole.push(relation.oid);
            hung.extend((!bare(&relation.name)).then_some(relation.oid));
        }
        found.insert(relation.oid, relation);
    }
    let numbers = columns(conn, &oids, &mut found).await?;
    indexes(conn, (&whole, definitions), &numbers, &mut found).await?;
    grants(conn, &whole, &mut found).await?;
    if !hung.is_empty() {
        dependents(conn, &hung, &mut found).await?;
        extras::extras(conn, &hung, &mut found).await?;
    }
    partitions::partitions(conn, &mut found).await?;
    Ok(found.into_values().map(|r| (r.name.clone(), r)).collect())
}

async fn server(conn: &mut PgConnection, roles: &BTreeSet<String>) -> Result<Server, CatalogError> {
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let row = sqlx::query(include_str!("sql/server.sql")).bind(&roles).fetch_one(conn).await?;
    let set = |name: &str| -> Result<BTreeSet<String>, sqlx::Error> {
        Ok(row.try_get::<Vec<String>, _>(name)?.into_iter().collect())
    };
    Ok(Server {
        version_num: row.try_get("version_num")?,
        version: row.try_get("version")?,
        now: row.try_get("now")?,
        database: row.try_get("database")?,
        user: row.try_get("user")?,
        superuser: row.try_get::<Option<bool>, _>("superuser")?.unwrap_or(false),
        in_recovery: row.try_get("in_recovery")?,
        replicas: row.try_get("replicas")?,
        schemas: set("schemas")?,
        roles: set("roles")?,
        assumable: set("assumable")?,
        tablespaces: set("tablespaces")?,
        default_tablespace: row.try_get("default_tablespace")?,
    })
}

fn relation(row: &PgRow) -> Result<Relation, sqlx::Error> {
    let kind = RelationKind::from_relkind(row.try_get("relkind")?);
    let divided = kind == RelationKind::PartitionedTable;
    Ok(Relation {
        oid: row.try_get("oid")?,
        name: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?),
        kind,
        owner: row.try_get("owner")?,
        comment: row.try_get("comment")?,
        options: options(row.try_get("options")?),
        tablespace: row.try_get("tablespace")?,
        populated: row.try_get("populated")?,
        definition: row.try_get("definition")?,
        empty: row.try_get("empty")?,
        tuples: row.try_get("tuples")?,
        extension: row.try_get("extension")?,
        access_method: row.try_get("access_method")?,
        unlogged: row.try_get("unlogged")?,
        partitioned_by: divided.then(|| row.try_get("partitioned_by")).transpose()?,
        partitions: Vec::new(),
        extras: Vec::new(),
        columns: Vec::new(),
        indexes: BTreeMap::new(),
        grants: Vec::new(),
        dependents: Vec::new(),
    })
}

/// The columns of relations. Gives their numbers, by which indexes name them, in the same order.
async fn columns(
    conn: &mut PgConnection,
    oids: &[i64],
    found: &mut HashMap<i64, Relation>,
) -> Result<HashMap<i64, Vec<i16>>, CatalogError> {
    let mut numbers: HashMap<i64, Vec<i16>> = HashMap::with_capacity(oids.len());
    let rows = sqlx::query(include_str!("sql/columns.sql")).bind(oids).fetch_all(conn).await?;
    for row in rows {
        let oid = row.try_get("oid")?;
        if let Some(relation) = found.get_mut(&oid) {
            numbers.entry(oid).or_default().push(row.try_get("number")?);
            let column = Column {
                name: row.try_get("name")?,
                type_name: row.try_get("type")?,
                not_null: row.try_get("not_null")?,
                collation: row.try_get("collation")?,
                comment: row.try_get("comment")?,
                statistics: row.try_get("statistics")?,
            };
            relation.extras.extend(extras::of_column(&row, &column.name)?);
            relation.columns.push(column);
        }
    }
    Ok(numbers)
}

async fn indexes(
    conn: &mut PgConnection,
    (oids, definitions): (&[i64], bool),
    numbers: &HashMap<i64, Vec<i16>>,
    found: &mut HashMap<i64, Relation>,
) -> Result<(), CatalogError> {
    let rows = sqlx::query(include_str!("sql/indexes.sql")).bind(oids).bind(definitions).fetch_all(conn).await?;
    for row in rows {
        let oid = row.try_get("oid")?;
        if let Some(relation) = found.get_mut(&oid) {
            let name = |number: &i16| {
                let at = numbers.get(&oid)?.iter().position(|known| known == number)?;
                Some(relation.columns.get(at)?.name.clone())
            };
            let index = Index {
                definition: row.try_get("definition")?,
                unique: row.try_get("unique")?,
                primary: row.try_get("primary")?,
                valid: row.try_get("valid")?,
                clustered: row.try_get("clustered")?,
                partial: row.try_get("partial")?,
                expressions: row.try_get("expressions")?,
                tablespace: row.try_get("tablespace")?,
                constraint: row.try_get("constraint")?,
                comment: row.try_get("comment")?,
                keys: row.try_get::<Vec<i16>, _>("keys")?.iter().filter_map(name).collect(),
            };
            relation.indexes.insert(row.try_get("name")?, Box::new(index));
        }
    }
    Ok(())
}

async fn grants(conn: &mut PgConnection, oids: &[i64], found: &mut HashMap<i64, Relation>) -> Result<(), CatalogError> {
    let rows = sqlx::query(include_str!("sql/grants.sql")).bind(oids).fetch_all(conn).await?;
    // One entry per relation, role, grant option and privilege set: columns with the same privileges stand together.
    type Key = (i64, String, bool);
    let mut on_relation: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    let mut on_columns: BTreeMap<Key, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for row in rows {
        let key = (row.try_get("oid")?, row.try_get("role")?, row.try_get("grantable")?);
        let privilege: String = row.try_get("privilege")?;
        match row.try_get::<Option<String>, _>("column")? {
            None => {
                on_relation.entry(key).or_default().insert(privilege);
            }
            Some(column) => {
                on_columns.entry(key).or_default().entry(privilege).or_default().insert(column);
            }
        }
    }
    for ((oid, role, grant_option), privileges) in on_relation {
        if let Some(relation) = found.get_mut(&oid) {
            relation.grants.push(GrantDecl {
                role,
                privileges: privileges.into_iter().collect(),
                columns: Vec::new(),
                grant_option,
            });
        }
    }
    for ((oid, role, grant_option), privileges) in on_columns {
        if let Some(relation) = found.get_mut(&oid) {
            for (privilege, columns) in privileges {
                relation.grants.push(GrantDecl {
                    role: role.clone(),
                    privileges: vec![privilege],
                    columns: columns.into_iter().collect(),
                    grant_option,
                });
            }
        }
    }
    Ok(())
}

async fn default_acls(conn: &mut PgConnection) -> Result<Vec<DefaultAcl>, CatalogError> {
    let rows = sqlx::query(include_str!("sql/default_acls.sql")).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(DefaultAcl { owner: row.try_get("owner")?, schema: row.try_get("schema")?, role: row.try_get("role")? })
        })
        .collect()
}
