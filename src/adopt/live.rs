//! A relation as it is, as a mart.

use std::collections::{BTreeMap, BTreeSet};

use super::index;
use super::{Findings, Note};
use crate::catalog::{Relation, RelationKind};
use crate::compile::Restated;
use crate::manifest::Project;
use crate::sql::{Query, layout};
use crate::state::{ColumnDecl, GrantDecl, IndexDecl, Kind, Mart, Publish, QName, RefreshPolicy, quote_idents};

/// The settings that a mart of that name is read with where its manifest says nothing else.
pub fn settings(name: &QName, project: &Project) -> Vec<(String, String)> {
    let mut path: Vec<&str> = Vec::new();
    for schema in [name.schema.as_str(), project.schema.as_str(), "public"] {
        if !path.contains(&schema) {
            path.push(schema);
        }
    }
    vec![("search_path".to_owned(), quote_idents(path))]
}

/// The kind of mart that a relation can be: what stores its query.
pub(super) fn kind(kind: RelationKind) -> Option<Kind> {
    match kind {
        RelationKind::View => Some(Kind::View),
        RelationKind::MaterializedView => Some(Kind::MaterializedView),
        _ => None,
    }
}

/// Everything a manifest can say of it.
pub(super) fn mart(
    relation: &Relation,
    kind: Kind,
    settled: &Restated,
    findings: &Findings<'_>,
    notes: &mut Vec<Note>,
) -> Mart {
    let project = findings.project;
    // A view stores no rows whose meaning a time zone could have decided.
    let timezone = match kind {
        Kind::View => project.timezone.clone(),
        _ => zone(findings.timezone).filter(|zone| zone != "UTC").unwrap_or_else(|| project.timezone.clone()),
    };
    Mart {
        name: relation.name.clone(),
        kind,
        query: layout(&unmistakable(&settled.text, findings)),
        search_path: Vec::new(),
        timezone,
        description: relation.comment.clone(),
        tags: Vec::new(),
        owner: Some(relation.owner.clone()),
        renamed_from: Vec::new(),
        depends_on: Vec::new(),
        prevent_destroy: false,
        primary_key: Vec::new(),
        publish: Publish::default(),
        tablespace: relation.tablespace.clone(),
        with: relation.options.clone(),
        // Where a function of the user's stands before PostgreSQL's own, nothing but PostgreSQL's own is searched: all else is qualified.
        session: if settled.captured {
            BTreeMap::from([("search_path".to_owned(), "pg_catalog".to_owned())])
        } else {
            BTreeMap::new()
        },
        columns: relation
            .columns
            .iter()
            .filter_map(|column| {
                let said = ColumnDecl { description: Some(column.comment.clone()?), not_null: false };
                Some((column.name.clone(), said))
            })
            .collect(),
        indexes: indexes(relation, settled, notes),
        grants: granted(relation, findings),
        refresh: RefreshPolicy::default(),
        freshness: None,
        versions: None,
        retention: None,
        partition: None,
        checks: Vec::new(),
        metadata: serde_json::Map::new(),
    }
}

/// A query in which no relation of `pg_catalog`, the only ones that the server prints without their schema, is taken for a mart.
fn unmistakable(text: &str, findings: &Findings<'_>) -> String {
    let declared = findings.desired.marts.iter().map(|desired| &desired.mart.name);
    let marts: BTreeSet<&str> = findings.live.keys().chain(declared).map(|name| name.name.as_str()).collect();
    match Query::parse(text) {
        Ok(query) => query.qualify(|name| marts.contains(name).then_some("pg_catalog")),
        Err(_) => text.to_owned(),
    }
}

fn indexes(relation: &Relation, settled: &Restated, notes: &mut Vec<Note>) -> Vec<IndexDecl> {
    let mut indexes = Vec::new();
    for (name, is) in relation.indexes.iter().filter(|(_, is)| is.valid) {
        let text = settled.indexes.get(name).unwrap_or(&is.definition);
        match index::declaration(name, text, is) {
            Some(decl) => indexes.push(decl),
            None => {
                let message = format!("index {name} is not understood ({}); it was left out", is.definition);
                notes.push(Note { relation: relation.name.clone(), message });
            }
        }
    }
    // What makes rows unique comes first.
    indexes.sort_by_key(|index| !index.unique);
    indexes
}

