//! What is not an error of an import, and better known.

use std::collections::BTreeSet;

use datamart::adopt::Adoption;
use datamart::catalog::{Actual, TimeZone};
use datamart::manifest::Desired;
use datamart::state::{QName, quote_ident};
use sqlx::Row;

use super::super::context::Context;
use super::super::error::{CommandError, Result, count};
use super::super::print;

/// Warns where what `date_trunc('day', …)` means was not to be had for sure.
pub fn of_time_zone(context: &Context, zone: &TimeZone, taken: &[&Adoption<'_>]) {
    let new = |adoption: &&&Adoption<'_>| adoption.known.is_none() && adoption.mart.kind.has_data();
    if !zone.certain && taken.iter().any(|adoption| new(&adoption)) {
        print::note(
            context.style,
            &format!(
                "warning: only a superuser may read the server's time zone; {}, that of its log, was taken: is it that of your sessions?",
                zone.name
            ),
        );
    }
}

/// Warns where another folder has marts of the same project: without its files they look as if they were gone.
pub fn of_others(context: &Context, actual: &Actual, before: &Desired) {
    let unknown = |name: &&QName| !context.desired.marts.iter().any(|desired| desired.mart.name == **name);
    let others = actual.recorded.keys().filter(unknown).count();
    if before.marts.is_empty() && others > 0 {
        print::note(
            context.style,
            &format!(
                "warning: the registry has {} of project {:?} that no file here declares; if they belong to another folder, \
                 give this one a `name` of its own in [project]",
                count(others, "mart"),
                context.desired.project.name
            ),
        );
    }
}

/// Warns where marts belong to roles that this one cannot act as.
///
/// # Errors
/// What the server says.
pub async fn of_owners(context: &mut Context, taken: &[&Adoption<'_>]) -> Result<()> {
    let owners: BTreeSet<&str> = taken.iter().filter_map(|adoption| adoption.mart.owner.as_deref()).collect();
    let owners: Vec<&str> = owners.into_iter().collect();
    let rows = sqlx::query("SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1) AND NOT pg_catalog.pg_has_role(oid, 'MEMBER')")
        .bind(&owners)
        .fetch_all(&mut context.conn)
        .await
        .map_err(|error| CommandError::sql("cannot look at the owners", &error.into()))?;
    let role = quote_ident(context.reach.endpoint.role());
    for row in rows {
        let owner: String =
            row.try_get(0).map_err(|error| CommandError::sql("cannot look at the owners", &error.into()))?;
        let grant = format!("GRANT {} TO {role};", quote_ident(&owner));
        let told = format!("warning: marts of {owner} can be looked at, not changed or refreshed, as {role}: {grant}");
        print::note(context.style, &told);
    }
    Ok(())
}
