//! Which relations are imported, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};

use datamart::catalog::{Existing, Registered, RelationKind};
use datamart::manifest::Desired;
use datamart::state::QName;
use globset::{Glob, GlobMatcher};

use super::super::args::{ImportArgs, ImportKind};
use super::super::error::{CommandError, Result};
use super::super::report::import::Left;

/// What was chosen.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Relations that become marts.
    pub names: BTreeSet<QName>,
    /// Partitioned tables of which drafts are made.
    pub divided: BTreeSet<QName>,
    /// Tables that a manifest declares and nobody has applied: they can be adopted.
    pub tables: BTreeSet<QName>,
    /// What a manifest cannot say, with the reason.
    pub left: Vec<Left>,
}

/// Chooses by the flags among everything there is.
///
/// # Errors
/// A schema that does not exist; a pattern that is none.
pub fn choose(
    existing: Vec<Existing>,
    known: &BTreeMap<QName, Registered>,
    schemas: &BTreeSet<String>,
    desired: &Desired,
    args: &ImportArgs,
) -> Result<Chosen> {
    if let Some(schema) = args.schema.iter().find(|schema| !schemas.contains(*schema)) {
        let known: BTreeSet<&str> = existing.iter().map(|found| found.name.schema.as_str()).collect();
        let list: Vec<&str> = known.into_iter().collect();
        return Err(CommandError::input(format!("there is no schema {schema:?}"))
            .help(format!("schemas with relations of their own are {}", list.join(", "))));
    }
    let like = globs(&args.like, "--like")?;
    let exclude = globs(&args.exclude, "--exclude")?;
    let matches = |globs: &[GlobMatcher], name: &QName| {
        let full = format!("{}.{}", name.schema, name.name);
        globs.iter().any(|glob| glob.is_match(&name.name) || glob.is_match(&full))
    };
    let declared: BTreeSet<&QName> = desired.marts.iter().map(|mart| &mart.mart.name).collect();
    let mut chosen = Chosen::default();
    for found in existing {
        let name = &found.name;
        let wanted = (args.schema.is_empty() || args.schema.contains(&name.schema))
            && (like.is_empty() || matches(&like, name))
            && !matches(&exclude, name);
        if !wanted {
            continue;
        }
        let kind = found.kind.label();
        let registered = known.get(name);
        let other = registered.filter(|mart| mart.project != desired.project.name);
        if let Some(mart) = registered.filter(|mart| mart.versioned && other.is_none()) {
            // Its manifest says all there is to say of it, and of its versions.
            if mart.mart == *name && !declared.contains(name) {
                chosen.left.push(Left::new(name, kind, ORPHAN));
            }
            continue;
        }
        match found.kind {
            RelationKind::View | RelationKind::MaterializedView
                if !args.kind.is_none_or(|kind| kind.is(found.kind)) => {}
            RelationKind::View | RelationKind::MaterializedView => match other {
                Some(mart) => {
                    chosen.left.push(Left::new(name, kind, format!("project {} manages it", mart.project)));
                }
                None if found.continuous => {
                    let reason = "a continuous aggregate of TimescaleDB, which manifests cannot say yet";
                    chosen.left.push(Left::new(name, kind, reason));
                }
                None => {
                    chosen.names.insert(found.name);
                }
            },
            RelationKind::Table | RelationKind::PartitionedTable
                if args.adopt && declared.contains(name) && registered.is_none() =>
            {
                chosen.tables.insert(found.name);
            }
            RelationKind::PartitionedTable
                if args.kind == Some(ImportKind::PartitionedTable) && !declared.contains(name) && other.is_none() =>
            {
                chosen.divided.insert(found.name);
            }
            // A table mart has its manifest.
            _ if declared.contains(name) || other.is_some() || args.kind.is_some() => {}
            RelationKind::PartitionedTable => {
                let left = Left { partitions: found.partitions, ..Left::new(name, kind, NO_QUERY_OF_PARTITIONS) };
                chosen.left.push(left);
            }
            RelationKind::ForeignTable => {
                chosen.left.push(Left::new(name, kind, "rows of another server, without a stored query"));
            }
            _ => chosen.left.push(Left::new(name, kind, NO_QUERY)),
        }
    }
    Ok(chosen)
}

/// Why a versioned mart without a manifest is not imported: a new one would know nothing of its versions.
const ORPHAN: &str = "a versioned mart of this project without a manifest: bring that back, or `datamart drop` it";

/// Why tables are not imported.
pub const NO_QUERY: &str =
    "without a stored query; where one fills it, write its manifest with `type = \"table\"` and that query";

/// Why partitioned tables are not imported.
const NO_QUERY_OF_PARTITIONS: &str = "without a stored query; `datamart import --kind partitioned_table` drafts its manifest, to which you add the query";

fn globs(patterns: &[String], flag: &str) -> Result<Vec<GlobMatcher>> {
    let compile = |pattern: &String| match Glob::new(pattern) {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(CommandError::input(format!("{flag}: {error}"))),
    };
    patterns.iter().map(compile).collect()
}

impl ImportKind {
    /// Whether a relation is of that kind.
    fn is(self, kind: RelationKind) -> bool {
        match self {
            Self::View => kind == RelationKind::View,
            Self::MaterializedView => kind == RelationKind::MaterializedView,
            Self::PartitionedTable => kind == RelationKind::PartitionedTable,
        }
    }
}