/// Its grants; `None` where there are none and a new relation would get none.
fn granted(relation: &Relation, findings: &Findings<'_>) -> Option<Vec<GrantDecl>> {
    let grants = grants(&relation.grants);
    let by_default = findings.actual.default_acls.iter().any(|acl| {
        acl.owner == relation.owner && acl.schema.as_ref().is_none_or(|schema| *schema == relation.name.schema)
    });
    (!grants.is_empty() || by_default).then_some(grants)
}

/// The same grants in as few entries as can be: each privilege once, what is alike together.
pub(super) fn grants(found: &[GrantDecl]) -> Vec<GrantDecl> {
    let mut single: BTreeMap<(String, String, Option<String>), bool> = BTreeMap::new();
    for grant in found {
        for privilege in &grant.privileges {
            let columns: Vec<Option<String>> = match grant.columns.is_empty() {
                true => vec![None],
                false => grant.columns.iter().cloned().map(Some).collect(),
            };
            for column in columns {
                *single.entry((grant.role.clone(), privilege.clone(), column)).or_default() |= grant.grant_option;
            }
        }
    }
    // By role, option and privilege: whole relation first, then the columns.
    let mut columns: BTreeMap<(String, bool, String), BTreeSet<String>> = BTreeMap::new();
    let mut entries: BTreeMap<(String, Vec<String>, bool), Vec<String>> = BTreeMap::new();
    for ((role, privilege, column), option) in single {
        match column {
            None => entries.entry((role, Vec::new(), option)).or_default().push(privilege),
            Some(column) => {
                columns.entry((role, option, privilege)).or_default().insert(column);
            }
        }
    }
    for ((role, option, privilege), columns) in columns {
        entries.entry((role, columns.into_iter().collect(), option)).or_default().push(privilege);
    }
    entries
        .into_iter()
        .map(|((role, columns, grant_option), privileges)| GrantDecl { role, privileges, columns, grant_option })
        .collect()
}

/// The IANA name of a time zone; the many names of UTC are one. `None` for what is no such name.
pub fn zone(name: &str) -> Option<String> {
    let zone = name.parse::<chrono_tz::Tz>().ok()?.name();
    let utc = matches!(
        zone,
        "UTC"
            | "Etc/UTC"
            | "GMT"
            | "Etc/GMT"
            | "UCT"
            | "Etc/UCT"
            | "Universal"
            | "Etc/Universal"
            | "Zulu"
            | "Etc/Zulu"
            | "GMT0"
            | "GMT+0"
            | "GMT-0"
            | "Etc/GMT0"
            | "Etc/GMT+0"
            | "Etc/GMT-0"
            | "Greenwich"
            | "Etc/Greenwich"
    );
    Some(if utc { "UTC" } else { zone }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: &str, privileges: &[&str], columns: &[&str], grant_option: bool) -> GrantDecl {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        GrantDecl { role: role.to_owned(), privileges: owned(privileges), columns: owned(columns), grant_option }
    }

    #[test]
    fn grants_stand_in_as_few_entries_as_can_be() {
        let found = [
            grant("bi", &["SELECT"], &[], false),
            grant("bi", &["SELECT"], &[], true),
            grant("bi", &["UPDATE"], &["b", "a"], false),
            grant("bi", &["INSERT"], &["a", "b"], false),
            grant("public", &["SELECT"], &[], false),
        ];
        assert_eq!(
            grants(&found),
            [
                grant("bi", &["SELECT"], &[], true),
                grant("bi", &["INSERT", "UPDATE"], &["a", "b"], false),
                grant("public", &["SELECT"], &[], false),
            ]
        );
    }

    #[test]
    fn utc_has_many_names() {
        assert_eq!(zone("Etc/UTC").as_deref(), Some("UTC"));
        assert_eq!(zone("GMT").as_deref(), Some("UTC"));
        assert_eq!(zone("America/Bogota").as_deref(), Some("America/Bogota"));
        assert_eq!(zone("<-05>+05"), None);
    }
}
