//! `claim`: takes over a registry that came with a restored or cloned database.

use datamart::database::registry::{self, Owner};
use serde_json::json;
use sqlx::Connection;

use super::args::Globals;
use super::context::Context;
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::{Exit, host, who};

/// From now on the registry belongs to this database.
pub async fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "claim").await?;
    let schema = context.registry_schema().to_owned();
    let by = Owner { project: context.project().to_owned(), who: who(), host: host() };
    let mut transaction = context.conn.begin().await.map_err(failed)?;
    let claimed = registry::claim(&mut transaction, &schema, &by).await?;
    transaction.commit().await.map_err(failed)?;
    let label = context.reach.endpoint.label().to_owned();
    context.close().await?;
    if style.json() {
        print::json(&json!({ "claimed": claimed }));
    } else if claimed {
        print::out(&format!("The registry in schema {schema} belongs to {label} now."));
    } else {
        print::out(&format!("Nothing to claim: {label} has no registry of another database."));
    }
    Ok(Exit::Done)
}

fn failed(error: sqlx::Error) -> CommandError {
    datamart::database::SqlError::from(error).into()
}
