//! `datamart refresh`: brings data up to date, in dependency order, in parallel.

use std::collections::BTreeSet;
use std::time::Duration;

use datamart::database::registry::{self, Owner};
use datamart::database::{ErrorKind, LockError, SqlError};
use datamart::observe::Summary;
use datamart::plan;
use datamart::reconcile;
use datamart::refresh::{self, Asked, Event, How, Item, Options, RefreshError, Run, Workers};
use datamart::state::{Kind, QName, thousands};
use futures_util::future::join;
use serde_json::json;

use super::Exit;
use super::args::{Globals, RefreshArgs};
use super::context::{Context, Seen};
use super::error::{CommandError, Result, acting, count};
use super::hint::{hint, in_function};
use super::interrupt::Interrupt;
use super::print::{self, Style};
use super::progress::Progress;
use super::report::runs;

/// `--wait` queues this long: longer than any refresh should take.
const QUEUE: Duration = Duration::from_secs(24 * 3_600);

/// Runs the command.
///
/// # Errors
/// Where nothing could begin; what befalls a mart is in the result, with exit code 1.
pub async fn run(args: &RefreshArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "refresh").await?;
    super::superuser::warn(&mut context).await?;
    let endpoint = context.reach.endpoint.clone();
    let (seen, second) = join(Box::pin(seen(&mut context)), Box::pin(endpoint.second())).await;
    let seen = seen?;
    if seen.actual.server.in_recovery {
        let label = context.reach.endpoint.label();
        return Err(CommandError::new(
            "read_only",
            format!("{label} is a standby: it can be looked at, not refreshed"),
        ));
    }
    let selected = selected(args, &mut context, &seen).await?;
    let mut items = refresh::items(&seen.actual, &selected).map_err(|unknown| {
        let names: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        CommandError::input(format!("not applied yet: {}", names.join(", "))).help("run `datamart apply` first")
    })?;
    let asked = asked(args);
    items.iter_mut().for_each(|item| item.asked = asked.clone());
    refuse(&items)?;
    let options = options(args, &context, &seen);
    audited(&mut context, &items).await?;
    let interrupt = Interrupt::new(&endpoint, style);
    let progress = Progress::new(style, items.len());
    let tell = |event: Event| match event {
        Event::Session { pid } => interrupt.watch(pid),
        Event::Started { mart, method, reason } => progress.say(format!("{mart}: {} ({reason})", method.as_str())),
        Event::Ended { run } => {
            progress.step();
            if let Some(reason) = run.demoted() {
                let text = "all of its rows are computed from now on, until you ask for a full refresh";
                print::note(style, &format!("warning: {}: {text}: {reason}", run.mart));
            }
        }
        Event::Slow { mart, seconds, limit } => {
            print::note(style, &format!("warning: {mart} took {seconds:.1} s; its warn_duration is {limit} s"));
        }
        Event::Closing { .. } => {}
    };
    let stopped = || interrupt.stopped();
    let Context { conn, reach, .. } = context;
    let work = async {
        let workers = Workers::new(&endpoint, &options.registry, &options.project);
        // This session has looked at most of what a refresh looks at.
        workers.employ(conn, second?, &tell).await?;
        refresh::refresh_by(&workers, &items, &options, &stopped, &mut |event| tell(event)).await
    };
    let outcome = interrupt.during(work).await?;
    progress.end();
    let mut found = outcome?;
    found.iter_mut().for_each(|run| advise(run, &seen));
    reach.close().await?;
    report(&found, style);
    Ok(if found.iter().any(Run::is_bad) { Exit::Failed } else { Exit::Done })
}

/// What is there.
async fn seen(context: &mut Context) -> Result<Seen> {
    let seen = reconcile::look_to_refresh(&mut context.conn, &context.desired).await;
    match seen.map_err(CommandError::from) {
        // Whoever locks one relation keeps its mart from being refreshed, which its run says, and no other.
        Err(error) if error.kind == "lock" => context.glance().await,
        seen => seen,
    }
}

/// Who asks for what, before it is done.
async fn audited(context: &mut Context, items: &[Item]) -> Result<()> {
    let marts: Vec<String> = items.iter().map(|item| item.mart.to_string()).collect();
    let one = match marts.as_slice() {
        [] => return Ok(()),
        [one] => Some(one.clone()),
        _ => None,
    };
    let schema = context.registry_schema().to_owned();
    let by = Owner { project: context.project().to_owned(), who: super::who(), host: super::host() };
    let detail = json!({ "marts": marts });
    registry::audit(&mut context.conn, &schema, &by, "refresh", one.as_deref(), &detail)
        .await
        .map_err(|error| CommandError::sql("cannot write the audit", &error))
}

