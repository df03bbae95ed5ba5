//! `plan`: what `apply` would do, and why.

use super::Exit;
use super::args::{Globals, PlanArgs};
use super::context::{Context, PlanFlags};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::report;

/// Plans, prints, and perhaps keeps the plan for `apply FILE`.
pub async fn run(args: &PlanArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "plan").await?;
    let plan = context.plan(&PlanFlags::from(&args.change)).await?;
    context.close().await?;
    if let Some(path) = &args.out {
        let text = serde_json::to_string_pretty(&plan).map_err(|error| CommandError::internal(error.to_string()))?;
        std::fs::write(path, text + "\n").map_err(|error| CommandError::io("write", path, &error))?;
    }
    if !plan.refused.is_empty() {
        return Ok(report::plan::refused(&plan, style));
    }
    report::plan::show(&plan, style);
    if let Some(path) = &args.out {
        print::note(
            style,
            &format!("Kept in {}: `datamart apply {}` does exactly this.", path.display(), path.display()),
        );
    }
    let differs = args.detailed_exitcode && !plan.is_empty();
    Ok(if differs { Exit::Differences } else { Exit::Done })
}
