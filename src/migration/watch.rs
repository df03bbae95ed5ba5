//! What a migration does to relations while it runs: seen after each of its statements.

use super::rights::Rights;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{PgConnection, Row};

use crate::database::SqlError;
use crate::state::QName;

/// The relations that matter, as they were.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// By OID.
    pub relations: BTreeMap<i64, Watchee>,
    /// What those who read a root lock, the root among it.
    pub below: HashMap<QName, BTreeSet<i64>>,
    /// Their indexes.
    pub indexes: BTreeMap<i64, WatchedIndex>,
}

/// A relation before the migration.
#[derive(Debug)]
pub(super) struct Watchee {
    pub name: QName,
    pub filenode: i64,
    /// Of the rows alone.
    pub rows_bytes: i64,
    /// With TOAST and indexes.
    pub bytes: i64,
}

/// An index before the migration.
#[derive(Debug)]
pub(super) struct WatchedIndex {
    pub relation: i64,
    pub name: String,
    pub definition: String,
    /// Its first column, where that is no expression.
    pub first: Option<String>,
}

/// What happened to them; the number is the statement's at which it was seen first.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Relations and indexes that are gone.
    pub gone: BTreeMap<i64, usize>,
    /// Relations under another name.
    pub renamed: BTreeMap<i64, (usize, QName)>,
    /// Relations whose rows were written anew, and how many bytes they took then.
    pub rewritten: BTreeMap<i64, (usize, i64)>,
    /// Locks on relations, the strongest each.
    pub locks: BTreeMap<i64, (usize, Lock)>,
    /// Indexes that a statement which is left out would drop.
    pub would_go: BTreeMap<i64, usize>,
}

/// The modes that readers or refreshes wait for, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lock {
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Lock {
    fn read(mode: &str) -> Option<Self> {
        match mode {
            "ShareLock" => Some(Self::Share),
            "ShareRowExclusiveLock" => Some(Self::ShareRowExclusive),
            "ExclusiveLock" => Some(Self::Exclusive),
            "AccessExclusiveLock" => Some(Self::AccessExclusive),
            _ => None,
        }
    }

    /// As the manual names it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

impl Watched {
    /// Looks at these relations and everything below them.
    pub async fn read(conn: &mut PgConnection, roots: &BTreeSet<QName>) -> Result<Self, SqlError> {
        let schemas: Vec<&str> = roots.iter().map(|name| name.schema.as_str()).collect();
        let names: Vec<&str> = roots.iter().map(|name| name.name.as_str()).collect();
        let mut watched = Self::default();
        let mut below: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        let query = sqlx::query(include_str!("sql/watched.sql")).bind(&schemas).bind(&names);
        for row in query.fetch_all(&mut *conn).await? {
            let oid: i64 = row.try_get("oid")?;
            below.entry(row.try_get("root")?).or_default().insert(oid);
            let relation = Watchee {
                name: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?),
                filenode: row.try_get("filenode")?,
                rows_bytes: row.try_get("rows_bytes")?,
                bytes: row.try_get("bytes")?,
            };
            watched.relations.insert(oid, relation);
        }
        let named =
            below.into_iter().filter_map(|(root, oids)| Some((watched.relations.get(&root)?.name.clone(), oids)));
        watched.below = named.collect();
        for (oid, index) in indexes(conn, &watched.relations).await? {
            watched.indexes.insert(oid, index);
        }
        Ok(watched)
    }

    /// Looks again, after statement `at`.
    pub async fn look(&self, conn: &mut PgConnection, at: usize, trace: &mut Trace) -> Result<(), SqlError> {
        let relations = self.relations.iter().map(|(oid, relation)| (*oid, relation.filenode));
        let (oids, filenodes): (Vec<i64>, Vec<i64>) = relations.chain(self.indexes.keys().map(|oid| (*oid, 0))).unzip();
        let query = sqlx::query(include_str!("sql/look.sql")).bind(&oids).bind(&filenodes);
        for row in query.fetch_all(conn).await? {
            let oid: i64 = row.try_get("oid")?;
            let modes: Option<Vec<String>> = row.try_get("modes")?;
            let strongest = modes.iter().flatten().filter_map(|mode| Lock::read(mode)).max();
            if let Some(lock) = strongest {
                let known = trace.locks.entry(oid).or_insert((at, lock));
                if known.1 < lock {
                    *known = (at, lock);
                }
            }
            // Without that lock it was somebody else, a refresh for example, who dropped, exchanged or filled it meanwhile.
            if strongest != Some(Lock::AccessExclusive) {
                continue;
            }
            let (schema, name): (Option<String>, Option<String>) = (row.try_get("schema")?, row.try_get("name")?);
            let Some((schema, name)) = schema.zip(name) else {
                trace.gone.entry(oid).or_insert(at);
                continue;
            };
            let Some(before) = self.relations.get(&oid) else { continue };
            let name = QName::new(schema, name);
            if name == before.name {
                trace.renamed.remove(&oid);
            } else if trace.renamed.get(&oid).is_none_or(|(_, known)| *known != name) {
                trace.renamed.insert(oid, (at, name));
            }
            if let Some(bytes) = row.try_get::<Option<i64>, _>("rows_bytes")? {
                let first = trace.rewritten.get(&oid).map_or(at, |(first, _)| *first);
                trace.rewritten.insert(oid, (first, bytes));
            }
        }
        Ok(())
    }

    /// The indexes that a statement which is left out would drop.
    pub async fn would_go(
        &self,
        conn: &mut PgConnection,
        names: &[String],
        at: usize,
        trace: &mut Trace,
    ) -> Result<(), SqlError> {
        for name in names.iter().filter_map(|name| crate::sql::parse_qualified_name(name)) {
            let name: Vec<String> = name.iter().map(|part| crate::state::quote_ident(part)).collect();
            let row = sqlx::query("SELECT pg_catalog.to_regclass($1)::oid::bigint")
                .bind(name.join("."))
                .fetch_one(&mut *conn)
                .await?;
            let index = row.try_get::<Option<i64>, _>(0)?.filter(|oid| self.indexes.contains_key(oid));
            trace.would_go.extend(index.map(|oid| (oid, at)));
        }
        Ok(())
    }
}

/// The indexes of relations, by OID.
pub(super) async fn indexes(
    conn: &mut PgConnection,
    relations: &BTreeMap<i64, Watchee>,
) -> Result<BTreeMap<i64, WatchedIndex>, SqlError> {
    let oids: Vec<i64> = relations.keys().copied().collect();
    let rows = sqlx::query(include_str!("sql/indexes.sql")).bind(&oids).fetch_all(conn).await?;
    let mut found = BTreeMap::new();
    for row in rows {
        let index = WatchedIndex {
            relation: row.try_get("relation")?,
            name: row.try_get("name")?,
            definition: row.try_get("definition")?,
            first: row.try_get("first")?,
        };
        found.insert(row.try_get("oid")?, index);
    }
    Ok(found)
}

/// What was watched and what became of it.
pub(super) struct Watch {
    pub watched: Watched,
    pub trace: Trace,
    /// Who might read what before, and who may after.
    pub rights: (Rights, Rights),
    /// The indexes at the end.
    pub indexes: BTreeMap<i64, WatchedIndex>,
}
