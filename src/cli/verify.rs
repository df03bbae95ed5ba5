//! `verify`: marts compared with their queries, row by row.

use std::collections::BTreeSet;

use datamart::database::{ErrorKind, SqlError};
use datamart::refresh::{self, Asked, How, Item, Options, Run, RunStatus, Verified};
use datamart::state::{Kind, QName};
use serde_json::json;

use super::Exit;
use super::args::{Globals, VerifyArgs};
use super::context::Context;
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::report;

/// Compares; with `--repair` computes all rows of the marts that are wrong. 1 where a mart is wrong and stays so.
///
/// # Errors
/// A mart that is not applied, or cannot be read.
pub async fn run(args: &VerifyArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "verify").await?;
    let seen = context.actual().await?;
    let names: BTreeSet<QName> = args.names.iter().map(|name| context.find(&seen, name)).collect::<Result<_>>()?;
    let mut items = refresh::items(&seen.actual, &names).map_err(|unknown| {
        let names: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        CommandError::input(format!("not applied yet: {}", names.join(", "))).help("run `datamart apply` first")
    })?;
    if let Some(view) = items.iter().find(|item| item.recorded.mart.kind == Kind::View) {
        return Err(CommandError::input(format!("{} is a view: it has no rows of its own", view.mart)));
    }
    let options = Options { requested_by: super::who(), ..Options::of(&context.desired.project, &seen.actual) };
    let (mut found, mut failed): (Vec<Verified>, Vec<(String, CommandError)>) = (Vec::new(), Vec::new());
    for item in &items {
        let (user, registry) = (&seen.actual.server.user, &context.desired.project.registry_schema);
        match refresh::verify(&mut context.conn, item, &options, user, args.sample).await {
            Ok(verified) => found.push(verified),
            // Nothing more can be asked of a server that is gone.
            Err(error) if error.kind == ErrorKind::Connection => return Err(unreadable(item, &error, registry)),
            Err(error) => failed.push((item.mart.to_string(), unreadable(item, &error, registry))),
        }
    }
    if found.is_empty() && failed.len() == 1 {
        return Err(failed.remove(0).1);
    }
    let wrong: BTreeSet<&String> = found.iter().filter(|found| !found.same).map(|found| &found.mart).collect();
    let mut runs: Vec<Run> = Vec::new();
    if args.repair {
        items.retain(|item| wrong.contains(&item.mart.to_string()));
        items.iter_mut().for_each(|item| item.asked = Asked { how: How::Full, ..Asked::default() });
        let endpoint = context.reach.endpoint.clone();
        runs = refresh::refresh(&endpoint, &items, &options, &|| false, &mut |_| {}).await?;
    }
    context.close().await?;
    let repaired = runs.iter().filter(|run| run.status == RunStatus::Success).count();
    if style.json() {
        let told = |(mart, error): &(String, CommandError)| {
            let mut told = error.json();
            told["mart"] = json!(mart);
            told
        };
        let failed: Vec<_> = failed.iter().map(told).collect();
        print::json(&json!({ "marts": found, "failed": failed, "runs": runs }));
    } else {
        print::out(&report::verify::text(&found, style));
        failed.iter().for_each(|(_, error)| error.print(style));
        if !runs.is_empty() {
            print::out(&report::runs::table(&runs, style));
        }
    }
    Ok(if wrong.len() > repaired || !failed.is_empty() { Exit::Failed } else { Exit::Done })
}

fn unreadable(item: &Item, error: &SqlError, registry: &str) -> CommandError {
    let what = format!("cannot compare {} with its query", item.mart);
    // Of our own relations only a log is read.
    if error.is("42P01") && error.message.contains(&format!("\"{registry}.")) {
        let failed = CommandError { causes: vec![error.message.clone()], ..CommandError::new("missing", what) };
        return failed
            .help("what logs the changes of a table it reads is gone: `datamart apply --heal` makes it again");
    }
    let owner = item.live.as_ref().map(|live| live.owner.as_str());
    let error = error.clone().of_one_of(item.recorded.applied.reads.values().map(|read| &read.name));
    CommandError::sql_of_mart(&what, &error, &item.recorded.mart.search_path, owner)
}
