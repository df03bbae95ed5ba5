//! `list`: the marts.

use datamart::observe::MartStatus;
use serde_json::json;

use super::Exit;
use super::args::{Globals, ListArgs};
use super::context::Context;
use super::error::Result;
use super::print::{self, Style};
use super::report;

/// One row per mart; with `--stats` rows and sizes.
pub async fn run(args: &ListArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "list").await?;
    let mut marts = context.looking(async |context, seen| context.status(seen).await).await?;
    context.close().await?;
    if !args.stats {
        marts.iter_mut().for_each(MartStatus::without_sizes);
    }
    if style.json() {
        print::json(&json!({ "marts": marts }));
    } else {
        print::out(&report::mart::list(&marts, args.stats, style));
    }
    Ok(Exit::Done)
}
