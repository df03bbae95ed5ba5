//! What a database has, as types.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::attached::Attached;
use super::captures::Captures;
use super::columns::{Column, Index};
use super::extra::Extra;
use super::keepers::Keepers;
use super::kind::RelationKind;
use super::measured::Measures;
use super::overrides::Overrides;
use super::recorded::Recorded;
use crate::state::{Fingerprint, GrantDecl, Mart, QName, aside_prefix, is_aside_mark, next_mark, next_name};

/// What one snapshot of a database showed.
#[derive(Debug, Clone, Default)]
pub struct Actual {
    /// The server and this connection.
    pub server: Server,
    /// The marts the registry knows, of this project.
    pub recorded: BTreeMap<QName, Recorded>,
    /// The marts that are to be renamed, and the names under which their rows and relations stand.
    pub renamed: BTreeMap<QName, QName>,
    /// The relations of marts and versions that somebody renamed by hand, by the name that they were applied with.
    pub called: BTreeMap<QName, QName>,
    /// The relations that exist among those asked for, and the followers.
    pub relations: HashMap<QName, Relation>,
    /// Views and materialized views that depend on marts, directly or through each other, and are no marts of this project.
    pub followers: BTreeMap<QName, Follower>,
    /// Versions of marts among them: they follow like those once nothing is declared of them any more.
    pub frozen: BTreeMap<QName, Follower>,
    /// What default privileges give to new relations.
    pub default_acls: Vec<DefaultAcl>,
    /// Who has the names that marts need beside their own: of indexes, and of what is built aside.
    pub taken: HashMap<QName, Taken>,
    /// What applies of this project built aside and did not publish.
    pub left: BTreeMap<QName, Left>,
    /// The tables behind what marts read, and what notices writes to them.
    pub captures: Captures,
    /// What keeps marts as writers commit.
    pub keepers: Keepers,
    /// What changes would cost, where somebody looked.
    pub measures: Measures,
    /// Relations that have the names of marts and are marts of other projects in the same registry, and those projects.
    pub foreign: BTreeMap<QName, String>,
    /// Marts of other projects in the same registry that read marts which nobody asked for, and those projects.
    pub read_elsewhere: BTreeMap<QName, Vec<(QName, String)>>,
    /// What holds instead of what manifests say, where somebody looked.
    pub overrides: Overrides,
    /// What of which mart was put back too often lately to be put back again, where somebody looked.
    pub stalled: BTreeMap<String, Vec<String>>,
}

/// The server and this connection.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// `server_version_num`, e.g. 150018.
    pub version_num: i32,
    /// `server_version`.
    pub version: String,
    /// Its clock.
    pub now: DateTime<Utc>,
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
    /// Those of them that this connection's role may act as.
    pub assumable: BTreeSet<String>,
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

/// A view or materialized view that is no mart of this project and depends on one.
#[derive(Debug, Clone, PartialEq)]
pub struct Follower {
    /// A mart reads it.
    pub is_read: bool,
    /// The connection's role may act as its owner.
    pub assumable: bool,
    /// What its owner lacks to make it again, as GRANT says it.
    pub lacks: Vec<String>,
    /// The time zone that sessions of this database have.
    pub timezone: String,
    /// The other project whose mart it is, and what that declared.
    pub declared: Option<(String, Box<Mart>)>,
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
        let table = matches!(self.kind, RelationKind::Table | RelationKind::PartitionedTable);
        let of_refresh = table && *comment == next_mark(mart);
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
    /// Its access method, where it is not what new relations get.
    pub access_method: Option<String>,
    /// A table whose rows are not written to the log.
    pub unlogged: bool,
    /// How it is divided, as PostgreSQL prints it: `RANGE (day)`.
    pub partitioned_by: Option<String>,
    /// Its partitions, by name.
    pub partitions: Vec<Attached>,
    /// What else hangs on it: triggers, policies, publications …
    pub extras: Vec<Extra>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its indexes by name. A map makes room for eleven at once, and most relations have one or two.
    pub indexes: BTreeMap<String, Box<Index>>,
    /// Who may do what, beside the owner; one entry per role, column set and grant option.
    pub grants: Vec<GrantDecl>,
    /// What depends on it.
    pub dependents: Vec<Dependent>,
}

impl Relation {
    /// A fingerprint of what its readers depend on: kind, names, types and order of the columns.
    pub fn signature(&self) -> Fingerprint {
        let columns: Vec<_> = self.columns.iter().map(|c| (&c.name, c.collated_type())).collect();
        Fingerprint::of(&columns)
    }

    /// A fingerprint of everything a plan reads of it. Row counts and sizes are left out, and so is its OID: a refresh that publishes
    /// puts another relation in its place, which is no change that anybody made.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&(
            (self.kind, &self.owner, &self.comment, &self.options),
            (&self.tablespace, self.populated, &self.definition, &self.access_method, self.unlogged),
            (&self.columns, &self.indexes, &self.grants, &self.dependents, &self.extras),
            // Partitions come and go with the time, which is no change that anybody made.
            &self.partitioned_by,
        ))
    }

    /// An index REFRESH … CONCURRENTLY can use.
    pub fn concurrent_index(&self) -> Option<&Index> {
        self.indexes.values().map(|index| &**index).find(|i| i.unique && i.valid && !i.partial && !i.expressions)
    }

    /// The primary key's index.
    pub fn primary_key(&self) -> Option<(&String, &Index)> {
        self.indexes.iter().map(|(name, index)| (name, &**index)).find(|(_, index)| index.primary)
    }
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
