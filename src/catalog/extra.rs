//! What else hangs on relations: triggers, policies, constraints, settings of columns … No manifest says it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::actual::Relation;
use crate::sql::cut_at_name;
use crate::state::{QName, quote_ident};

/// What an extra is, which decides how and when it is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraKind {
    /// A trigger. `state` is how it is enabled: `O`, `D`, `R` or `A`.
    Trigger,
    /// A policy of row security.
    Policy,
    /// Row security itself, or that the owner is under it, too.
    RowSecurity,
    /// Extended statistics: `head` is the kinds, `tail` the columns, `state` the target.
    Statistics,
    /// A setting of a column: `tail` is what ALTER COLUMN says.
    Column,
    /// The default of a column: `tail` is its expression.
    Default,
    /// A sequence that goes with a column.
    Sequence,
    /// What of old rows is published. `name` is an index where `state` is `i`.
    ReplicaIdentity,
    /// The relation is part of a publication.
    Publication,
    /// A CHECK: `head` is its definition.
    Check,
    /// A UNIQUE constraint: `tail` says whether it can be deferred. Its index is among the relation's.
    Unique,
    /// A constraint over an index that only its definition, `head`, makes.
    Exclusion,
    /// The primary key's constraint: it has a comment.
    Key,
    /// A foreign key of the relation. `state` says `valid` and `self`.
    ForeignKey,
    /// A foreign key of another relation, `other`, that refers to this one. `state` says `valid`, and `whole` for a partitioned table.
    Referencing,
    /// A statistics target, `tail`, of the column numbered `state` of an index.
    IndexStatistics,
    /// A security label, `tail`.
    Label,
    /// A rule. `state` is how it is enabled.
    Rule,
    /// What the owner may do other than everything: `head` is GRANT or REVOKE, `tail` the privileges.
    OwnerRights,
    /// Nothing that could be made again.
    Stays,
}

/// Something that hangs on a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// What it is.
    pub kind: ExtraKind,
    /// What it is and its name, for people.
    pub label: String,
    /// Its own name, or that of the column, index or label provider it is about.
    pub name: String,
    /// Another relation, or the statistics' own name.
    pub other: Option<QName>,
    /// Its definition, as the server prints it, before the relation's name.
    pub head: String,
    /// Its definition behind the relation's name.
    pub tail: String,
    /// How it is enabled, and the like.
    pub state: String,
    /// Whose it is, where that is not the relation's owner.
    pub owner: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// The relation's columns that it names.
    pub columns: Vec<String>,
    /// The GRANT without which it cannot be made again.
    pub missing: Option<String>,
}

impl Extra {
    /// A setting of one column.
    fn of_column(kind: ExtraKind, what: &str, column: &str, tail: String) -> Self {
        Self {
            kind,
            label: format!("{what} of column {}", quote_ident(column)),
            name: column.to_owned(),
            other: None,
            head: String::new(),
            tail,
            state: String::new(),
            owner: None,
            comment: None,
            columns: vec![column.to_owned()],
            missing: None,
        }
    }
}

/// Of a column's row: what is set on it beside what every column has.
pub(super) fn of_column(row: &PgRow, column: &str) -> Result<Vec<Extra>, sqlx::Error> {
    let Some(settings) = row.try_get::<Option<Vec<String>>, _>("settings")? else {
        return Ok(Vec::new());
    };
    let extra = |setting: String| {
        let (what, tail) = setting.split_once(':')?;
        Some(Extra::of_column(ExtraKind::Column, what, column, tail.to_owned()))
    };
    Ok(settings.into_iter().filter_map(extra).collect())
}

/// Reads what hangs on relations into them.
pub(super) async fn extras(
    conn: &mut PgConnection,
    oids: &[i64],
    found: &mut HashMap<i64, Relation>,
) -> Result<(), CatalogError> {
    // Before 15 a publication had whole tables only.
    let published = match conn.server_version_num() {
        Some(version) if version < 150_000 => "''",
        _ => include_str!("sql/published.sql").trim(),
    };
    let sql = include_str!("sql/extras.sql").replace("{published}", published);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(oids).fetch_all(conn).await?;
    for row in rows {
        if let Some(relation) = found.get_mut(&row.try_get::<i64, _>("oid")?) {
            relation.extras.push(extra(&row)?);
        }
    }
    Ok(())
}

fn extra(row: &PgRow) -> Result<Extra, sqlx::Error> {
    let text = |name: &str| row.try_get::<Option<String>, _>(name);
    let mut extra = Extra {
        kind: kind(row.try_get("kind")?),
        label: row.try_get("what")?,
        name: row.try_get("name")?,
        other: None,
        head: text("head")?.unwrap_or_default(),
        tail: text("tail")?.unwrap_or_default(),
        state: text("state")?.unwrap_or_default(),
        owner: text("owner")?,
        comment: text("comment")?,
        columns: row.try_get("columns")?,
        missing: text("missing")?,
    };
    if let Some(schema) = text("schema")? {
        let relation = text("relation")?;
        extra.other = Some(QName::new(schema, relation.as_ref().unwrap_or(&extra.name)));
    }
    if let Some(word) = text("cut")? {
        match cut_at_name(&extra.head, &word).map(|(head, tail)| (head.to_owned(), tail.to_owned())) {
            // What a foreign key refers to stays, unless it is its own table.
            Some(_) if extra.kind == ExtraKind::ForeignKey && !extra.state.contains("self") => {}
            Some((head, tail)) => (extra.head, extra.tail) = (head, tail),
            None => extra.kind = ExtraKind::Stays,
        }
        if extra.kind == ExtraKind::ForeignKey && !extra.state.contains("self") {
            extra.tail = String::new();
        }
    }
    Ok(extra)
}

fn kind(word: &str) -> ExtraKind {
    match word {
        "trigger" => ExtraKind::Trigger,
        "policy" => ExtraKind::Policy,
        "row_security" => ExtraKind::RowSecurity,
        "statistics" => ExtraKind::Statistics,
        "default" => ExtraKind::Default,
        "sequence" => ExtraKind::Sequence,
        "replica_identity" => ExtraKind::ReplicaIdentity,
        "publication" => ExtraKind::Publication,
        "check" => ExtraKind::Check,
        "unique" => ExtraKind::Unique,
        "exclusion" => ExtraKind::Exclusion,
        "key" => ExtraKind::Key,
        "foreign_key" => ExtraKind::ForeignKey,
        "referencing" => ExtraKind::Referencing,
        "index_statistics" => ExtraKind::IndexStatistics,
        "label" => ExtraKind::Label,
        "rule" => ExtraKind::Rule,
        "owner_rights" => ExtraKind::OwnerRights,
        _ => ExtraKind::Stays,
    }
}
