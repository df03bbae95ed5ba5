//! `suspend` and `resume`: whether refreshes begin by themselves.

use std::path::Path;

use datamart::catalog::Instead;
use datamart::database::registry::Owner;
use datamart::reconcile::{self, Among, Changed};
use datamart::state::QName;
use serde_json::json;

use super::args::{AmongArgs, Globals};
use super::context::{Context, Seen};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::{Exit, host, who};

/// Lets no refresh begin by itself, whatever is committed, until it is taken back.
///
/// # Errors
/// A mart that nobody knows; what the server says.
pub async fn suspend(args: &AmongArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open_anyway(globals, style, "suspend").await?;
    let (among, _) = among(args, &mut context).await?;
    let (schema, by) = of(&context);
    let changed = reconcile::suspend(&mut context.conn, &schema, &by, &among).await?;
    context.close().await?;
    tell("suspended", &among, &changed, style);
    Ok(Exit::Done)
}

/// Takes back what `suspend` said.
///
/// # Errors
/// A mart that nobody knows, or that is suspended by what this cannot take back; what the server says.
pub async fn resume(args: &AmongArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open_anyway(globals, style, "resume").await?;
    let (among, seen) = among(args, &mut context).await?;
    if let Among::Marts(_) = &among {
        refuse(&seen)?;
    }
    let (schema, by) = of(&context);
    let changed = reconcile::resume(&mut context.conn, &schema, &by, &among).await?;
    let still = declared(&context, &among);
    context.close().await?;
    if changed.is_empty()
        && let Some((name, way_out)) = still.first()
    {
        return Err(CommandError::input(format!("{name} is suspended by its manifest")).help(way_out));
    }
    tell("resumed", &among, &changed, style);
    for (name, way_out) in still {
        print::note(style, &format!("{name} stays suspended by its manifest: {way_out}"));
    }
    Ok(Exit::Done)
}

async fn among(args: &AmongArgs, context: &mut Context) -> Result<(Among, Seen)> {
    let seen = context.glance().await?;
    if args.all {
        return Ok((Among::Project, seen));
    }
    let marts = args.names.iter().map(|name| context.find(&seen, name)).collect::<Result<_>>()?;
    Ok((Among::Marts(marts), seen))
}

fn of(context: &Context) -> (String, Owner) {
    let by = Owner { project: context.project().to_owned(), who: who(), host: host() };
    (context.registry_schema().to_owned(), by)
}

/// A mart would stay suspended, and nobody would know why.
fn refuse(seen: &Seen) -> Result<()> {
    let whole = |found: &&datamart::catalog::Override| found.mart.is_none() && found.instead == Instead::Suspend;
    if let Some(found) = seen.actual.overrides.0.iter().find(whole) {
        let message = format!("the whole project was suspended by {}", found.who);
        return Err(CommandError::input(message).help("resume it with `datamart resume --all`"));
    }
    Ok(())
}

/// The marts that manifests suspend, whatever an operator takes back, and what ends that.
fn declared(context: &Context, among: &Among) -> Vec<(QName, String)> {
    let named = |name: &QName| matches!(among, Among::Marts(marts) if marts.contains(name));
    let marts = context.desired.marts.iter().filter(|d| d.mart.refresh.suspend && named(&d.mart.name));
    let way_out = |file: &Path| {
        format!("take `suspend = true` out of {}, or out of project.toml where it stands there", file.display())
    };
    marts.map(|declared| (declared.mart.name.clone(), way_out(&declared.file))).collect()
}

fn tell(word: &str, among: &Among, changed: &Changed, style: Style) {
    let names: Vec<String> = changed.marts.iter().map(ToString::to_string).collect();
    if style.json() {
        print::json(&json!({ word: names, "all": *among == Among::Project, "changed": !changed.is_empty() }));
        return;
    }
    let subject = match (among, names.as_slice()) {
        (Among::Project, _) => "all marts, now and to come".to_owned(),
        (Among::Marts(marts), []) => marts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        (Among::Marts(_), names) => names.join(", "),
    };
    let line = match (changed.is_empty(), word) {
        (false, _) => format!("{subject}: {word}."),
        (true, "resumed") => format!("{subject}: not suspended."),
        (true, _) => format!("{subject}: {word} already."),
    };
    print::out(&line);
}
