//! `diff`: two versions of a mart, their definitions and their rows.

use datamart::catalog::{Recorded, RecordedVersion};
use datamart::observe;
use datamart::plan::unified;

use super::Exit;
use super::args::{DiffArgs, Globals};
use super::context::{Context, Seen};
use super::error::{CommandError, Result};
use super::print::Style;
use super::report::diff::{Diff, print};
use super::versions::{numbers, present, version, versioned};

/// Compares A with B; exits 0 whatever it finds.
///
/// # Errors
/// A mart without versions, a version that is not there; what the server says.
pub async fn run(args: &DiffArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "diff").await?;
    let seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    let row = versioned(&seen, &name)?;
    let (a, b) = sides(row, args, &seen)?;
    let database = &context.desired.project.database;
    let timeouts = (database.lock_timeout_ms, database.statement_timeout_ms);
    let (looked, conn) = context.looked(&seen);
    let samples = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let data = observe::diff(conn, &looked, row, (a, b), samples, timeouts).await?;
    context.close().await?;
    let called = |version: &RecordedVersion| format!("version {}", version.number);
    let (of_a, of_b) = (called(a), called(b));
    let definition = unified(&a.mart.query, &b.mart.query, &of_a, &of_b);
    print(&Diff { mart: name.to_string(), a: of_a, b: of_b, definition, data }, style);
    Ok(Exit::Done)
}

/// The two versions: those that are named; else the published one, and the one before it that is there.
fn sides<'a>(row: &'a Recorded, args: &DiffArgs, seen: &Seen) -> Result<(&'a RecordedVersion, &'a RecordedVersion)> {
    let published = row.published().map_or(0, |version| version.number);
    let b = version(row, args.b.unwrap_or(published), seen)?;
    let there = row.versions.iter().filter(|version| seen.actual.relations.contains_key(&version.mart.name));
    let before = there.map(|version| version.number).filter(|number| *number < b.number).max();
    let Some(a) = args.a.or(before) else {
        let message = format!("{} has no version before {}", row.mart.name, b.number);
        return Err(CommandError::input(message).help(format!("{}; name two of them", numbers(row, seen))));
    };
    let a = version(row, a, seen)?;
    present(a, row, seen)?;
    present(b, row, seen)?;
    Ok((a, b))
}
