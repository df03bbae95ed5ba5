//! A mart, as declared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    CheckDecl, Fingerprint, Incremental, IncrementalMethod, Partition, QName, RefreshPolicy, Strategy, Versions,
    quote_ident,
};

/// How a mart is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A view: no data of its own.
    View,
    /// A materialized view, recomputed whole by PostgreSQL.
    MaterializedView,
    /// A table that datamart fills and publishes.
    Table,
    /// Such a table, divided into partitions.
    PartitionedTable,
}

impl Kind {
    /// The word manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::View => "view",
            Kind::MaterializedView => "materialized_view",
            Kind::Table => "table",
            Kind::PartitionedTable => "partitioned_table",
        }
    }

    /// The words DDL uses: `DROP <these>`, `ALTER <these>`, `COMMENT ON <these>`.
    pub fn sql(self) -> &'static str {
        match self {
            Kind::View => "VIEW",
            Kind::MaterializedView => "MATERIALIZED VIEW",
            Kind::Table | Kind::PartitionedTable => "TABLE",
        }
    }

    /// Whether datamart writes its rows itself.
    pub fn is_table(self) -> bool {
        matches!(self, Kind::Table | Kind::PartitionedTable)
    }

    /// Whether rows are stored.
    pub fn has_data(self) -> bool {
        self != Kind::View
    }
}

/// How new data of a table mart replaces the old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// Write only the rows that differ.
    Merge,
    /// Exchange the whole relation.
    Swap,
    /// Merge where there is a key and few differences, swap for real rebuilds.
    #[default]
    Auto,
}

/// What is said about one column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDecl {
    /// Becomes the column's comment; absent is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The column gets `NOT NULL` (table marts).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
}

/// One key of an index: a column or an expression, and how it is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexKey {
    /// A column's name as stored, or an expression with its parentheses.
    pub term: String,
    /// `term` is an expression.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expression: bool,
    /// Descending.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub descending: bool,
    /// `Some(true)` for NULLS FIRST, `Some(false)` for NULLS LAST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls_first: Option<bool>,
    /// Operator class, perhaps qualified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opclass: Option<String>,
    /// Collation, perhaps qualified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
}

/// An index, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDecl {
    /// Its name: given, or as PostgreSQL would choose it.
    pub name: String,
    /// Keys, in order.
    pub keys: Vec<IndexKey>,
    /// Unique.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Access method, `btree` by default.
    pub method: String,
    /// INCLUDE columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Partial index predicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// Storage parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// Tablespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<String>,
    /// NULLS NOT DISTINCT (PostgreSQL 15 and later).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nulls_not_distinct: bool,
}

impl IndexDecl {
    /// Whether REFRESH … CONCURRENTLY can use it: unique, plain columns, every row.
    /// <https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html>
    pub fn serves_concurrent_refresh(&self) -> bool {
        self.unique && self.predicate.is_none() && self.keys.iter().all(|k| !k.expression)
    }

    /// Whether its canonical text needs the server: expressions, predicates, opclasses, collations, other methods.
    pub fn needs_server(&self) -> bool {
        self.predicate.is_some()
            || self.method != "btree"
            || self.keys.iter().any(|k| k.expression || k.opclass.is_some() || k.collation.is_some())
    }
}

/// A grant, as declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GrantDecl {
    /// Role, or `public`.
    pub role: String,
    /// Privileges in upper case, sorted.
    pub privileges: Vec<String>,
    /// Only these columns; empty is the relation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// WITH GRANT OPTION.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grant_option: bool,
}

/// When a mart's data counts as old.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// The column whose maximum is the age of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Seconds; older is a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_after: Option<u64>,
    /// Seconds; older is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_after: Option<u64>,
}

/// Which rows of a table mart are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The column that says how old a row is.
    pub column: String,
    /// Seconds; older rows go.
    pub keep: u64,
}

/// A mart, whole, as its manifest and the project's defaults say. This is what the registry keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mart {
    /// Schema and name.
    pub name: QName,
    /// Storage.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The query, as written, without a final semicolon.
    pub query: String,
    /// Where unqualified names in the query are looked up, in order.
    pub search_path: Vec<String>,
    /// `TimeZone` of builds and refreshes, an IANA name.
    pub timezone: String,
    /// Comment on the relation; absent is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Owner; absent is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Earlier names, in the mart's schema unless qualified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed_from: Vec<QName>,
    /// Dependencies a query cannot show, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Removing or replacing it needs this taken out first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prevent_destroy: bool,
    /// Primary key (table marts).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// How new data is published (table marts).
    #[serde(default)]
    pub publish: Publish,
    /// Tablespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<String>,
    /// Storage parameters, or a view's options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// `SET LOCAL` in every build and refresh.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session: BTreeMap<String, String>,
    /// What is said about columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnDecl>,
    /// Indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexDecl>,
    /// Grants; `None` is not managed, an empty list is "nobody but the owner".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<GrantDecl>>,
    /// When and how it is refreshed.
    pub refresh: RefreshPolicy,
    /// When it counts as old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Which rows are kept (table marts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// How it is divided (partitioned table marts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// What must be true of its rows before they are published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckDecl>,
    /// Its versions; `None` is a mart without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// Free-form.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

impl Mart {
    /// The fingerprint of everything declared.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }

    /// The fingerprint of what decides the query's meaning: its text and where its names are looked up.
    pub fn query_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&(&self.query, &self.search_path))
    }

    /// The settings its SQL runs with, everywhere: search path, time zone, and the `session` it declares.
    pub fn settings(&self) -> Vec<(String, String)> {
        let path = self.search_path.iter().map(|s| quote_ident(s));
        let mut settings = vec![
            ("search_path".to_owned(), path.collect::<Vec<_>>().join(", ")),
            ("TimeZone".to_owned(), self.timezone.clone()),
        ];
        for (key, value) in &self.session {
            if !key.eq_ignore_ascii_case("search_path") {
                settings.retain(|(known, _)| !known.eq_ignore_ascii_case(key));
                settings.push((key.clone(), value.clone()));
            }
        }
        settings
    }

    /// Whether its rows are to follow what changes in its sources, so that its query has to allow it.
    pub fn follows_changes(&self) -> bool {
        let refresh = &self.refresh;
        let asked = refresh.incremental.as_ref().is_some_and(Incremental::follows_changes);
        match self.kind {
            Kind::Table => asked || refresh.fresh || refresh.strategy == Strategy::OnCommit,
            Kind::PartitionedTable => asked,
            Kind::View | Kind::MaterializedView => false,
        }
    }

    /// What is said of rows of it that nothing computes again; `None` where its query gives all of them at any time.
    pub fn history(&self) -> Option<&'static str> {
        let incremental = self.refresh.incremental.as_ref()?;
        match (incremental.frozen_before, incremental.method) {
            (Some(_), _) => Some("are frozen"),
            (None, IncrementalMethod::Append) => Some("were appended"),
            (None, _) => None,
        }
    }

    /// Whether writes to what it reads have to be noticed.
    pub fn notices_writes(&self) -> bool {
        self.follows_changes() || (self.kind.has_data() && self.refresh.strategy == Strategy::Triggered)
    }

    /// Whether a refresh can be CONCURRENTLY as far as the declaration says.
    pub fn has_concurrent_index(&self) -> bool {
        self.indexes.iter().any(IndexDecl::serves_concurrent_refresh)
    }
}
