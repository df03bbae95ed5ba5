//! The text of the statements a plan is made of.

use super::carry::{comment_on, comment_on_column, rights};
use super::target::Target;
use crate::catalog::{Actual, Relation};
pub(super) use crate::sql::option_name;
pub(crate) use crate::sql::with_options as with;
use crate::sql::{create_index, index_body};
use crate::state::{GrantDecl, Kind, Mart, QName, quote_ident, quote_idents, quote_literal};

pub(crate) use crate::state::next_name as next;

/// `CREATE …` of the relation itself, under `name`, from `query`. `live` is the relation whose place it takes: it is stored as that is.
pub(crate) fn create(mart: &Mart, name: &QName, query: &str, live: Option<&Relation>) -> String {
    let live = live.filter(|live| live.kind.is(mart.kind));
    let unlogged = if live.is_some_and(|live| live.unlogged) { "UNLOGGED " } else { "" };
    let method = live.and_then(|live| live.access_method.as_ref());
    let method = method.map(|method| format!("\nUSING {}", quote_ident(method))).unwrap_or_default();
    let options = with(&mart.with);
    let tablespace = match &mart.tablespace {
        Some(tablespace) => format!("\nTABLESPACE {}", quote_ident(tablespace)),
        None => String::new(),
    };
    format!("CREATE {unlogged}{} {name}{method}{options}{tablespace} AS\n{}", mart.kind.sql(), query.trim())
}

/// `CREATE OR REPLACE VIEW` in place.
pub(crate) fn replace_view(mart: &Mart, query: &str) -> String {
    format!("CREATE OR REPLACE VIEW {}{} AS\n{}", mart.name, with(&mart.with), query.trim())
}

/// What makes a new relation what its manifest says: keys, indexes, comments, grants.
/// `live` is the relation whose place it takes. The comment of what is built aside is its mark until it is published.
pub(crate) fn complete(
    target: &Target<'_>,
    name: &QName,
    live: Option<&Relation>,
    actual: &Actual,
    role: Option<&str>,
) -> Vec<String> {
    let mart = target.mart;
    let aside = *name != mart.name;
    let index_name = |index: &str| if aside { next(index) } else { index.to_owned() };
    let mut sql = Vec::new();
    if mart.kind.is_table() {
        if !mart.primary_key.is_empty() {
            sql.push(format!(
                "ALTER TABLE {name} ADD CONSTRAINT {} PRIMARY KEY ({})",
                quote_ident(&index_name(&target.primary_key_name())),
                quote_idents(&mart.primary_key)
            ));
        }
        for column in target.not_null() {
            if !mart.primary_key.iter().any(|key| key == column) {
                sql.push(format!("ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL", quote_ident(column)));
            }
        }
    }
    for index in &mart.indexes {
        sql.push(create_index(index, name, &index_name(&index.name), false));
    }
    for (index, is) in carried_indexes(target, live) {
        sql.push(format!(
            "CREATE {}INDEX {} ON {name} {}",
            if is.unique { "UNIQUE " } else { "" },
            quote_ident(&index_name(index)),
            index_body(&is.definition)
        ));
    }
    sql.extend(index_comments(target, name, live, index_name));
    if let Some(comment) = comment(target, live).filter(|_| !aside) {
        sql.push(comment_on(mart.kind, name, Some(&comment)));
    }
    sql.extend(column_comments(target, name, live));
    sql.extend(grants_on_new(target, name, live, actual, role));
    // What is built aside is vacuumed and analysed once it is committed.
    if mart.kind != Kind::View && !aside {
        sql.push(format!("ANALYZE {name}"));
    }
    sql
}

/// The comments of indexes that are made again.
fn index_comments(
    target: &Target<'_>,
    name: &QName,
    live: Option<&Relation>,
    new_name: impl Fn(&str) -> String,
) -> Vec<String> {
    let carried = carried_indexes(target, live);
    let again = |index: &String| {
        target.mart.indexes.iter().any(|declared| declared.name == *index)
            || carried.iter().any(|(name, _)| *name == index)
    };
    let commented = live.into_iter().flat_map(|live| &live.indexes).filter(|(index, _)| again(index));
    let comment = |(index, is): (&String, &crate::catalog::Index)| {
        let comment = is.comment.as_ref()?;
        Some(format!("COMMENT ON INDEX {} IS {}", name.sibling(new_name(index)), quote_literal(comment)))
    };
    commented.filter_map(|(index, is)| comment((index, is))).collect()
}

