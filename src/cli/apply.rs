//! `datamart apply`: brings the database to what the manifests say.

mod schedule;

use std::path::Path;

use datamart::apply::{self, ApplyError, By, Event};
use datamart::database::{ErrorKind, LockSession, SqlError};
use datamart::manifest::Desired;
use datamart::plan::Plan;
use datamart::reconcile::{self, ReconcileError};
use serde_json::json;
use sqlx::Row;

use super::Exit;
use super::args::Format;
use super::args::{ApplyArgs, Globals};
use super::context::{Context, PlanFlags};
use super::error::{CommandError, Result, count};
use super::interrupt::Interrupt;
use super::print::{self, Style};
use super::progress::Progress;
use super::refresh::held;
use super::report;

/// Runs the command.
///
/// # Errors
/// A plan that is refused or stale; a statement that failed, with what was done and what was not.
pub async fn run(args: &ApplyArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "apply").await?;
    let mut flags = PlanFlags::from(&args.change);
    // What a policy does not tell is put back, too.
    (flags.heal, flags.show_drift) = (args.heal, args.heal);
    let source = match &args.file {
        Some(file) => Source::Saved(Box::new(saved(file)?)),
        None => Source::Made(flags),
    };
    let options = ApplyOptions { auto_approve: args.auto_approve, wait: args.lock_timeout };
    let exit = perform(&mut context, source, &options).await?;
    context.close().await?;
    Ok(exit)
}

/// Where the plan comes from.
#[derive(Debug)]
pub enum Source {
    /// A file of `plan --out`.
    Saved(Box<Plan>),
    /// It is made now, under the lock.
    Made(PlanFlags),
}

/// How an apply behaves.
#[derive(Debug, Clone, Copy)]
pub struct ApplyOptions {
    /// Nobody is asked.
    pub auto_approve: bool,
    /// How long to wait for another apply or refresh of ours.
    pub wait: std::time::Duration,
}

/// How often a plan is made before one is given up because what it read changes all the time.
const TRIES: u32 = 3;

/// Plans under the lock, shows, asks, applies, and ends with a table of the marts.
///
/// # Errors
/// As [`run`].
pub async fn perform(context: &mut Context, source: Source, options: &ApplyOptions) -> Result<Exit> {
    let style = context.style;
    let endpoint = context.reach.endpoint.clone();
    let (schema, project) = (context.registry_schema().to_owned(), context.project().to_owned());
    let mut locks = LockSession::open(&endpoint, &schema, &project, "apply lock").await?;
    super::superuser::warn(context).await?;
    locks.acquire("apply", options.wait).await.map_err(held)?;
    if let Source::Saved(plan) = &source
        && plan.project != project
    {
        let message = format!("the plan is for project {:?}, this is {project:?}", plan.project);
        return Err(CommandError::input(message));
    }
    let mut tries = 1;
    let (plan, applied, rescheduled) = loop {
        let mut plan = match &source {
            Source::Saved(plan) => (**plan).clone(),
            Source::Made(flags) => context.plan(flags).await?,
        };
        let rescheduled = match &source {
            Source::Made(flags) if flags.heal => schedule::taken(&mut plan),
            _ => Vec::new(),
        };
        if !plan.refused.is_empty() {
            return Ok(report::plan::refused(&plan, style));
        }
        if !plan.is_empty() || !rescheduled.is_empty() {
            if !style.json() && !plan.is_empty() {
                report::plan::show(&plan, style);
            }
            schedule::tell(&rescheduled, style);
            if !approved(plan.changes.len() + rescheduled.len(), options, &endpoint)? {
                print::note(style, "Nothing was changed.");
                return Ok(Exit::Failed);
            }
        }
        reconcile::lock_marts(&mut locks, &plan, options.wait).await.map_err(held)?;
        match execute(context, &plan, Some(locks.pid())).await {
            // A refresh or somebody by hand came before the locks: what is saved is applied as it was read, or not at all.
            Err(error) if error.kind == "stale" && matches!(source, Source::Made(_)) && tries < TRIES => {
                tries += 1;
                print::note(style, "What the plan read changed meanwhile; planning again.");
            }
            applied => break (plan, applied, rescheduled),
        }
    };
    let told = match applied.is_ok() {
        // The first apply made the registry, in which the holder of a lock is written.
        true => locks.announce().await,
        false => Ok(()),
    };
    let closed = locks.close().await;
    // What befell the apply comes before what befell its lock.
    let applied = applied?;
    schedule::put_back(context, &rescheduled).await?;
    if let Err(error) = told.and(closed) {
        print::note(
            style,
            &format!(
                "warning: the session that held the lock ended meanwhile, so another apply may have run, too ({error}); see `datamart plan`"
            ),
        );
    }
    if applied.id.is_some() {
        // A daemon learns of it at once; the change is made whether or not that can be told.
        let _ = datamart::refresh::wake(&mut context.conn, &project, "revision").await;
    }
    finish(context, &plan, &applied).await?;
    Ok(Exit::Done)
}

