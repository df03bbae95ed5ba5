//! `[versions]`.

use std::collections::BTreeMap;

use super::indexes::{chosen_name, chosen_name_with, key_names};
use super::refresh::Defaults;
use super::report::Report;
use super::section::Section;
use crate::state::{
    ColumnDecl, IncrementalMethod, IndexDecl, Kind, Mart, Publish, QName, RefreshPolicy, VersionOn, Versions,
    derived_name,
};

/// What keeps how many versions where nobody says it.
const KEEP: u32 = 3;

/// What a mart has whose rows stand behind a view for another reason.
pub(super) const ONE: Versions = Versions { keep: 1, on: VersionOn::Change, pin: None };

/// Reads what a mart says of its versions; how many are kept may come from the project or the environment.
pub(super) fn read(
    root: &Section<'_>,
    kind: Option<Kind>,
    defaults: &Defaults,
    origins: &mut BTreeMap<String, String>,
    report: &mut Report,
) -> Option<Versions> {
    let section = root.section("versions");
    if !section.exists() {
        return None;
    }
    let number = |key: &str| section.integer(key).and_then(|number| u32::try_from(number).ok());
    let inherited = [
        (defaults.project.keep_versions, "project.toml"),
        (defaults.environment.keep_versions, "DATAMART_KEEP_VERSIONS"),
    ];
    let inherited = inherited.into_iter().find_map(|(keep, origin)| Some((keep?, origin)));
    let keep = match (number("keep"), inherited) {
        (Some(keep), _) => keep,
        (None, Some((keep, origin))) => {
            origins.insert("versions.keep".into(), origin.into());
            keep
        }
        (None, None) => KEEP,
    };
    let on = match section.str("on") {
        Some("refresh") => VersionOn::Refresh,
        _ => VersionOn::Change,
    };
    if on == VersionOn::Refresh && kind == Some(Kind::View) {
        report.error(
            section.span("on"),
            section.path("on"),
            "a view is never refreshed, so no refresh makes a version of it",
            "use `on = \"change\"`, or another type",
        );
    }
    Some(Versions { keep, on, pin: number("pin") })
}

/// A mart's version `number` as a mart of its own, named `relation`: all that is stored, and who may read it.
pub fn version_mart(mart: &Mart, relation: QName, number: u32) -> Mart {
    let columns = mart.columns.iter().filter(|(_, column)| column.not_null);
    Mart {
        indexes: version_indexes(mart, &relation, number),
        name: relation,
        description: Some(format!("version {number} of {}", mart.name)),
        tags: Vec::new(),
        renamed_from: Vec::new(),
        prevent_destroy: false,
        columns: columns
            .map(|(name, column)| (name.clone(), ColumnDecl { description: None, ..column.clone() }))
            .collect(),
        refresh: followed(mart),
        freshness: None,
        versions: None,
        metadata: serde_json::Map::new(),
        ..mart.clone()
    }
}

/// Of when and how a mart is refreshed, what decides whether the query of a version may be as it is.
fn followed(mart: &Mart) -> RefreshPolicy {
    let incremental = mart.refresh.incremental.clone();
    let incremental = incremental.filter(|incremental| incremental.method == IncrementalMethod::Changes);
    RefreshPolicy { incremental, ..RefreshPolicy::default() }
}

/// The view of a versioned mart's name, which selects from the version in `relation`.
pub fn stable_mart(mart: &Mart, relation: &QName) -> Mart {
    let columns = mart.columns.iter().filter(|(_, column)| column.description.is_some());
    Mart {
        kind: Kind::View,
        query: format!("SELECT * FROM {relation}"),
        primary_key: Vec::new(),
        publish: Publish::default(),
        tablespace: None,
        // What a view's options say is about who reads: it holds for both.
        with: if mart.kind == Kind::View { mart.with.clone() } else { BTreeMap::new() },
        session: BTreeMap::new(),
        depends_on: Vec::new(),
        columns: columns
            .map(|(name, column)| (name.clone(), ColumnDecl { not_null: false, ..column.clone() }))
            .collect(),
        indexes: Vec::new(),
        retention: None,
        partition: None,
        checks: Vec::new(),
        ..mart.clone()
    }
}

/// The indexes of a mart's version: names that PostgreSQL would choose are chosen for the version's relation, given ones get
/// its number.
fn version_indexes(mart: &Mart, relation: &QName, number: u32) -> Vec<IndexDecl> {
    let (mut of_mart, mut of_version) = Default::default();
    let names = mart.indexes.iter().map(|index| {
        let columns = key_names(index);
        let chosen = chosen_name(&mart.name.name, &columns, &mut of_mart);
        if chosen == index.name {
            let name = chosen_name(&relation.name, &columns, &mut of_version);
            match name.starts_with(&relation.name) {
                true => name,
                // Its relation's name is cut, so that another version's would be the same.
                false => chosen_name_with(&mart.name.name, &columns, &format!("_v{number}"), &mut of_version),
            }
        } else {
            of_mart.remove(&chosen);
            derived_name(&index.name, &format!("_v{number}"))
        }
    });
    let names: Vec<String> = names.collect();
    mart.indexes.iter().zip(names).map(|(index, name)| IndexDecl { name, ..index.clone() }).collect()
}
