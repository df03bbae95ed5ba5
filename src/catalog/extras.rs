//! Reading what else hangs on relations.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use super::actual::Relation;
use super::extra::{Extra, ExtraKind};
use crate::sql::cut_at_name;
use crate::state::QName;

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
    let kind = kind(row.try_get("kind")?);
    // What the server has no text for any more is no other text.
    match kind {
        ExtraKind::Trigger
        | ExtraKind::Rule
        | ExtraKind::Check
        | ExtraKind::Exclusion
        | ExtraKind::Key
        | ExtraKind::ForeignKey
        | ExtraKind::Referencing => drop(row.try_get::<String, _>("head")?),
        ExtraKind::Policy | ExtraKind::Statistics | ExtraKind::Publication | ExtraKind::Default => {
            drop(row.try_get::<String, _>("tail")?);
        }
        _ => {}
    }
    let mut extra = Extra {
        kind,
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