/// Runs a plan; the session `holder` has our locks.
///
/// # Errors
/// What [`apply::apply`] says.
pub async fn execute(context: &mut Context, plan: &Plan, holder: Option<i32>) -> Result<apply::Applied> {
    let style = context.style;
    let by =
        By { who: super::who(), host: super::host(), application: "datamart apply".to_owned(), holder, sessions: None };
    let interrupt = Interrupt::new(&context.reach.endpoint, style);
    let pid = sqlx::query("SELECT pg_catalog.pg_backend_pid()")
        .fetch_one(&mut context.conn)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| CommandError::sql("cannot begin", &error.into()))?;
    interrupt.watch(pid);
    let progress = Progress::new(style, plan.steps.len());
    let mut tell = |event: Event| match event {
        Event::Started { .. } | Event::Committed { .. } => {}
        Event::Step { mart, sql, .. } => {
            progress.say(format!("{mart}: {sql}"));
            progress.step();
        }
        Event::Finished => progress.end(),
    };
    let (project, endpoint) = (&context.desired.project, &context.reach.endpoint);
    let work = reconcile::execute(&mut context.conn, endpoint, project, plan, &by, &mut tell);
    let outcome = interrupt.during(work).await?;
    progress.end();
    outcome.map_err(|error| failed(error, &context.desired))
}

fn approved(changes: usize, options: &ApplyOptions, endpoint: &datamart::database::Endpoint) -> Result<bool> {
    if options.auto_approve {
        return Ok(true);
    }
    if !print::interactive() {
        return Err(CommandError::input("apply needs --auto-approve where nobody can be asked"));
    }
    print::ask(&format!("\nApply {} to {}? Only \"yes\" is taken: ", count(changes, "change"), endpoint.label()));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| CommandError::io("read the answer from", Path::new("the terminal"), &error))?;
    Ok(answer.trim() == "yes")
}

async fn finish(context: &mut Context, plan: &Plan, applied: &apply::Applied) -> Result<()> {
    let style = context.style;
    let seen = context.actual().await?;
    let marts = context.status(&seen).await?;
    if style.json() {
        let marts: Vec<_> = marts.iter().map(report::mart::json).collect();
        print::json(&json!({
            "applied": { "id": applied.id, "marts": applied.marts, "steps": applied.steps },
            "summary": plan.summary,
            "fingerprint": plan.fingerprint,
            "drift": plan.drift,
            "orphans": plan.orphans,
            "checks": applied.checks,
            "marts": marts,
        }));
        return Ok(());
    }
    let markdown = style.format == Format::Markdown;
    let findings = report::findings::findings(&applied.checks, style.out_color && !markdown);
    if markdown {
        if plan.is_empty() {
            report::plan::show(plan, style);
        }
        print::out(&report::plan_markdown::applied(plan, &report::mart::table(&marts, style), &findings));
        return Ok(());
    }
    if plan.is_empty() {
        report::plan::show(plan, style);
    } else {
        let s = plan.summary;
        print::out(&format!(
            "Applied: {} added, {} changed, {} replaced, {} destroyed.\n",
            s.add, s.change, s.replace, s.destroy
        ));
    }
    print::out(&report::mart::table(&marts, style));
    if !findings.is_empty() {
        print::out(&findings);
    }
    Ok(())
}

