//! One mart's file into a declaration.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use regex::Regex;

use super::checks;
use super::incremental::{self, Checked};
use super::indexes;
use super::kinds;
use super::names::{check_name, check_schema, qualified};
use super::partition;
use super::query::{self, ReadText};
use super::refresh::{self, Defaults, Layers, Said};
use super::report::Report;
use super::retention;
use super::section::Section;
use super::{DesiredMart, Project, fresh, grants, versions};
use crate::sql::{RelationRef, parse_name_list};
use crate::state::{ColumnDecl, Freshness, Kind, Mart, Publish, QName, RefreshPolicy};

/// What all marts share.
pub(super) struct Shared<'a> {
    pub project: &'a Project,
    pub defaults: &'a Defaults,
    pub naming: Option<(Regex, bool)>,
    pub read_text: &'a ReadText<'a>,
}

/// Where a mart says what other marts may contradict.
pub(super) struct Spans {
    pub name: Range<usize>,
    pub schema: Range<usize>,
    /// The key `query` or `query_file`.
    pub query: Range<usize>,
    pub primary_key: Range<usize>,
    pub partition: Range<usize>,
    /// One for each index.
    pub indexes: Vec<Range<usize>>,
    /// One for each `depends_on`.
    pub depends_on: Vec<Range<usize>>,
    /// One for each `renamed_from`.
    pub renamed_from: Vec<Range<usize>>,
}

/// A mart, still without its neighbours.
pub(super) struct Declared {
    pub desired: DesiredMart,
    pub spans: Spans,
    pub text: Arc<str>,
    /// Types that the query names with a schema: a mart's row type may be among them.
    pub types: Vec<RelationRef>,
}

/// Reads a mart. `None` where there is no query or no type that others could be checked against.
pub(super) fn declare(
    root: &Section<'_>,
    path: &str,
    stem: &str,
    shared: &Shared<'_>,
    report: &mut Report,
) -> Option<Declared> {
    let mut origins = BTreeMap::new();
    let kind = root.str("type").and_then(|word| match word {
        "view" => Some(Kind::View),
        "materialized_view" => Some(Kind::MaterializedView),
        "table" => Some(Kind::Table),
        "partitioned_table" => Some(Kind::PartitionedTable),
        _ => None,
    });
    let name = mart_name(root, stem, shared, report);
    let schema = schema(root, shared.project, &mut origins, report);
    let located = query::read(root, shared.read_text, report);
    let indexes = indexes::read(root, &name, report);
    let own = Said::read(&root.section("refresh"), report);
    let (timezone, policy) = policy(root, kind, &own, shared, &mut origins, report);
    if let Some(kind) = kind {
        kinds::check(root, kind, report);
        let possible = indexes.iter().any(|i| i.index.serves_concurrent_refresh());
        if kind == Kind::MaterializedView {
            refresh::check_concurrent(root, policy.concurrent, possible, &candidates(&indexes), report);
        }
    }
    let session = session(root, report);
    let search_path = search_path(root, &schema, shared.project, &session, report);
    let (renamed_from, renamed_spans) = names(root, "renamed_from", report);
    let (depends_on, depends_spans) = names(root, "depends_on", report);
    let mut tags = root.names("tags");
    tags.sort();
    tags.dedup();
    let grants = grants::read(root, report);
    let freshness = freshness(&root.section("freshness"), report);
    let retention = retention::read(&root.section("retention"), report);
    let checks = checks::read(root, report);
    let primary_key = primary_key(root, report);
    let versions = versions::read(root, kind, shared.defaults, &mut origins, report);
    if let Some(kind) = kind {
        let dated = freshness.as_ref().is_some_and(|freshness| freshness.column.is_some());
        let mart = Checked { kind, policy: &policy, primary_key: &primary_key, dated, versions: versions.as_ref() };
        incremental::check(root, &mart, report);
        fresh::check(root, &mart, report);
    }
    // The published name of a fresh mart is a view over its rows, as that of a versioned one is.
    let versions = versions.or(policy.fresh.then_some(versions::ONE));
    let partition = partition::read(root, kind, report);
    if let Some(partition) = &partition {
        let indexes = indexes.iter().map(|located| (&located.index, located.span.clone())).collect();
        let beside = partition::Beside { primary_key: &primary_key, indexes, policy: &policy };
        partition::check(root, partition, &beside, report);
    }
    // The limits of the project hold for each mart that stores rows.
    let limited = |key: &str| key.starts_with("limits.") && kind.is_some_and(Kind::has_data);
    let limits = shared.project.origins.iter().filter(|(key, _)| limited(key));
    origins.extend(limits.map(|(key, variable)| (key.clone(), variable.clone())));
    let located = located?;
    let (mut index_decls, mut index_spans): (Vec<_>, Vec<_>) = indexes.into_iter().map(|i| (i.index, i.span)).unzip();
    if kind == Some(Kind::Table) && shared.project.auto_index && !root.has("indexes") && primary_key.is_empty() {
        let automatic = indexes::automatic(&located.query.text, &name);
        index_spans.extend(automatic.is_some().then(|| located.span.clone()));
        if automatic.is_some() {
            let origin = shared.project.origins.get("indexes.auto").map_or("project.toml", String::as_str);
            origins.insert("indexes".into(), format!("{origin}, on its grouping keys"));
        }
        index_decls.extend(automatic);
    }
    let mart = Mart {
        name: QName::new(schema.as_str(), name),
        kind: kind?,
        query: located.query.text,
        search_path,
        timezone,
        description: description(root),
        tags,
        owner: owner(root, shared.project, &mut origins, report),
        renamed_from: renamed_from.iter().map(|n| qualified(n, &schema)).collect(),
        depends_on,
        prevent_destroy: root.bool("prevent_destroy").unwrap_or(false),
        primary_key,
        publish: match root.str("publish") {
            Some("merge") => Publish::Merge,
            Some("swap") => Publish::Swap,
            _ => Publish::Auto,
        },
        tablespace: root.text("tablespace"),
        with: root.section("with").scalars(),
        session,
        columns: columns(root, report),
        indexes: index_decls,
        grants,
        refresh: policy,
        freshness,
        retention,
        partition,
        checks,
        versions,
        metadata: root.section("metadata").json(),
    };
    Some(Declared {
        spans: Spans {
            name: place_of_name(root),
            schema: if root.has("schema") { root.span("schema") } else { place_of_name(root) },
            query: located.span,
            primary_key: root.key_span("primary_key"),
            partition: root.key_span("partition"),
            indexes: index_spans,
            depends_on: depends_spans,
            renamed_from: renamed_spans,
        },
        text: report.text.clone(),
        types: located.query.types,
        desired: DesiredMart {
            mart,
            file: report.file.clone(),
            path: path.to_owned(),
            text: report.text.clone(),
            reads: located.query.relations,
            upstream: BTreeSet::new(),
            origins,
            query_source: located.source,
            part: None,
            view: None,
        },
    })
}

