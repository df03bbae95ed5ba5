//! `diff`: two versions of a mart, their definitions and their rows.

use datamart::catalog::{Recorded, RecordedVersion};
use datamart::observe;
use datamart::plan::unified;

use super::Exit;
use super::args::{DiffArgs, Globals};
use super::context::Context;
use super::error::{CommandError, Result};
use super::print::Style;
use super::report::diff::{Diff, print};
use super::versions::versioned;

/// Compares A with B; exits 0 whatever it finds.
///
/// # Errors
/// A mart without versions, a version that is not there; what the server says.
pub async fn run(args: &DiffArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "diff").await?;
    let seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    let row = versioned(&seen, &name)?;
    let (a, b) = sides(row, args)?;
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

/// The two versions: those that are named; else the published one, and the one before it.
fn sides<'a>(row: &'a Recorded, args: &DiffArgs) -> Result<(&'a RecordedVersion, &'a RecordedVersion)> {
    let name = &row.mart.name;
    let list = || row.versions.iter().map(|version| version.number.to_string()).collect::<Vec<_>>().join(", ");
    let version = |number: u32| {
        row.version(number).ok_or_else(|| {
            CommandError::input(format!("{name} has no version {number}")).help(format!("there are {}", list()))
        })
    };
    let published = row.published().map_or(0, |version| version.number);
    let b = version(args.b.unwrap_or(published))?;
    let before = || row.versions.iter().map(|version| version.number).filter(|number| *number < b.number).max();
    match args.a.or_else(before) {
        Some(a) => Ok((version(a)?, b)),
        None => Err(CommandError::input(format!("{name} has no version before {}", b.number))
            .help(format!("there are {}; name two of them", list()))),
    }
}
