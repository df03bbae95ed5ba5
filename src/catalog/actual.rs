//! What a database has, as types.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::state::{
    Fingerprint, GrantDecl, Kind, Mart, Part, QName, aside_prefix, is_aside_mark, next_mark, next_name,
};

/// What one snapshot of a database showed.
#[derive(Debug, Clone, Default)]
pub struct Actual {
    /// The server and this connection.
    pub server: Server,
    /// The marts the registry knows, of this project.
    pub recorded: BTreeMap<QName, Recorded>,
    /// The relations that exist among those asked for.
    pub relations: HashMap<QName, Relation>,
    /// What default privileges give to new relations.
    pub default_acls: Vec<DefaultAcl>,
    /// Who has the names that marts need beside their own: of indexes, and of what is built aside.
    pub taken: HashMap<QName, Taken>,
    /// What applies of this project built aside and did not publish.
    pub left: BTreeMap<QName, Left>,
}

/// The server and this connection.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// `server_version_num`, e.g. 150018.
    pub version_num: i32,
    /// `server_version`.
    pub version: String,
    /// The database.
    pub database: String,
    /// The connection's role.
    pub user: String,
    /// Whether that role is a superuser.
    pub superuser: bool,
    /// A standby.
    pub in_recovery: bool,
    /// Attached replicas this role can see.
    pub replicas: i64,
    /// All schemas.
    pub schemas: BTreeSet<String>,
    /// The roles that exist among those asked for.
    pub roles: BTreeSet<String>,
    /// All tablespaces.
    pub tablespaces: BTreeSet<String>,
    /// Where relations without a tablespace of their own are.
    pub default_tablespace: Option<String>,
}

impl Server {
    /// The major version, 14 to 18.
    pub fn major(&self) -> i32 {
        self.version_num / 10_000
    }
}

/// What default privileges of `owner` (in `schema`, or everywhere) give to `role`.
#[derive(Debug, Clone)]
pub struct DefaultAcl {
    /// The creating role.
    pub owner: String,
    /// The schema; `None` is all.
    pub schema: Option<String>,
    /// The role that gets something.
    pub role: String,
}

/// Who has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub oid: i64,
    /// What it is.
    pub kind: RelationKind,
    /// Of an index, its relation.
    pub index_of: Option<QName>,
    /// Its owner.
    pub owner: String,
    /// Its comment: what is built aside is marked there.
    pub comment: Option<String>,
}

impl Taken {
    /// Whether it is what a refresh or an apply of `mart` had built aside when it was stopped; see `build` and `plan`.
    pub fn is_left_of(&self, mart: &QName, project: &str) -> bool {
        let Some(comment) = &self.comment else { return false };
        let name = mart.sibling(next_name(&mart.name));
        let of_refresh = self.kind == RelationKind::Table && *comment == next_mark(mart);
        of_refresh || (comment.starts_with(&aside_prefix(project)) && is_aside_mark(comment, &name))
    }

    /// What it is, for one who wants to know whether it still is the same.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&(self.oid, &self.comment))
    }
}

/// What an apply built aside and did not publish: it was stopped, or it is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its number.
    pub oid: i64,
    /// What it is.
    pub kind: RelationKind,
    /// Its owner.
    pub owner: String,
    /// Its comment, which says what made it.
    pub mark: String,
    /// What of the same kind reads it, so that it cannot go before that.
    pub readers: BTreeSet<QName>,
}

impl Left {
    /// As [`Taken::fingerprint`].
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&(self.oid, Some(&self.mark)))
    }
}

/// What a relation is to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationKind {
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// An ordinary table.
    Table,
    /// A partitioned table.
    PartitionedTable,
    /// A foreign table.
    ForeignTable,
    /// An index, a sequence, a composite type: a name that is taken.
    Other,
}

impl RelationKind {
    /// From `pg_class.relkind`.
    pub fn from_relkind(relkind: &str) -> Self {
        match relkind {
            "v" => Self::View,
            "m" => Self::MaterializedView,
            "r" => Self::Table,
            "p" => Self::PartitionedTable,
            "f" => Self::ForeignTable,
            _ => Self::Other,
        }
    }

    /// Words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Table => "table",
            Self::PartitionedTable => "partitioned table",
            Self::ForeignTable => "foreign table",
            Self::Other => "object",
        }
    }

    /// Whether a mart of that kind is stored like this.
    pub fn is(self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::View, Kind::View) | (Self::MaterializedView, Kind::MaterializedView) | (Self::Table, Kind::Table)
        )
    }
}

/// A relation that exists.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its OID.
    pub oid: i64,
    /// Its name.
    pub name: QName,
    /// What it is.
    pub kind: RelationKind,
    /// Its owner.
    pub owner: String,
    /// Its comment.
    pub comment: Option<String>,
    /// Its storage parameters, or a view's options.
    pub options: BTreeMap<String, String>,
    /// Its tablespace; `None` is the database's.
    pub tablespace: Option<String>,
    /// A materialized view that can be read.
    pub populated: bool,
    /// The query of a view or materialized view, as the server prints it with nothing on the search path.
    pub definition: Option<String>,
    /// No page of data.
    pub empty: bool,
    /// The planner's estimate of rows; -1 is never analysed.
    pub tuples: f64,
    /// Part of an extension.
    pub extension: bool,
    /// What would not follow a relation that takes its place: triggers, policies, publications …
    pub extras: Vec<String>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its indexes by name.
    pub indexes: BTreeMap<String, Index>,
    /// Who may do what, beside the owner; one entry per role, column set and grant option.
    pub grants: Vec<GrantDecl>,
    /// What depends on it.
    pub dependents: Vec<Dependent>,
}