async fn selected(args: &RefreshArgs, context: &mut Context, seen: &Seen) -> Result<BTreeSet<QName>> {
    if let Some(selector) = &args.select {
        let selected = context.select(seen, selector).await?;
        return Ok(with_rows(seen, selected));
    }
    if args.all {
        return Ok(with_rows(seen, seen.actual.recorded.keys().cloned().collect()));
    }
    args.names.iter().map(|name| context.find(seen, name)).collect()
}

/// Views among many have nothing to refresh; named, they are told so.
fn with_rows(seen: &Seen, mut names: BTreeSet<QName>) -> BTreeSet<QName> {
    names.retain(|name| seen.actual.recorded.get(name).is_none_or(|r| r.mart.kind != Kind::View));
    names
}

fn asked(args: &RefreshArgs) -> Asked {
    let how = match (args.full, args.incremental, args.smart) {
        (true, ..) => How::Full,
        (_, true, _) => How::Incremental,
        (.., true) => How::Smart,
        _ => How::AsDeclared,
    };
    Asked { how, days: args.days, concurrent: args.concurrent, ..Asked::default() }
}

/// What cannot be is said before anything is begun, of all marts at once.
fn refuse(items: &[Item]) -> Result<()> {
    let mut found: Vec<String> = items.iter().filter_map(refresh::impossible).collect();
    let failed = match found.len() {
        0 => return Ok(()),
        1 => CommandError::input(found.remove(0)),
        many => {
            let message = format!("{} cannot be refreshed CONCURRENTLY", count(many, "mart"));
            CommandError { causes: found, ..CommandError::input(message) }
        }
    };
    Err(failed.help(refresh::WITHOUT))
}

fn options(args: &RefreshArgs, context: &Context, seen: &Seen) -> Options {
    Options {
        wait: if args.wait { QUEUE } else { args.lock_timeout },
        requested_by: super::who(),
        ..Options::of(&context.desired.project, &seen.actual)
    }
}

/// Adds our way out where the server gave none.
fn advise(run: &mut Run, seen: &Seen) {
    let mart = seen.actual.recorded.values().find(|row| row.mart.name.to_string() == run.mart);
    let Some(error) = run.error.as_mut() else { return };
    // What holds its rows goes by another name than the registry says.
    let called = mart.and_then(|row| Some((row, seen.actual.called.get(&row.mart.name)?)));
    if let Some((row, now)) = called.filter(|_| error.kind == ErrorKind::Missing.as_str()) {
        let kind = if row.versions.is_empty() { row.mart.kind } else { Kind::View };
        let back = plan::rename_back(kind, now, &row.mart.name);
        error.hint = Some(format!("it was renamed to {now}; {back} or let `datamart apply` build it again"));
    }
    if let Some(sqlstate) = &error.sqlstate {
        // It ran as the owner that the relation has, whatever the manifest says.
        let live = mart.and_then(|row| seen.actual.stored(&row.mart.name)).map(|live| live.owner.as_str());
        let owner = live.or(mart.and_then(|row| row.mart.owner.as_deref()));
        let path = mart.map(|row| row.mart.search_path.as_slice()).unwrap_or_default();
        let reads = mart.iter().flat_map(|row| row.applied.reads.values()).map(|read| &read.name);
        let said = SqlError::with_sqlstate(sqlstate, &error.message).within(error.context.clone()).of_one_of(reads);
        // The server's own hint knows nothing of the function's surroundings.
        let ours = in_function(&said, path);
        error.hint = ours.or(error.hint.take()).or_else(|| hint(&said, acting(&said, owner, &seen.actual.server.user)));
    }
}

fn report(found: &[Run], style: Style) {
    let summary = Summary::of(found);
    if style.json() {
        print::json(&json!({ "runs": found, "summary": summary }));
        return;
    }
    if found.is_empty() {
        print::out("Nothing to refresh.");
        return;
    }
    print::out(&runs::table(found, style));
    let mut line = format!(
        "Refreshed {} in {:.1} s, {} row{}.",
        count(summary.refreshed, "mart"),
        summary.seconds,
        thousands(summary.rows),
        if summary.rows == 1 { "" } else { "s" }
    );
    for (counted, word) in [(summary.failed, "failed"), (summary.cancelled, "cancelled"), (summary.skipped, "skipped")]
    {
        if counted > 0 {
            line.push_str(&format!(" {counted} {word}."));
        }
    }
    print::out(&line);
}

impl From<RefreshError> for CommandError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Database(error) => error.into(),
            RefreshError::Lock(error) => error.into(),
            RefreshError::Catalog(error) => error.into(),
            RefreshError::History(error) => Self::sql("cannot write the history", &error),
            over @ RefreshError::Superseded { .. } => Self::new("superseded", over.to_string()),
        }
    }
}

/// A lock that somebody else has, with the way out.
pub fn held(error: LockError) -> CommandError {
    let is_held = matches!(error, LockError::Held { .. });
    let failed = CommandError::from(error);
    if is_held { failed.help("wait for it with --lock-timeout 5m, or see `datamart unlock`") } else { failed }
}
