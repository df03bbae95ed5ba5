//! Schedules that hold instead of the manifests': `apply --heal` takes them back.

use std::collections::BTreeSet;

use datamart::database::registry::Owner;
use datamart::plan::{Drift, Plan};
use datamart::reconcile::{self, Among};

use super::super::context::Context;
use super::super::error::Result;
use super::super::print::{self, Style};
use super::super::{host, who};

/// Takes them out of what a plan leaves as it is.
pub fn taken(plan: &mut Plan) -> Vec<Drift> {
    let (schedules, drift) = std::mem::take(&mut plan.drift).into_iter().partition(|item| item.aspect == "schedule");
    plan.drift = drift;
    schedules
}

/// Tells which schedules go.
pub fn tell(schedules: &[Drift], style: Style) {
    for item in schedules {
        let words =
            |text: &Option<String>| text.as_deref().map_or_else(|| "none".to_owned(), |text| text.replace('\n', ", "));
        let (before, after) = (words(&item.actual), words(&item.expected));
        print::note(
            style,
            &format!("{}: the schedule of its manifest holds again: {after}, instead of {before}", item.address),
        );
    }
}

/// Takes them back, in the registry.
///
/// # Errors
/// What the server says.
pub async fn put_back(context: &mut Context, schedules: &[Drift]) -> Result<()> {
    let named = |name: &str| schedules.iter().any(|item| item.address == name);
    let marts = context.desired.marts.iter().map(|mart| &mart.mart.name);
    let marts: BTreeSet<_> = marts.filter(|name| named(&name.to_string())).cloned().collect();
    if marts.is_empty() {
        return Ok(());
    }
    let by = Owner { project: context.project().to_owned(), who: who(), host: host() };
    let schema = context.registry_schema().to_owned();
    reconcile::unschedule(&mut context.conn, &schema, &by, &Among::Marts(marts)).await?;
    Ok(())
}
