//! `stats`: one mart, looked at closely.

use datamart::observe;

use super::Exit;
use super::args::{Globals, NameArgs};
use super::context::{Context, Seen};
use super::error::Result;
use super::print::{self, Style};
use super::report;
use super::snapshot::rows;

/// Counts its rows and shows all that is known of it.
pub async fn run(args: &NameArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "stats").await?;
    let read = async |context: &mut Context, seen: &Seen| {
        let name = context.find(seen, &args.name)?;
        let (looked, conn) = context.looked(seen);
        rows(conn, looked.desired, async |conn| Ok(observe::stats(conn, &looked, &name).await?)).await
    };
    let mart = context.looking(read).await?;
    context.close().await?;
    if style.json() {
        print::json(&mart);
    } else {
        print::out(&report::mart::stats(&mart, style));
    }
    Ok(Exit::Done)
}
