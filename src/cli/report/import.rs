//! What an import did, in the form that was asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datamart::adopt::Note;
use datamart::state::QName;
use serde_json::{Value, json};

use super::super::args::Format;
use super::super::error::count;
use super::super::print::{self, Style};
use super::paint::Paint;
use super::plain;

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    /// The manifests' folder.
    pub dir: PathBuf,
    /// Host and database.
    pub database: String,
    /// How many marts have a new manifest.
    pub new: usize,
    /// How many marts' manifests were changed.
    pub changed: usize,
    /// Files that are new, below the folder.
    pub created: Vec<String>,
    /// Files that were changed.
    pub updated: Vec<String>,
    /// Drafts of manifests, to which a query has to be added.
    pub drafted: Vec<String>,
    /// How many say already what is there.
    pub unchanged: usize,
    /// How many rows of the registry were written; `None` where that was not asked for.
    pub adopted: Option<usize>,
    /// How many of the marts the registry knows already.
    pub managed: usize,
    /// What became no manifest.
    pub left: Vec<Left>,
    /// What a user should know.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Nothing yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), ..Self::default() }
    }
}

/// A relation that became no manifest.
#[derive(Debug)]
pub struct Left {
    /// Which.
    pub relation: QName,
    /// What it is.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Of a partitioned table, how many partitions it has.
    pub partitions: i64,
}

impl Left {
    /// One without partitions.
    pub fn new(relation: &QName, kind: &str, reason: impl Into<String>) -> Self {
        Self { relation: relation.clone(), kind: kind.to_owned(), reason: reason.into(), partitions: 0 }
    }
}

/// Prints it on stdout.
pub fn print(told: &Imported, style: Style) {
    match style.format {
        Format::Json => print::json(&value(told)),
        _ => print::out(&text(told, style.out_color)),
    }
}

fn value(told: &Imported) -> Value {
    let left = told.left.iter().map(|left| {
        let mut value = json!({
            "name": left.relation.name,
            "schema": left.relation.schema,
            "full_name": left.relation.to_string(),
            "type": left.kind.replace(' ', "_"),
            "reason": left.reason,
        });
        if left.partitions > 0 {
            value["partitions"] = left.partitions.into();
        }
        value
    });
    let notes = told.notes.iter().map(|note| {
        json!({
            "name": note.relation.name,
            "schema": note.relation.schema,
            "full_name": note.relation.to_string(),
            "message": note.message,
        })
    });
    json!({
        "created": told.created,
        "updated": told.updated,
        "drafted": told.drafted,
        "unchanged": told.unchanged,
        "adopted": told.adopted,
        "not_imported": left.collect::<Vec<_>>(),
        "notes": notes.collect::<Vec<_>>(),
    })
}

fn text(told: &Imported, color: bool) -> String {
    let paint = Paint(color);
    let mut text = String::new();
    let files = [&told.created, &told.drafted, &told.updated];
    let symbols = [paint.green("+"), paint.green("+"), paint.yellow("~")];
    for (symbol, paths) in symbols.iter().zip(files) {
        for path in paths {
            text.push_str(&format!("{symbol} {}\n", plain(&told.dir.join(path).display().to_string())));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    if !told.left.is_empty() {
        text.push_str(&format!("{}\n", paint.bold("Not imported:")));
        text.push_str(&left(&told.left));
        text.push('\n');
    }
    if !told.notes.is_empty() {
        text.push_str(&format!("{}\n", paint.bold("To know:")));
        for note in &told.notes {
            text.push_str(&format!("  {}\n", plain(&format!("{}: {}", note.relation, note.message))));
        }
        text.push('\n');
    }
    text.push_str(&format!("{}\n", paint.bold(&summary(told))));
    text
}

/// Relations with the same reason stand together.
fn left(left: &[Left]) -> String {
    let mut by_reason: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for one in left {
        let mut name = plain(&one.relation.to_string());
        if one.partitions > 0 {
            name.push_str(&format!(" ({})", count(usize::try_from(one.partitions).unwrap_or_default(), "partition")));
        }
        by_reason.entry((&one.kind, &one.reason)).or_default().push(name);
    }
    let mut text = String::new();
    for ((kind, reason), names) in by_reason {
        text.push_str(&format!("  {}: {}\n", count(names.len(), kind), plain(reason)));
        let mut line = String::new();
        for (at, name) in names.iter().enumerate() {
            let end = if at + 1 < names.len() { "," } else { "" };
            if !line.is_empty() && line.chars().count() + name.chars().count() > 110 {
                text.push_str(&format!("    {}\n", line.trim_end()));
                line.clear();
            }
            line.push_str(&format!("{name}{end} "));
        }
        text.push_str(&format!("    {}\n", line.trim_end()));
    }
    text
}

fn summary(told: &Imported) -> String {
    let marts = told.new + told.changed + told.unchanged;
    if !told.drafted.is_empty() && marts == 0 {
        let drafts = count(told.drafted.len(), "manifest");
        return format!("Drafted {drafts} from {}: add the queries, and take `.draft` off the names.", told.database);
    }
    if marts == 0 {
        return format!("Nothing to import from {}.", told.database);
    }
    let mut summary = format!(
        "Imported {} from {} into {}: {} new, {} changed, {} as they were.",
        count(marts, "mart"),
        told.database,
        told.dir.display(),
        told.new,
        told.changed,
        told.unchanged
    );
    match told.adopted {
        None if told.managed == marts => {}
        None => {
            summary.push_str(" `datamart import --adopt` records them as they are, so that the next plan is empty.")
        }
        Some(0) => summary.push_str(" All of them were adopted before."),
        Some(number) => summary.push_str(&format!(" Adopted {number}: nothing of them was changed.")),
    }
    summary
}
