//! `preview`: some rows of a mart.

use datamart::observe;

use super::Exit;
use super::args::{Globals, PreviewArgs};
use super::context::{Context, snapshot};
use super::error::Result;
use super::print::{self, Style};
use super::report;

/// Reads them as the mart's owner, and counts all.
pub async fn run(args: &PreviewArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "preview").await?;
    let seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    let (looked, conn) = context.looked(&seen);
    let preview =
        snapshot(
            conn,
            looked.desired,
            async |conn| Ok(observe::preview(conn, &looked, &name, args.limit, None).await?),
        )
        .await?;
    context.close().await?;
    if style.json() {
        print::json(&preview);
    } else {
        print::out(&report::rows::preview(&preview));
    }
    Ok(Exit::Done)
}