impl Relation {
    /// A fingerprint of what its readers depend on: kind, names, types and order of the columns.
    pub fn signature(&self) -> Fingerprint {
        let columns: Vec<_> = self.columns.iter().map(|c| (&c.name, &c.type_name)).collect();
        Fingerprint::of(&columns)
    }

    /// A fingerprint of everything a plan reads of it. Row counts and sizes are left out.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&(
            (self.oid, self.kind, &self.owner, &self.comment, &self.options),
            (&self.tablespace, self.populated, &self.definition),
            (&self.columns, &self.indexes, &self.grants, &self.dependents, &self.extras),
        ))
    }

    /// An index REFRESH … CONCURRENTLY can use.
    pub fn concurrent_index(&self) -> Option<&Index> {
        self.indexes.values().find(|i| i.unique && i.valid && !i.partial && !i.expressions)
    }

    /// The primary key's index.
    pub fn primary_key(&self) -> Option<(&String, &Index)> {
        self.indexes.iter().find(|(_, index)| index.primary)
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `NOT NULL`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
    /// Its collation where it is not the type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its statistics target where it is not the server's; no manifest says it, and it goes along with a relation that is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<i32>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// As `pg_get_indexdef` prints it.
    pub definition: String,
    /// Unique.
    pub unique: bool,
    /// The primary key's.
    pub primary: bool,
    /// Complete; a failed CREATE INDEX CONCURRENTLY leaves one that is not.
    pub valid: bool,
    /// CLUSTER orders the rows by it; no manifest says it, and it goes along with a materialized view that is exchanged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clustered: bool,
    /// With a predicate.
    pub partial: bool,
    /// With expressions.
    pub expressions: bool,
    /// Its tablespace.
    pub tablespace: Option<String>,
    /// The constraint it stands for.
    pub constraint: Option<String>,
    /// Its comment; no manifest says it, and it goes along with an index that is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its key columns, expressions left out.
    pub keys: Vec<String>,
}

/// Something that depends on a relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependent {
    /// `view`, `materialized view`, `rule`, `function`, `policy`, `constraint`, `table` or `object`.
    pub kind: String,
    /// Its name for people, without the kind for relations.
    pub name: String,
    /// The relation, where it is one.
    pub relation: Option<QName>,
}

impl Dependent {
    /// What it is and its name, for people.
    pub fn label(&self) -> String {
        match self.relation {
            Some(_) => format!("{} {}", self.kind, self.name),
            None => self.name.clone(),
        }
    }
}

/// A mart as the registry has it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// As declared when it was applied.
    pub mart: Mart,
    /// Its fingerprint then.
    pub fingerprint: Fingerprint,
    /// The registry's status word.
    pub status: String,
    /// What the database had right after the apply.
    pub applied: Applied,
    /// The relation's OID then.
    pub relation: Option<i64>,
    /// Its manifest.
    pub file: String,
    /// The git revision it came from.
    pub revision: Option<String>,
    /// First applied.
    pub created_at: DateTime<Utc>,
    /// Last changed.
    pub changed_at: DateTime<Utc>,
    /// The versions of a versioned mart, by number; `applied` is then what its view was, and reads what the published one reads.
    pub versions: Vec<RecordedVersion>,
    /// A rollback that holds until the mart's file changes.
    pub held: Option<Held>,
    /// Where this is not a whole row but the view or a version of a versioned mart; see `plan::parts`.
    pub part: Option<Part>,
}

/// A version of a mart.
#[derive(Debug, Clone)]
pub struct RecordedVersion {
    /// Its number.
    pub number: u32,
    /// Its relation, as declared when it was made or last changed: name, query, indexes and all that is stored.
    pub mart: Mart,
    /// What the database had right after that.
    pub applied: Applied,
    /// The mart's view selects from it.
    pub published: bool,
    /// The relation's OID then.
    pub relation: Option<i64>,
    /// The git revision it came from.
    pub revision: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A rollback that holds until the mart's file changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The version that is published.
    pub pin: u32,
    /// The fingerprint of the mart's file when it was rolled back.
    pub file: Fingerprint,
}

/// What the database had right after an apply: what drift is measured against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// The server's major version, which decides how definitions are printed.
    pub major: i32,
    /// The text of a view or materialized view as the server printed it, or of a table's query as compiled.
    pub definition: String,
    /// The text of the query as compiled: what another query is told by.
    #[serde(default)]
    pub compiled: String,
    /// The fingerprint of the query it came from.
    pub query: String,
    /// Columns.
    pub columns: Vec<Column>,
    /// Indexes by name.
    pub indexes: BTreeMap<String, Index>,
    /// Relations it reads, with the signature each had.
    pub reads: BTreeMap<String, ReadSignature>,
    /// Owner.
    pub owner: String,
    /// Comment.
    pub comment: Option<String>,
    /// Options.
    pub options: BTreeMap<String, String>,
    /// Tablespace.
    pub tablespace: Option<String>,
    /// Grants.
    pub grants: Vec<GrantDecl>,
}

/// A relation that a mart reads, and what its columns were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSignature {
    /// The relation.
    pub name: QName,
    /// Fingerprint of its columns.
    pub signature: Fingerprint,
}
