//! `drop`: removes a mart that no manifest declares.

use std::collections::BTreeSet;
use std::time::Duration;

use datamart::catalog::Actual;
use datamart::manifest::Desired;
use datamart::plan::HazardKind;
use datamart::state::QName;

use super::Exit;
use super::apply::{self, ApplyOptions, Source};
use super::args::{ChangeArgs, DropArgs, Globals};
use super::context::{Context, PlanFlags};
use super::error::{CommandError, Result};
use super::print::Style;

/// Drops it through the same plan and apply as everything else. Its name was typed: nobody is asked again.
pub async fn run(args: &DropArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "drop").await?;
    let seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    refuse_declared(&context.desired, &name)?;
    let mut names = BTreeSet::from([name.clone()]);
    let dependents = dependents(&context.desired, &seen.actual, &name)?;
    if args.cascade {
        names.extend(dependents);
    } else if !dependents.is_empty() {
        let list: Vec<String> = dependents.iter().map(ToString::to_string).collect();
        let message = format!("{name} is read by {}", list.join(", "));
        return Err(CommandError::input(message).help("--cascade drops these managed marts, too"));
    }
    let flags = PlanFlags {
        // Who names a mart means its versions, too, and rows that cannot be computed again.
        change: ChangeArgs { prune: true, allow: vec![HazardKind::DeletesData.to_string()], ..ChangeArgs::default() },
        only: Some(names),
        ..PlanFlags::default()
    };
    let options = ApplyOptions { auto_approve: true, wait: Duration::ZERO };
    let exit = apply::perform(&mut context, Source::Made(flags), &options).await?;
    context.close().await?;
    Ok(exit)
}

fn refuse_declared(desired: &Desired, name: &QName) -> Result<()> {
    match file_of(desired, name) {
        Some(file) => Err(CommandError::input(format!("{name} is declared in {file}"))
            .help(format!("remove {file} and run `datamart apply --prune`"))),
        None => Ok(()),
    }
}

fn file_of(desired: &Desired, name: &QName) -> Option<String> {
    let declared = desired.marts.iter().find(|d| d.mart.name == *name)?;
    Some(declared.file.display().to_string())
}

/// The managed marts that read it, directly or not; an error where one of them is declared.
fn dependents(desired: &Desired, actual: &Actual, name: &QName) -> Result<BTreeSet<QName>> {
    let mut found = BTreeSet::new();
    let mut queue = vec![name.clone()];
    while let Some(read) = queue.pop() {
        let live = actual.relations.get(&read).map(|relation| relation.dependents.as_slice()).unwrap_or_default();
        let in_database = live.iter().filter_map(|dependent| dependent.relation.as_ref());
        let in_registry = actual
            .recorded
            .iter()
            .filter(|(_, row)| row.applied.reads.values().any(|signature| signature.name == read))
            .map(|(name, _)| name);
        for reader in in_database.chain(in_registry).filter(|reader| actual.recorded.contains_key(*reader)) {
            if let Some(file) = file_of(desired, reader) {
                let message = format!("{name} is read by {reader}, which {file} declares");
                return Err(CommandError::input(message)
                    .help(format!("change or remove {file} and run `datamart apply` first")));
            }
            if *reader != *name && found.insert(reader.clone()) {
                queue.push(reader.clone());
            }
        }
    }
    Ok(found)
}
