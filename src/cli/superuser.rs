//! A warning: what a manifest's SQL can reach, it reaches with the rights of whoever builds it.

use sqlx::Row;

use super::context::Context;
use super::error::{CommandError, Result};
use super::print;

/// Warns where marts would be built or refreshed by a superuser of a server that is not our own.
///
/// # Errors
/// What the server says.
pub async fn warn(context: &mut Context) -> Result<()> {
    if context.reach.endpoint.is_ours() {
        return Ok(());
    }
    let row = sqlx::query("SELECT current_setting('is_superuser') = 'on'").fetch_one(&mut context.conn).await;
    let superuser: bool = row
        .and_then(|row| row.try_get(0))
        .map_err(|error| CommandError::sql("cannot ask who connects", &error.into()))?;
    let unowned = context.desired.marts.iter().filter(|mart| mart.mart.owner.is_none()).count();
    if superuser && unowned > 0 {
        print::note(
            context.style,
            "warning: connected as a superuser: queries of marts without an owner run with all its rights; \
             name an owner in [project], or connect as another role",
        );
    }
    Ok(())
}
