//! `versions`: the versions of a mart.

use datamart::catalog::{Recorded, RecordedVersion};
use datamart::observe::{self, VersionStatus};
use datamart::state::QName;

use super::Exit;
use super::args::{Globals, NameArgs};
use super::context::{Context, Seen};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::report::mart::{dash, moment};
use super::report::table::table;
use super::snapshot::snapshot;
use datamart::state::thousands;

/// Lists the versions, the newest first.
///
/// # Errors
/// A mart that is not applied, or has no versions.
pub async fn run(args: &NameArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "versions").await?;
    let read = async |context: &mut Context, seen: &Seen| {
        let name = context.find(seen, &args.name)?;
        let row = versioned(seen, &name)?;
        let (looked, conn) = context.looked(seen);
        snapshot(conn, looked.desired, async |conn| Ok(observe::versions(conn, &looked, row).await?)).await
    };
    let told = context.looking(read).await?;
    context.close().await?;
    if style.json() {
        print::json(&told);
        return Ok(Exit::Done);
    }
    let rows = told.versions.iter().map(|version| line(version, told.pinned)).collect();
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
pub fn version<'a>(row: &'a Recorded, number: u32, seen: &Seen) -> Result<&'a RecordedVersion> {
    row.version(number).ok_or_else(|| {
        CommandError::input(format!("{} has no version {number}", row.mart.name)).help(numbers(row, seen))
    })
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
            Err(CommandError::new("absent", message).help(numbers(row, seen)))
        }
    }
}

/// Which versions a mart has that are there, as a way out.
pub fn numbers(row: &Recorded, seen: &Seen) -> String {
    let there = row.versions.iter().filter(|version| seen.actual.relations.contains_key(&version.mart.name));
    let list: Vec<String> = there.map(|version| version.number.to_string()).collect();
    let known = match list.as_slice() {
        [] => "none of its versions is there".to_owned(),
        [one] => format!("its version is {one}"),
        more => format!("its versions are {}", more.join(", ")),
    };
    format!("{known}; see `datamart versions {}`", shown(&row.mart.name))
}

/// A mart's name as a command takes it.
fn shown(name: &QName) -> String {
    let text = name.to_string();
    if text.contains('"') { format!("'{text}'") } else { text }
}

fn line(told: &VersionStatus, pinned: Option<u32>) -> Vec<String> {
    let state = match (told.published, told.present) {
        (_, false) => "gone",
        (true, _) if pinned == Some(told.version) => "published, pinned",
        (true, _) => "published",
        (false, _) => "kept",
    };
    vec![
        told.version.to_string(),
        state.to_owned(),
        told.relation.clone(),
        told.row_count.map_or_else(dash, |rows| format!("~{}", thousands(rows))),
        told.size.clone().unwrap_or_else(dash),
        moment(told.created_at),
        told.revision.clone().unwrap_or_else(dash),
    ]
}
