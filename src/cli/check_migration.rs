//! `check-migration`: what someone's DDL would do to the marts.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use datamart::database::SqlError;
use datamart::manifest::{Desired, Place, Problem, Severity};
use datamart::migration::{self, At, EffectKind, MartEffects, MigrationError, Script, Statement, Subject, Unfit};
use sqlx::Row;

use super::Exit;
use super::args::{CheckMigrationArgs, Globals};
use super::context::{Context, PlanFlags};
use super::error::{self, CommandError, Result, count};
use super::hint::hint;
use super::interrupt::Interrupt;
use super::print::Style;
use super::report::migration::{Place as Told, Report, show};

/// Tries the migration, rolls it back, and tells; 1 when it fails or breaks a mart.
///
/// # Errors
/// What cannot be tried, all of it; the statement that PostgreSQL refuses.
pub async fn run(args: &CheckMigrationArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let text = text(&args.file)?;
    let script = migration::read(&text).map_err(|unfit| unfit_for(&args.file, &text, unfit))?;
    if script.statements.is_empty() {
        show(&Report { file: args.file.display().to_string(), ..Report::default() }, style);
        return Ok(Exit::Done);
    }
    let mut context = Context::open(globals, style, "check-migration").await?;
    let seen = context.actual().await?;
    let options = context.options(&PlanFlags { show_drift: true, ..PlanFlags::default() })?;
    let interrupt = Interrupt::new(&context.reach.endpoint, style);
    let row = sqlx::query("SELECT pg_catalog.pg_backend_pid()").fetch_one(&mut context.conn).await;
    let pid = row.and_then(|row| row.try_get(0)).map_err(|e| CommandError::sql("cannot begin", &e.into()))?;
    interrupt.watch(pid);
    let subject = Subject {
        desired: &context.desired,
        actual: &seen.actual,
        options: &options,
        statement_timeout_ms: u64::try_from(args.statement_timeout.as_millis()).unwrap_or(0),
        now: Utc::now(),
    };
    let stopped = || interrupt.stopped();
    let checked = interrupt.during(migration::check(&mut context.conn, &script, &subject, &stopped)).await?;
    let checked = checked.map_err(|error| match interrupt.stopped() {
        true => failed(&args.file, &script, MigrationError::Stopped, &context.desired),
        false => failed(&args.file, &script, error, &context.desired),
    })?;
    let place = |mart: &MartEffects, at: &At| place(&args.file, &script, mart, at, &context.desired);
    let report = Report {
        file: args.file.display().to_string(),
        statements: script.statements.len(),
        left_out: left_out(&script),
        marts: checked
            .marts
            .iter()
            .map(|mart| (mart, mart.effects.iter().map(|e| place(mart, &e.at)).collect()))
            .collect(),
        sources: &checked.sources,
    };
    show(&report, style);
    let breaks = checked.marts.iter().flat_map(|mart| &mart.effects).any(|effect| effect.kind == EffectKind::Breaks);
    context.close().await?;
    Ok(if breaks { Exit::Failed } else { Exit::Done })
}

/// The file's text; `-` is what is piped in.
fn text(file: &Path) -> Result<Arc<str>> {
    let read = match file == Path::new("-") {
        true => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
        }
        false => std::fs::read_to_string(file),
    };
    Ok(read.map_err(|error| CommandError::io("read", file, &error))?.into())
}

fn problem(file: &Path, place: Place, message: String, help: Option<String>) -> Problem {
    Problem { severity: Severity::Error, file: file.to_owned(), place: Some(place), key: None, message, help }
}

fn unfit_for(file: &Path, text: &Arc<str>, unfit: Vec<Unfit>) -> CommandError {
    let one = |unfit: Unfit| problem(file, Place::new(text.clone(), unfit.span), unfit.message, Some(unfit.help));
    let problems: Vec<Problem> = unfit.into_iter().map(one).collect();
    let message = format!("{} in the migration cannot be tried", count(problems.len(), "statement"));
    CommandError { problems, ..CommandError::new("migration", message) }
}

