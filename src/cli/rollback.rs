//! `rollback`: publishes an older version of a mart, at once, and pins it in its manifest.

use std::collections::BTreeSet;

use datamart::catalog::{Held, Recorded};
use datamart::database::LockSession;
use datamart::manifest::save::{self, FileText};
use datamart::plan::{self, PartRow, Plan, RecordRow};
use datamart::reconcile;
use datamart::state::{Mart, QName};
use serde_json::json;

use super::Exit;
use super::apply;
use super::args::{ChangeArgs, Globals, RollbackArgs};
use super::context::{Context, PlanFlags, Seen};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::refresh::held;
use super::report;
use super::versions::{numbers, present, version, versioned};

/// Publishes the version through the same plan and apply as everything else: nothing but the view changes. The pin is
/// written into the manifest, so that git stays the truth; until that is committed the registry remembers it.
///
/// # Errors
/// A mart without versions or without a manifest, a version that is not there; what the apply says.
pub async fn run(args: &RollbackArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "rollback").await?;
    super::superuser::warn(&mut context).await?;
    let endpoint = context.reach.endpoint.clone();
    let (schema, project) = (context.registry_schema().to_owned(), context.project().to_owned());
    let mut locks = LockSession::open(&endpoint, &schema, &project, "apply lock").await?;
    locks.acquire("apply", args.lock_timeout).await.map_err(held)?;
    let mut seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    let row = versioned(&seen, &name)?;
    let goal = Goal::of(row, args.to, &seen)?;
    if goal.number == goal.was {
        locks.close().await?;
        context.close().await?;
        return Ok(tell(&name, &goal, None, style));
    }
    let (hold, file) = context.pin(row, &goal)?;
    // What an earlier rollback asked for is over.
    if let Some(row) = seen.actual.recorded.get_mut(&name) {
        row.held = None;
    }
    let flags = PlanFlags {
        change: ChangeArgs { allow: args.allow.clone(), ..ChangeArgs::default() },
        only: Some(BTreeSet::from([name.clone()])),
        ..PlanFlags::default()
    };
    let mut plan = context.plan_with(&seen, &flags).await?;
    if !plan.refused.is_empty() {
        return Ok(report::plan::refused(&plan, style));
    }
    if !remember(&mut plan, &name, goal.number, hold.as_ref()) {
        return Err(CommandError::internal(format!("version {} of {name} cannot be published", goal.number)));
    }
    reconcile::lock_marts(&mut locks, &plan, args.lock_timeout).await.map_err(held)?;
    if let Err(failed) = apply::execute(&mut context, &plan, Some(locks.pid())).await {
        // The version may be published, and something behind it failed: then the manifest says so, too.
        let seen = context.actual().await;
        let published = seen.ok().and_then(|seen| seen.actual.recorded.get(&name)?.published().map(|v| v.number));
        if published == Some(goal.number) && save::write(&context.desired.dir, &file).is_ok() {
            let told =
                format!("version {} of {name} is published, and its manifest says so; the rest failed", goal.number);
            return Err(failed.help(told));
        }
        return Err(failed);
    }
    let written = save::write(&context.desired.dir, &file);
    locks.close().await?;
    let dir = context.desired.dir.clone();
    context.close().await?;
    let shown = file.first().map(|file| dir.join(&file.path).display().to_string());
    if let Err(error) = written {
        let pin = goal.pin.map_or("take `pin` out of".to_owned(), |pin| format!("write `pin = {pin}` into"));
        let file = shown.unwrap_or_default();
        print::note(style, &format!("warning: {error}; {pin} {file} yourself: it holds until that file changes"));
        return Ok(tell(&name, &goal, None, style));
    }
    Ok(tell(&name, &goal, shown.as_deref(), style))
}

/// The version that is to be published.
struct Goal {
    number: u32,
    /// The one that is.
    was: u32,
    /// What the manifest is to say: nothing for the newest.
    pin: Option<u32>,
}

impl Goal {
    fn of(row: &Recorded, to: Option<u32>, seen: &Seen) -> Result<Self> {
        let was = row.published().map_or(0, |version| version.number);
        let there = row.versions.iter().filter(|version| seen.actual.relations.contains_key(&version.mart.name));
        let before = there.map(|version| version.number).filter(|number| *number < was).max();
        let number = to.or(before).ok_or_else(|| {
            let message = format!("{} has no version before {was}", row.mart.name);
            CommandError::input(message).help(numbers(row, seen))
        })?;
        let version = version(row, number, seen)?;
        present(version, row, seen)?;
        let newest = row.versions.iter().map(|version| version.number).max() == Some(number);
        Ok(Self { number, was, pin: (!newest).then_some(number) })
    }
}

impl Context {
    /// The mart as it was applied, but for its pin: what else its manifest says by now waits for the next apply. Gives what
    /// the registry is to remember, and the manifest's new text.
    fn pin(&mut self, row: &Recorded, goal: &Goal) -> Result<(Option<Held>, Vec<FileText>)> {
        let name = &row.mart.name;
        let Some(desired) = self.desired.marts.iter_mut().find(|desired| desired.mart.name == *name) else {
            return Err(CommandError::input(format!("no manifest declares {name}"))
                .help("a rollback is written into its manifest; bring that back first"));
        };
        let file = save::pin(desired, goal.pin)?;
        let before = row.held.iter().flat_map(|held| held.others.iter().chain([&held.file]));
        let others = before.cloned().chain([row.mart.fingerprint()]).collect();
        // A file that says it already decides by itself: a rollback to the newest would else hold back those that come.
        let hold = Held { pin: goal.number, file: plan::file_fingerprint(desired), others };
        let hold = (!file.is_empty()).then_some(hold);
        let versions = row.mart.versions.map(|versions| datamart::state::Versions { pin: goal.pin, ..versions });
        desired.mart = Mart { versions, ..row.mart.clone() };
        // An earlier rollback does not decide here, whatever file it remembers.
        desired.text = format!("{}\0rollback", desired.text).into();
        Ok((hold, file))
    }
}

/// The registry remembers the rollback with the change it makes. `false` where the plan makes none.
fn remember(plan: &mut Plan, name: &QName, published: u32, hold: Option<&Held>) -> bool {
    let mut remembered = false;
    for record in plan.records.iter_mut().filter(|record| record.mart == *name) {
        if let RecordRow::Upsert { part: Some(PartRow::Stable { held, number, .. }), .. } = &mut record.row {
            *held = hold.cloned();
            remembered |= *number == published;
        }
    }
    remembered
}

fn tell(name: &QName, goal: &Goal, file: Option<&str>, style: Style) -> Exit {
    if style.json() {
        print::json(&json!({
            "mart": name.to_string(),
            "published": goal.number,
            "was": goal.was,
            "pinned": goal.pin,
            "file": file,
        }));
        return Exit::Done;
    }
    if goal.number == goal.was {
        print::out(&format!("{name}: version {} is published already.", goal.number));
        return Exit::Done;
    }
    let written = match (file, goal.pin) {
        (Some(file), Some(pin)) => format!(" `pin = {pin}` is written into {file}: commit it."),
        (Some(file), None) => format!(" `pin` is taken out of {file}: commit it."),
        (None, _) => String::new(),
    };
    print::out(&format!("{name}: version {} is published instead of {}.{written}", goal.number, goal.was));
    Exit::Done
}
