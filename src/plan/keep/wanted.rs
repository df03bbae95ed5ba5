//! The marts that are to be kept, in the order in which writers keep them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::keeper_function::{Function, of_mart};
use crate::catalog::{Actual, Recorded};
use crate::compile::{Compiled, recorded_for};
use crate::manifest::{Desired, DesiredMart};
use crate::plan::{Options, PlanProblem};
use crate::sql::{FreshView, Kept, asked_by};
use crate::state::{Changes, Keeper, Kind, Mart, Part, QName, Strategy, log_name, log_segments, quote_ident};

/// A setting that is another while logs are read.
const SCANS: &str = "enable_seqscan";

/// A mart that is to be kept.
pub(super) struct Keeping<'a> {
    pub name: &'a QName,
    pub mart: &'a Mart,
    pub changes: &'a Changes,
    pub owner: String,
    /// The plan is about it.
    pub selected: bool,
    pub file: Option<PathBuf>,
    columns: Vec<String>,
    logged: bool,
}

impl Keeping<'_> {
    /// The tables that it follows.
    pub fn sources(&self) -> Vec<&QName> {
        self.changes.sources.iter().map(|source| &source.table).collect()
    }

    /// The function that keeps it.
    pub fn function(&self, keeper: &Keeper, registry: &str, project: &str) -> Function {
        let view = FreshView {
            registry,
            project,
            rows: self.name,
            columns: &self.columns,
            changes: self.changes,
            logged: self.logged,
            timezone: &self.mart.timezone,
        };
        let unique = self.mart.indexes.iter().any(|index| index.unique);
        let settings = self.mart.settings();
        let own = settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(SCANS)).map(|(_, value)| value.as_str());
        let (primary_key, scans) = (self.mart.primary_key.as_slice(), own.unwrap_or("on"));
        let kept = Kept { view, primary_key, unique, owner: &self.owner, scans };
        let set = |key: &str| key.eq_ignore_ascii_case(SCANS) || key.eq_ignore_ascii_case("search_path");
        let others = settings.iter().filter(|(key, _)| !set(key)).cloned();
        let path = self.path();
        let more = [("search_path", path.as_str()), (SCANS, "off"), ("plan_cache_mode", "force_generic_plan")];
        let more = more.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings: Vec<(String, String)> = others.chain(more).collect();
        of_mart(keeper, &kept, &self.owner, &settings)
    }

    /// Where the function looks for names: what a writer made for its session comes last, or it would be looked at before all else.
    fn path(&self) -> String {
        let own = self.mart.search_path.iter().map(String::as_str);
        let own = own.filter(|schema| !["pg_catalog", "pg_temp"].contains(schema));
        let schemas = std::iter::once("pg_catalog").chain(own).chain(["pg_temp"]);
        schemas.map(quote_ident).collect::<Vec<_>>().join(", ")
    }

    /// Its owner reads the logs in the function, and gets no more of the registry than that takes. Who has which lock it cannot change,
    /// unless all of it is its own: `caller` made it.
    pub fn grants(&self, keeper: &Keeper, (user, caller): (&str, &str), registry: &str, project: &str) -> Vec<String> {
        if self.owner == user {
            return Vec::new();
        }
        let owner = quote_ident(&self.owner);
        let own = ["positions", "captures", "sentinels"].map(|table| QName::new(registry, table));
        let logs = self.changes.sources.iter();
        let logs = logs.flat_map(|source| log_segments(&log_name(registry, project, &source.table)));
        let tables: Vec<String> = own.into_iter().chain(logs).map(|table| table.to_string()).collect();
        let mut sql = vec![
            format!("GRANT USAGE ON SCHEMA {} TO {owner}", quote_ident(registry)),
            format!("GRANT SELECT ON {} TO {owner}", tables.join(", ")),
        ];
        if self.owner == caller {
            sql.push(format!("GRANT ALL ON {} TO {owner}", keeper.locks()));
        } else {
            sql.push(format!("REVOKE ALL ON {} FROM {owner}", keeper.locks()));
            sql.push(format!("GRANT SELECT, INSERT (mart, number), UPDATE (times) ON {} TO {owner}", keeper.locks()));
        }
        sql
    }
}

/// A mart that writers are to keep.
pub(super) fn asks(mart: &Mart) -> bool {
    mart.kind == Kind::Table && mart.refresh.strategy == Strategy::OnCommit
}

