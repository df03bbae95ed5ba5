//! `validate`: the manifests alone.

use std::collections::BTreeMap;

use datamart::manifest::Desired;
use datamart::state::{Incremental, QName};
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
        let methods: BTreeMap<String, &str> =
            partly(&desired).map(|(name, incremental)| (name.to_string(), incremental.method.as_str())).collect();
        print::json(&json!({ "marts": names, "methods": methods, "problems": problems_json(&desired.warnings) }));
    } else {
        let marts = desired.marts.len();
        let verb = if marts == 1 { "is" } else { "are" };
        print::out(&format!("{} {verb} valid.", count(marts, "mart")));
        for (name, incremental) in partly(&desired) {
            match incremental.follows_changes() {
                // That needs the server's text of it.
                true => print::out(&format!("  {name} is to follow what changes; `plan` says whether its query can")),
                false => print::out(&format!("  {name} is refreshed in part: {incremental}")),
            }
        }
    }
    Ok(Exit::Done)
}

/// Marts of which a refresh computes some of the rows.
fn partly(desired: &Desired) -> impl Iterator<Item = (&QName, &Incremental)> {
    desired.marts.iter().filter_map(|d| Some((&d.mart.name, d.mart.refresh.incremental.as_ref()?)))
}
