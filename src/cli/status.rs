//! `status`: how every mart is, and how the project stands to its manifests.

use datamart::database::registry;
use datamart::observe;
use serde_json::json;

use super::Exit;
use super::args::Globals;
use super::context::{Context, Seen};
use super::error::Result;
use super::print::{self, Style};
use super::report;

/// One row per mart, and what is wrong below.
pub async fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open_anyway(globals, style, "status").await?;
    let read = async |context: &mut Context, seen: &Seen| Ok((context.status(seen).await?, seen.registry.clone()));
    let (marts, registry) = context.looking(read).await?;
    let standing = match &registry {
        Some(meta) if meta.format >= registry::DAEMONS => {
            let (schema, project) = (context.registry_schema().to_owned(), context.project().to_owned());
            observe::standing(&mut context.conn, &schema, &project).await?
        }
        _ => None,
    };
    context.close().await?;
    if style.json() {
        print::json(&json!({ "marts": marts, "reconcile": standing }));
        return Ok(Exit::Done);
    }
    print::out(&report::status::marts(&marts, style));
    if let Some(standing) = &standing {
        print::out(&report::status::standing(standing, style));
    }
    Ok(Exit::Done)
}