/// They, upstream first; of those that cannot be kept it is said why.
pub(super) fn wanted<'a>(
    desired: &'a Desired,
    compiled: &'a Compiled,
    actual: &'a Actual,
    options: &Options,
    dropped: &BTreeSet<QName>,
    problems: &mut Vec<PlanProblem>,
) -> Vec<Keeping<'a>> {
    let logged = desired.project.capture.logged;
    let mut known: BTreeSet<&QName> = BTreeSet::new();
    let mut marts = Vec::new();
    for declared in &desired.marts {
        let recorded = recorded_for(&declared.mart, actual);
        known.extend(recorded.map(|row| &row.mart.name));
        if !options.selects(&declared.mart.name) {
            marts.extend(recorded.filter(|row| asks(&row.mart)).and_then(|row| of_recorded(row, actual, logged)));
        } else if asks(&declared.mart) {
            marts.extend(of_declared(declared, compiled, actual, logged));
        }
    }
    // What has no manifest and stays, goes on.
    let others = actual.recorded.iter().filter(|(name, row)| {
        asks(&row.mart) && row.part.is_none() && !known.contains(name) && !dropped.contains(*name)
    });
    marts.extend(others.filter_map(|(_, row)| of_recorded(row, actual, logged)));
    for mart in marts.iter().filter(|mart| mart.selected) {
        problems.extend(problem(mart, desired));
    }
    marts
}

/// The versioned mart of which it follows a version. Another version would be published with nobody in between who follows it.
fn version_of<'a>(kept: &Keeping<'_>, desired: &'a Desired) -> Option<&'a QName> {
    let part = |source: &QName| {
        let is = |mart: &&DesiredMart| mart.mart.name == *source;
        desired.marts.iter().find(is).and_then(|mart| mart.part.as_ref())
    };
    kept.sources().into_iter().find_map(part).map(Part::mart)
}

fn of_declared<'a>(
    declared: &'a DesiredMart,
    compiled: &'a Compiled,
    actual: &'a Actual,
    logged: bool,
) -> Option<Keeping<'a>> {
    let mart = &declared.mart;
    let recorded = recorded_for(mart, actual);
    let (changes, columns) = match (compiled.marts.get(&mart.name), recorded) {
        (Some(is), _) => (is.changes.as_ref()?, &is.columns),
        (None, Some(row)) => (row.applied.changes.as_ref()?, &row.applied.columns),
        (None, None) => return None,
    };
    let live = actual.relations.get(recorded.map_or(&mart.name, |row| &row.mart.name));
    let owner = mart.owner.clone().or_else(|| live.map(|live| live.owner.clone()));
    Some(Keeping {
        name: &mart.name,
        mart,
        changes,
        owner: owner.unwrap_or_else(|| actual.server.user.clone()),
        selected: true,
        file: Some(declared.file.clone()),
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        logged,
    })
}

fn of_recorded<'a>(row: &'a Recorded, actual: &'a Actual, logged: bool) -> Option<Keeping<'a>> {
    let live = actual.relations.get(&row.mart.name);
    Some(Keeping {
        name: &row.mart.name,
        mart: &row.mart,
        changes: row.applied.changes.as_ref()?,
        owner: live.map_or_else(|| actual.server.user.clone(), |live| live.owner.clone()),
        selected: false,
        file: None,
        columns: row.applied.columns.iter().map(|column| column.name.clone()).collect(),
        logged,
    })
}

/// Why a mart cannot be kept by whoever writes.
fn problem(kept: &Keeping<'_>, desired: &Desired) -> Option<PlanProblem> {
    let told = |message: String, help: &str| PlanProblem {
        mart: kept.name.clone(),
        file: kept.file.clone().unwrap_or_default(),
        key: "refresh.strategy".to_owned(),
        message,
        help: help.to_owned(),
    };
    if let Some(moving) = kept.changes.moving.first() {
        let message = format!("its rows change with the clock ({}), when nobody commits anything", moving.bound);
        return Some(told(message, "use `fresh = true`, or a schedule"));
    }
    if let Some(versioned) = version_of(kept, desired) {
        let message = format!("it reads {versioned}, whose versions replace each other beside writers");
        let help = "keep what it reads without `[versions]` and `fresh`, or use `fresh = true` or a schedule here";
        return Some(told(message, help));
    }
    if asked_by(kept.changes).is_empty() {
        let names: Vec<&str> = kept.changes.key.iter().map(|key| key.name.as_str()).collect();
        let message = format!("its rows are told apart by {}, which is an array", names.join(", "));
        return Some(told(message, "group by something else, too, or use a schedule"));
    }
    None
}