/// A mart without `name` is told about at its type.
fn place_of_name(root: &Section<'_>) -> Range<usize> {
    root.span(if root.has("name") { "name" } else { "type" })
}

fn mart_name(root: &Section<'_>, stem: &str, shared: &Shared<'_>, report: &mut Report) -> String {
    let name = root.text("name").unwrap_or_else(|| stem.to_owned());
    let span = place_of_name(root);
    check_name(&name, span.clone(), "name", report);
    if let Some((pattern, error)) = &shared.naming
        && !pattern.is_match(&name)
    {
        let message = format!("the name {name:?} does not match the project's pattern");
        let help = format!("names match {:?} ([naming] in project.toml)", pattern.as_str());
        if *error {
            report.error(span, "name", message, help);
        } else {
            report.warning(span, "name", message, help);
        }
    }
    name
}

fn schema(
    root: &Section<'_>,
    project: &Project,
    origins: &mut BTreeMap<String, String>,
    report: &mut Report,
) -> String {
    if let Some(schema) = root.text("schema") {
        check_schema(&schema, root.span("schema"), "schema", report);
        return schema;
    }
    if let Some(variable) = project.origins.get("schema") {
        origins.insert("schema".into(), variable.clone());
    } else if project.schema != Project::default().schema {
        origins.insert("schema".into(), "project.toml".into());
    }
    project.schema.clone()
}

fn owner(
    root: &Section<'_>,
    project: &Project,
    origins: &mut BTreeMap<String, String>,
    report: &mut Report,
) -> Option<String> {
    if let Some(owner) = root.text("owner") {
        check_name(&owner, root.span("owner"), "owner", report);
        return Some(owner);
    }
    if project.owner.is_some() {
        origins.insert("owner".into(), "project.toml".into());
    }
    project.owner.clone()
}

/// The time zone and the refresh policy; a view takes the time zone only.
fn policy(
    root: &Section<'_>,
    kind: Option<Kind>,
    own: &Said,
    shared: &Shared<'_>,
    origins: &mut BTreeMap<String, String>,
    report: &mut Report,
) -> (String, RefreshPolicy) {
    let inherited = &shared.defaults.project.timezone;
    let timezone = own.timezone.clone().unwrap_or_else(|| {
        if inherited.is_some() || shared.project.timezone != Project::default().timezone {
            origins.insert("refresh.timezone".into(), "project.toml".into());
        }
        inherited.clone().unwrap_or_else(|| shared.project.timezone.clone())
    });
    if kind == Some(Kind::View) {
        return (timezone, RefreshPolicy::default());
    }
    let mut layers = Layers { defaults: shared.defaults, origins };
    let policy = layers.policy(own, kind);
    refresh::check(root, &policy, report);
    (timezone, policy)
}