fn saved(file: &Path) -> Result<Plan> {
    let text = std::fs::read_to_string(file).map_err(|error| CommandError::io("read", file, &error))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|error| {
        CommandError::input(format!("{} is not a saved plan: {error}", file.display()))
            .help("write one with `datamart plan --out FILE`")
    })?;
    if !plan.is_intact() {
        let message = format!("{} was changed after it was written", file.display());
        return Err(CommandError::input(message).help("plan again: `datamart plan --out FILE`"));
    }
    Ok(plan)
}

fn left(done: &[String], undone: &[String]) -> String {
    let list = |marts: &[String]| if marts.is_empty() { "nothing".to_owned() } else { marts.join(", ") };
    format!("done: {}; not done: {}", list(done), list(undone))
}

/// What failed, and where that leaves the database.
fn failed(error: ApplyError, desired: &Desired) -> CommandError {
    match error {
        ApplyError::Step { mart, sql, source, aside, publication, done, undone } => {
            let first = sql.lines().next().unwrap_or_default();
            let declared = desired.marts.iter().find(|d| d.mart.name.to_string() == mart);
            let path = declared.map(|d| d.mart.search_path.as_slice()).unwrap_or_default();
            let mut failed = CommandError::sql_of_mart(
                &format!("{mart}: {first}"),
                &source,
                path,
                declared.and_then(|d| d.mart.owner.as_deref()),
            );
            if publication && source.is("55P03") {
                failed.hints = vec![format!(
                    "somebody has it open, perhaps in a long query or an idle transaction: it was asked for {} times, for \
                     publish_lock_timeout in [database] each; see pg_stat_activity",
                    datamart::state::PUBLICATION_TRIES
                )];
            }
            failed.problems = super::locate::in_query(&sql, &source, &mart, desired);
            failed.hints.push(left(&done, &undone));
            if !aside.is_empty() {
                let aside = aside.join(", ");
                failed.hints.push(format!("built aside, and published by the next apply if nothing changes until then: {aside}"));
            }
            failed.hints.push(again(&source).to_owned());
            failed
        }
        ApplyError::Check { mart, failure, results, done, undone } => {
            let mut failed = CommandError::new("check", format!("{mart}: {}", failure.message));
            failed.checks.0 = results;
            failed.hints.push(left(&done, &undone));
            failed.help("what was published before stays; mend the data or the check, and apply again")
        }
        ApplyError::Stale { moved } => {
            let mut failed = CommandError::new("stale", "the plan is stale: what it read has changed since");
            failed.causes = moved;
            failed.help("plan again")
        }
        ApplyError::Refused { refused } => {
            let message = refused.first().map_or_else(String::new, |r| r.message.clone());
            CommandError::new("refused", format!("the plan is refused: {message}"))
        }
        lost @ ApplyError::LockLost { .. } => CommandError::new("lock", lost.to_string())
            .help("somebody ended its session with `datamart unlock --kill`, or the connection broke; applying again finishes the job"),
        standby @ ApplyError::Standby { .. } => CommandError::new("read_only", standby.to_string()),
        ApplyError::Room(error) => CommandError::sql("cannot apply", &error),
        ApplyError::Catalog(error) => error.into(),
        ApplyError::Database(error) => error.into(),
        ApplyError::Registry(error) => {
            let again = again(&error);
            CommandError::sql("cannot write the registry", &error).help(again)
        }
    }
}

/// What to do about a statement that failed: the same does not help against what stays.
fn again(error: &SqlError) -> &'static str {
    if error.transient() || error.kind == ErrorKind::Cancelled {
        return "applying again finishes the job";
    }
    match error.kind {
        ErrorKind::Privilege => "grant what is missing, and apply again: what is committed stays",
        ErrorKind::Data => "mend the data or the query, and apply again: what is committed stays",
        ErrorKind::Resource | ErrorKind::Io => "make room, and apply again: what is committed stays",
        _ => "it fails again as long as that is so; once it is mended, apply again: what is committed stays",
    }
}

/// For the daemon's record of what failed: as a command would say it, at its place in the manifests.
pub fn explain(error: ReconcileError, desired: Option<&Desired>, repository: Option<&Path>) -> serde_json::Value {
    let failed = match (error, desired) {
        (ReconcileError::Apply(error), Some(desired)) => failed(*error, desired),
        (ReconcileError::Lock(error), _) => held(error),
        (error, _) => error.into(),
    };
    failed.below(repository).json()
}
