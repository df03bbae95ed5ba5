//! `drift`: what changed in the database behind the manifests' back.

use chrono::Utc;
use datamart::reconcile::{self, ReconcileError};

use super::Exit;
use super::args::Globals;
use super::context::{Context, PlanFlags};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::report;

/// Lists every difference between what was applied and what is there; 2 when there is any.
pub async fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "drift").await?;
    let seen = context.actual().await?;
    let options = context.options(&PlanFlags { show_drift: true, ..PlanFlags::default() })?;
    let ignored = options.ignore.clone();
    let found = reconcile::differences(&mut context.conn, &context.desired, &seen, options, Utc::now()).await;
    let (drift, planned) = found?;
    let items = reconcile::drifted(&context.desired, &seen.actual, drift, &ignored);
    context.close().await?;
    // What the database cannot give is no matter of what differs from what was; what could not be compared is.
    if let Err(error @ ReconcileError::Compile { .. }) = planned {
        let failed = CommandError::from(error).help("of these and what reads them only what is gone was looked for");
        if items.is_empty() {
            return Err(failed);
        }
        print::err(&failed.text(style.err_color));
    }
    report::drift::print(&items, style);
    Ok(if items.is_empty() { Exit::Done } else { Exit::Differences })
}
