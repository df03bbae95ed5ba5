//! `url`: where the database is.

use serde_json::json;

use super::Exit;
use super::args::Globals;
use super::context;
use super::error::Result;
use super::print::{self, Style};

/// Prints the URL, password included: it was asked for.
pub async fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let desired = context::load(globals, style)?;
    let reach = context::reach(globals, style, &desired).await?;
    let url = reach.endpoint.url().to_owned();
    reach.close().await?;
    if style.json() {
        print::json(&json!({ "url": url }));
    } else {
        print::out(&url);
    }
    Ok(Exit::Done)
}
