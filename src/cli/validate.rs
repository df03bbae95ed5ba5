//! `validate`: the manifests alone.

use serde_json::json;

use super::Exit;
use super::args::Globals;
use super::context;
use super::error::{Result, count, problems_json};
use super::print::{self, Style};

/// Reads the manifests and says what there is.
pub fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let desired = context::load(globals, style)?;
    if style.json() {
        let names: Vec<String> = desired.marts.iter().map(|d| d.mart.name.to_string()).collect();
        print::json(&json!({ "marts": names, "problems": problems_json(&desired.warnings) }));
    } else {
        let marts = desired.marts.len();
        let verb = if marts == 1 { "is" } else { "are" };
        print::out(&format!("{} {verb} valid.", count(marts, "mart")));
    }
    Ok(Exit::Done)
}