/// Indexes that nobody declared and that go along with a relation that is exchanged.
pub(crate) fn carried_indexes<'a>(
    target: &'a Target<'_>,
    live: Option<&'a Relation>,
) -> Vec<(&'a String, &'a crate::catalog::Index)> {
    let Some(live) = live.filter(|live| live.kind.is(target.mart.kind)) else {
        return Vec::new();
    };
    let applied = target.recorded.map(|r| &r.applied.indexes);
    let indexes = live.indexes.iter().map(|(name, index)| (name, &**index));
    indexes
        .filter(|(name, index)| {
            let declared = target.indexes.contains_key(*name);
            let was_ours = applied.is_some_and(|applied| applied.contains_key(*name));
            let known = index.keys.iter().all(|key| target.columns.iter().any(|c| c.name == *key));
            index.valid && !index.primary && index.constraint.is_none() && !declared && !was_ours && known
        })
        .collect()
}

/// The comment a new relation ends with: declared, or that of the one whose place it takes.
pub(crate) fn comment(target: &Target<'_>, live: Option<&Relation>) -> Option<String> {
    target.mart.description.clone().or_else(|| live?.comment.clone())
}

fn column_comments(target: &Target<'_>, name: &QName, live: Option<&Relation>) -> Vec<String> {
    let mart = target.mart;
    let mut sql = Vec::new();
    for column in &target.columns {
        let declared = mart.columns.get(&column.name).and_then(|c| c.description.clone());
        let kept = || {
            let was = live?.columns.iter().find(|c| c.name == column.name)?;
            was.comment.clone()
        };
        if let Some(comment) = declared.or_else(kept) {
            sql.push(comment_on_column(name, &column.name, Some(&comment)));
        }
    }
    sql
}

/// Exact grants on a new relation: what default privileges add is revoked again.
fn grants_on_new(
    target: &Target<'_>,
    name: &QName,
    live: Option<&Relation>,
    actual: &Actual,
    role: Option<&str>,
) -> Vec<String> {
    let wanted: &[GrantDecl] = match (&target.mart.grants, live) {
        (Some(declared), _) => declared,
        (None, Some(live)) => &live.grants,
        (None, None) => return Vec::new(),
    };
    exact_rights(name, wanted, actual, role)
}

/// What the new relation `name`, which `role` made, needs for nobody but `wanted` to have rights on it.
pub(super) fn exact_rights(name: &QName, wanted: &[GrantDecl], actual: &Actual, role: Option<&str>) -> Vec<String> {
    let creator = role.unwrap_or(&actual.server.user);
    let defaults = actual
        .default_acls
        .iter()
        .filter(|acl| acl.owner == creator)
        .filter(|acl| acl.schema.as_ref().is_none_or(|schema| *schema == name.schema))
        .map(|acl| &acl.role);
    rights(name, defaults, wanted, actual.server.major())
}

/// What gives a relation of this kind the name back that it had.
pub fn rename_back(kind: Kind, now: &QName, name: &QName) -> String {
    format!("give it its name back: {};", rename(kind, now, name).join("; "))
}

/// The statements of a rename, schema first.
pub(crate) fn rename(kind: Kind, from: &QName, to: &QName) -> Vec<String> {
    let mut sql = Vec::new();
    let mut at = from.clone();
    if from.schema != to.schema {
        sql.push(format!("ALTER {} {at} SET SCHEMA {}", kind.sql(), quote_ident(&to.schema)));
        at = QName::new(&to.schema, &from.name);
    }
    if at.name != to.name {
        sql.push(format!("ALTER {} {at} RENAME TO {}", kind.sql(), quote_ident(&to.name)));
    }
    sql
}
