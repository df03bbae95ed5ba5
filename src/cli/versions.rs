//! `versions`: the versions of a mart.

use std::collections::HashMap;

use datamart::catalog::{self, Recorded, RecordedVersion};
use datamart::observe::human_size;
use datamart::state::QName;
use serde_json::{Value, json};

use super::Exit;
use super::args::{Globals, NameArgs};
use super::context::{Context, Seen, snapshot};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::report::mart::{dash, moment};
use super::report::table::table;
use datamart::state::thousands;

/// Lists the versions, the newest first.
///
/// # Errors
/// A mart that is not applied, or has no versions.
pub async fn run(args: &NameArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "versions").await?;
    let seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    let row = versioned(&seen, &name)?;
    let live = row.versions.iter().filter_map(|version| seen.actual.relations.get(&version.mart.name));
    let oids: Vec<i64> = live.map(|relation| relation.oid).collect();
    let sizes = snapshot(&mut context.conn, &context.desired, async |conn| {
        catalog::sizes(conn, &oids).await.map_err(CommandError::from)
    })
    .await?;
    context.close().await?;
    // A rollback to the newest takes the pin away.
    let newest = row.versions.last().map(|version| version.number);
    let pinned = match &row.held {
        Some(held) => Some(held.pin).filter(|pin| Some(*pin) != newest),
        None => row.mart.versions.and_then(|versions| versions.pin),
    };
    let current = row.published().map(|version| version.number);
    let bytes: HashMap<i64, i64> = sizes.into_iter().map(|(oid, stats)| (oid, stats.total_bytes)).collect();
    let versions: Vec<Told> = row.versions.iter().rev().map(|version| Told::of(version, &seen, &bytes)).collect();
    if style.json() {
        let versions: Vec<Value> = versions.iter().map(Told::json).collect();
        print::json(&json!({ "mart": name.to_string(), "current": current, "pinned": pinned, "versions": versions }));
        return Ok(Exit::Done);
    }
    let rows = versions.iter().map(|told| told.line(pinned)).collect();
    let header = ["version", "state", "relation", "rows", "size", "created", "revision"];
    print::out(&table(&header, &["version", "rows", "size"], rows));
    Ok(Exit::Done)
}

/// The registry's row of a versioned mart.
///
/// # Errors
/// A mart that is not applied, or has no versions.
pub fn versioned<'a>(seen: &'a Seen, name: &QName) -> Result<&'a Recorded> {
    let row =
        seen.actual.recorded.get(name).ok_or_else(|| {
            CommandError::input(format!("{name} is not applied yet")).help("run `datamart apply` first")
        })?;
    match row.versions.is_empty() {
        false => Ok(row),
        true => Err(CommandError::input(format!("{name} has no versions"))
            .help("write `[versions]` with `keep = 3` into its manifest, and apply")),
    }
}

/// A version by its number.
///
/// # Errors
/// A number that no version has.
pub fn version(row: &Recorded, number: u32) -> Result<&RecordedVersion> {
    row.version(number)
        .ok_or_else(|| CommandError::input(format!("{} has no version {number}", row.mart.name)).help(numbers(row)))
}

/// The relation of a version has to be there for it to be published or compared.
///
/// # Errors
/// A version whose relation somebody dropped.
pub fn present(version: &RecordedVersion, row: &Recorded, seen: &Seen) -> Result<()> {
    match seen.actual.relations.contains_key(&version.mart.name) {
        true => Ok(()),
        false => {
            let (number, relation) = (version.number, &version.mart.name);
            let message = format!("version {number} of {} is gone: {relation} is not in the database", row.mart.name);
            Err(CommandError::new("absent", message).help(numbers(row)))
        }
    }
}

/// Which versions a mart has, as a way out.
pub fn numbers(row: &Recorded) -> String {
    let list: Vec<String> = row.versions.iter().map(|version| version.number.to_string()).collect();
    let noun = if list.len() == 1 { "version is" } else { "versions are" };
    format!("its {noun} {}; see `datamart versions {}`", list.join(", "), shown(&row.mart.name))
}

/// A mart's name as a command takes it.
fn shown(name: &QName) -> String {
    let text = name.to_string();
    if text.contains('"') { format!("'{text}'") } else { text }
}

/// A version, as it is told.
struct Told {
    number: u32,
    published: bool,
    relation: QName,
    /// Its relation is there.
    present: bool,
    rows: Option<i64>,
    bytes: Option<i64>,
    created_at: chrono::DateTime<chrono::Utc>,
    revision: Option<String>,
}

impl Told {
    fn of(version: &RecordedVersion, seen: &Seen, bytes: &HashMap<i64, i64>) -> Self {
        let live = seen.actual.relations.get(&version.mart.name);
        let stored = live.filter(|_| version.mart.kind.has_data());
        Self {
            number: version.number,
            published: version.published,
            relation: version.mart.name.clone(),
            present: live.is_some(),
            // The planner's estimate, far below 2^53.
            rows: stored.filter(|live| live.tuples >= 0.0).map(|live| live.tuples as i64),
            bytes: stored.and_then(|live| bytes.get(&live.oid).copied()),
            created_at: version.created_at,
            revision: version.revision.clone(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "version": self.number,
            "published": self.published,
            "relation": self.relation.to_string(),
            "present": self.present,
            "row_count": self.rows,
            "estimated": self.rows.is_some(),
            "size_bytes": self.bytes,
            "size": self.bytes.map(human_size),
            "created_at": self.created_at,
            "revision": self.revision,
        })
    }

    fn line(&self, pinned: Option<u32>) -> Vec<String> {
        let state = match (self.published, self.present) {
            (_, false) => "gone",
            (true, _) if pinned == Some(self.number) => "published, pinned",
            (true, _) => "published",
            (false, _) => "kept",
        };
        vec![
            self.number.to_string(),
            state.to_owned(),
            self.relation.to_string(),
            self.rows.map_or_else(dash, |rows| format!("~{}", thousands(rows))),
            self.bytes.map_or_else(dash, human_size),
            moment(self.created_at),
            self.revision.clone().unwrap_or_else(dash),
        ]
    }
}