/// Columns that a unique index might have, as an example: those of an index there is.
fn candidates(indexes: &[indexes::Located]) -> Vec<String> {
    indexes
        .iter()
        .map(|i| &i.index.keys)
        .find(|keys| keys.iter().all(|k| !k.expression))
        .map(|keys| keys.iter().map(|k| k.term.clone()).collect())
        .unwrap_or_default()
}

fn session(root: &Section<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let section = root.section("session");
    for (name, span) in section.keys() {
        let lower = name.to_lowercase();
        if !kinds::is_parameter(name) {
            let message = format!("{name:?} is not the name of a setting");
            let help = "write for example `session = { work_mem = \"256MB\" }`";
            report.error(span, section.path(name), message, help);
        } else if matches!(lower.as_str(), "role" | "session_authorization") {
            let message = format!("`{name}` is not a setting of a mart's session");
            report.error(span, section.path(name), message, "use `owner`");
        }
    }
    section.scalars()
}

fn search_path(
    root: &Section<'_>,
    schema: &str,
    project: &Project,
    session: &BTreeMap<String, String>,
    report: &mut Report,
) -> Vec<String> {
    let given = session.iter().find(|(key, _)| key.eq_ignore_ascii_case("search_path"));
    if let Some((key, text)) = given {
        if let Some(names) = parse_name_list(text) {
            return names;
        }
        let section = root.section("session");
        report.error(
            section.span(key),
            section.path(key),
            format!("{text:?} is not a list of schemas"),
            "write for example `search_path = \"sales, public\"`",
        );
    }
    let mut path: Vec<String> = Vec::new();
    for name in [schema, project.schema.as_str(), "public"] {
        if !path.iter().any(|known| known == name) {
            path.push(name.to_owned());
        }
    }
    path
}

/// A list of names, with their places.
fn names(root: &Section<'_>, key: &str, report: &mut Report) -> (Vec<String>, Vec<Range<usize>>) {
    let (names, spans): (Vec<String>, Vec<_>) =
        root.strings(key).into_iter().map(|(name, span)| (name.to_owned(), span)).unzip();
    for (name, span) in names.iter().zip(&spans) {
        if name.is_empty() {
            report.error(span.clone(), key, format!("`{key}` has an empty name"), "remove it");
        }
    }
    (names, spans)
}

fn primary_key(root: &Section<'_>, report: &mut Report) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (column, span) in root.strings("primary_key") {
        check_name(column, span.clone(), "primary_key", report);
        if columns.iter().any(|known| known == column) {
            let message = format!("{column} stands twice in the primary key");
            report.error(span, "primary_key", message, "remove one of them");
        }
        columns.push(column.to_owned());
    }
    if root.has("primary_key") && columns.is_empty() {
        let span = root.span("primary_key");
        let help = "remove it, or name the columns";
        report.error(span, "primary_key", "the primary key is empty", help);
    }
    columns
}

fn columns(root: &Section<'_>, report: &mut Report) -> BTreeMap<String, ColumnDecl> {
    let section = root.section("columns");
    section
        .keys()
        .map(|(name, span)| {
            check_name(name, span, &section.path(name), report);
            let column = section.section(name);
            let said =
                ColumnDecl { description: description(&column), not_null: column.bool("not_null").unwrap_or(false) };
            (name.to_owned(), said)
        })
        .collect()
}

/// PostgreSQL keeps an empty comment as none.
fn description(section: &Section<'_>) -> Option<String> {
    section.text("description").filter(|text| !text.is_empty())
}

fn freshness(section: &Section<'_>, report: &mut Report) -> Option<Freshness> {
    let freshness = section.exists().then(|| Freshness {
        column: section.text("column"),
        warn_after: section.duration("warn_after"),
        error_after: section.duration("error_after"),
    })?;
    if let (Some(warn), Some(error)) = (freshness.warn_after, freshness.error_after)
        && warn > error
    {
        report.error(
            section.span("warn_after"),
            section.path("warn_after"),
            "`warn_after` is longer than `error_after`",
            "a warning comes before the error",
        );
    }
    Some(freshness)
}

/// A mart's file, relative to where it was found, for people.
pub(super) fn stem(path: &str) -> String {
    let file = PathBuf::from(path);
    file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}
