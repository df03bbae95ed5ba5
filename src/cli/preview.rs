//! `preview`: some rows of a mart.

use datamart::observe;

use super::Exit;
use super::args::{Globals, PreviewArgs};
use super::context::{Context, Seen};
use super::error::Result;
use super::print::{self, Style};
use super::report;
use super::snapshot::rows;

/// Reads them as the mart's owner, and counts all.
pub async fn run(args: &PreviewArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "preview").await?;
    let read = async |context: &mut Context, seen: &Seen| {
        let name = context.find(seen, &args.name)?;
        let (looked, conn) = context.looked(seen);
        let preview = async |conn: &mut _| Ok(observe::preview(conn, &looked, &name, args.limit, None).await?);
        rows(conn, looked.desired, preview).await
    };
    let preview = context.looking(read).await?;
    context.close().await?;
    if style.json() {
        print::json(&preview);
    } else {
        print::out(&report::rows::preview(&preview));
    }
    Ok(Exit::Done)
}
