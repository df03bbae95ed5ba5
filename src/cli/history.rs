//! `history`: the runs of one mart or of all.

use std::collections::BTreeSet;

use datamart::observe;
use datamart::state::selector::{self, Node};
use serde_json::json;

use super::Exit;
use super::args::{Globals, HistoryArgs};
use super::context::Context;
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::report;
use super::snapshot::snapshot;

/// So many runs at most, newest first.
const RUNS: i64 = 100;

/// Lists runs, newest first; those of dropped marts too.
pub async fn run(args: &HistoryArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "history").await?;
    let schema = context.registry_schema().to_owned();
    let (project, home) = (context.project().to_owned(), context.desired.project.schema.clone());
    let known = context.registry().await?.is_some();
    let declared: Vec<_> = context.desired.marts.iter().map(|d| d.mart.name.clone()).collect();
    let runs = snapshot(&mut context.conn, &context.desired, async |conn| {
        let mut names: BTreeSet<_> = declared.into_iter().collect();
        if known {
            names.extend(observe::marts_with_history(conn, &schema, &project).await?);
        }
        let name = match &args.name {
            Some(text) => {
                let nodes: Vec<Node> = names.into_iter().map(Node::named).collect();
                Some(selector::find(text, &nodes, &home).map_err(|message| CommandError::new("selector", message))?)
            }
            None => None,
        };
        match known {
            true => Ok(observe::history(conn, &schema, &project, name.as_ref(), RUNS).await?),
            false => Ok(Vec::new()),
        }
    })
    .await?;
    context.close().await?;
    if style.json() {
        print::json(&json!({ "runs": runs }));
    } else {
        print::out(&report::runs::history(&runs, style));
    }
    Ok(Exit::Done)
}