fn left_out(script: &Script) -> Vec<(String, Told)> {
    let left_out = script.statements.iter().filter(|statement| statement.left_out.is_some());
    left_out
        .map(|statement| {
            let place = first_line(script, statement);
            let told = Told { file: String::new(), line: Some(place.line), column: Some(place.column) };
            (script.text[place.span].to_owned(), told)
        })
        .collect()
}

/// Where a statement begins.
fn first_line(script: &Script, statement: &Statement) -> Place {
    let end = script.sql(statement).find(['\n', '\r']).map_or(statement.span.end, |at| statement.span.start + at);
    Place::new(script.text.clone(), statement.span.start..end)
}

/// The place of an error within a statement, else its first line.
fn within(script: &Script, statement: &Statement, position: Option<usize>) -> Place {
    let sql = script.sql(statement);
    let found = position.and_then(|at| sql.char_indices().nth(at.checked_sub(1)?)).map(|(at, _)| at);
    let Some(at) = found else { return first_line(script, statement) };
    let start = statement.span.start + at;
    let word =
        sql[at..].find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '"' | '.'))).unwrap_or(sql.len() - at);
    Place::new(script.text.clone(), start..start + word.max(1))
}

fn place(file: &Path, script: &Script, mart: &MartEffects, at: &At, desired: &Desired) -> Told {
    let told = |file: &Path, place: Option<&Place>| Told {
        file: file.display().to_string(),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
    };
    let of_mart = || {
        let found = desired.marts.iter().find(|known| known.mart.name == mart.name);
        told(&found.map_or_else(PathBuf::new, |found| found.file.clone()), None)
    };
    let of = |problem: Problem| told(&problem.file, problem.place.as_ref());
    match at {
        At::Statement(at) => match script.statements.get(*at) {
            Some(statement) => told(file, Some(&first_line(script, statement))),
            None => of_mart(),
        },
        At::Compile(failure) => of(error::refused(failure, desired)),
        At::Key(problem) => of(error::at_key(problem)),
        At::Mart => of_mart(),
    }
}

fn failed(file: &Path, script: &Script, error: MigrationError, desired: &Desired) -> CommandError {
    match error {
        MigrationError::Statement { at, error } => {
            let message = format!("statement {} of the migration fails; nothing of it stays", at + 1);
            let mut failed = CommandError::new(error.kind_word(), message);
            failed.causes.extend(error.detail.clone());
            if let Some(statement) = script.statements.get(at) {
                let place = within(script, statement, error.position);
                failed.problems.push(problem(file, place, error.message.clone(), way_out(&error)));
            }
            failed
        }
        MigrationError::End(error) => {
            let mut failed =
                CommandError::new(error.kind_word(), "a constraint does not hold at the end of the migration");
            failed.causes.push(error.message.clone());
            failed.causes.extend(error.detail.clone());
            failed
        }
        MigrationError::Compile(error) => CommandError::compile(error, desired),
        MigrationError::Catalog(error) => error.into(),
        MigrationError::Database(error) => error.into(),
        MigrationError::Sql(error) => CommandError::sql("cannot check the migration", &error),
        MigrationError::Stopped => CommandError::new("cancelled", "stopped; nothing of the migration stays"),
        MigrationError::Standby => CommandError::new("read_only", error.to_string()).help("connect to the primary"),
        MigrationError::Registry { .. } => CommandError::new("migration", error.to_string()),
    }
}

/// What to do about a statement that PostgreSQL refuses.
fn way_out(error: &SqlError) -> Option<String> {
    let said = match error.sqlstate.as_deref() {
        Some("57014") => "raise --statement-timeout, or check the migration against a copy of the database",
        Some("25001") => "it runs in no transaction, so it cannot be tried: check the file without it",
        Some("2BP01") => {
            "what depends on it, marts among them, has to give it up first: change the manifests, apply them, then migrate"
        }
        Some("0A000") if error.message.contains("used by a view") => {
            "the marts that read it have to be dropped by the migration, or changed and applied before it"
        }
        Some("42501" | "55P03" | "40P01") => return hint(error, error::role()).or_else(|| error.hint.clone()),
        _ => return error.hint.clone(),
    };
    Some(said.to_owned())
}
