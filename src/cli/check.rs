//! `check`: the data checks alone, on what is published.

use std::collections::BTreeSet;

use datamart::build::{CheckResult, CheckStatus};
use datamart::observe;
use datamart::state::{CheckDecl, Mart, QName};
use serde_json::json;

use super::Exit;
use super::args::{CheckArgs, Globals};
use super::context::{Context, Seen};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::report;
use super::snapshot::rows;

/// Runs the checks that the manifests declare, and changes nothing; 1 when one of severity `error` does not
/// pass.
///
/// # Errors
/// A mart that is not applied; what stops the reading altogether.
pub async fn run(args: &CheckArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "check").await?;
    let seen = context.actual().await?;
    let (marts, gone) = marts(args, &mut context, &seen).await?;
    let without = marts.iter().chain(&gone).filter(|mart| mart.checks.is_empty());
    let without: Vec<String> = without.map(|mart| mart.name.to_string()).collect();
    let database = &context.desired.project.database;
    let timeouts = (database.lock_timeout_ms, database.statement_timeout_ms);
    let (looked, conn) = context.looked(&seen);
    let mut results: Vec<CheckResult> = rows(conn, looked.desired, async |conn| {
        let mut results = Vec::new();
        for mart in marts.iter().filter(|mart| !mart.checks.is_empty()) {
            results.extend(observe::check(conn, &looked, mart, timeouts).await?);
        }
        Ok(results)
    })
    .await?;
    results.extend(gone.iter().flat_map(|mart| mart.checks.iter().map(|check| unchecked(mart, check))));
    context.close().await?;
    if style.json() {
        print::json(&json!({ "checks": results, "without_checks": without }));
    } else {
        print::out(&report::checks::text(&results, &without, style));
    }
    Ok(if results.iter().any(CheckResult::stops) { Exit::Failed } else { Exit::Done })
}

/// A check of rows that are gone has not passed.
fn unchecked(mart: &Mart, check: &CheckDecl) -> CheckResult {
    CheckResult {
        mart: mart.name.to_string(),
        name: check.name.clone(),
        severity: check.severity,
        status: CheckStatus::Error,
        failing_rows: None,
        sample: Vec::new(),
        message: Some(format!("{} is gone: somebody dropped it, and `datamart apply` makes it again", mart.name)),
        duration_ms: 0.0,
    }
}

/// The marts to look at, as declared or, without a manifest, as applied: those that are there, and those that were applied and
/// are gone. Of what was never applied nothing is looked at.
async fn marts(args: &CheckArgs, context: &mut Context, seen: &Seen) -> Result<(Vec<Mart>, Vec<Mart>)> {
    let applied = |name: &QName| seen.actual.recorded.contains_key(name);
    let names: BTreeSet<QName> = match &args.select {
        Some(selector) => context.select(seen, selector).await?,
        None => args.names.iter().map(|name| context.find(seen, name)).collect::<Result<_>>()?,
    };
    let declared = context.desired.marts.iter().map(|desired| &desired.mart);
    let orphans = seen.actual.recorded.values().map(|row| &row.mart);
    let orphans = orphans.filter(|mart| context.desired.marts.iter().all(|d| d.mart.name != mart.name));
    let everything = args.names.is_empty() && args.select.is_none();
    let known = declared.chain(orphans).filter(|mart| everything || names.contains(&mart.name));
    let (marts, absent): (Vec<&Mart>, Vec<&Mart>) = known.partition(|mart| applied(&mart.name));
    let absent: Vec<String> = absent.iter().map(|mart| mart.name.to_string()).collect();
    if !absent.is_empty() {
        let message = format!("not applied yet: {}", absent.join(", "));
        if !everything {
            return Err(CommandError::input(message).help("run `datamart apply` first"));
        }
        print::note(context.style, &message);
    }
    Ok(marts.into_iter().cloned().partition(|mart| seen.actual.relations.contains_key(&mart.name)))
}
