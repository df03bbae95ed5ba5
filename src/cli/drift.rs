//! `drift`: what changed in the database behind the manifests' back.

use datamart::reconcile;

use super::Exit;
use super::args::Globals;
use super::context::{Context, PlanFlags};
use super::error::Result;
use super::print::Style;
use super::report;

/// Lists every difference between what was applied and what is there; 2 when there is any.
pub async fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "drift").await?;
    let seen = context.actual().await?;
    let planned = context.planned(&seen, &PlanFlags { show_drift: true, ..PlanFlags::default() }).await?;
    // What cannot be made is no matter of what differs from what was.
    let (drift, _) = reconcile::told(planned)?;
    let items = reconcile::drifted(&context.desired, &seen.actual, drift, &context.ignored()?);
    context.close().await?;
    report::drift::print(&items, style);
    Ok(if items.is_empty() { Exit::Done } else { Exit::Differences })
}
