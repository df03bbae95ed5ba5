//! `status`: how every mart is.

use serde_json::json;

use super::Exit;
use super::args::Globals;
use super::context::Context;
use super::error::Result;
use super::print::{self, Style};
use super::report;

/// One row per mart, and what is wrong below.
pub async fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "status").await?;
    let seen = context.actual().await?;
    let marts = context.status(&seen).await?;
    context.close().await?;
    if style.json() {
        print::json(&json!({ "marts": marts }));
    } else {
        print::out(&report::mart::status(&marts, style));
    }
    Ok(Exit::Done)
}
