//! `drift`: what changed in the database behind the manifests' back.

use std::collections::BTreeSet;

use datamart::catalog::{Actual, Recorded};
use datamart::plan::Drift;
use datamart::state::QName;

use super::Exit;
use super::args::Globals;
use super::context::{Context, PlanFlags};
use super::error::Result;
use super::print::Style;
use super::report;

/// Lists every difference between what was applied and what is there; 2 when there is any.
pub async fn run(globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "drift").await?;
    let seen = context.actual().await?;
    let flags = PlanFlags { show_drift: true, ..PlanFlags::default() };
    let plan = context.plan_with(&seen, &flags).await?;
    let ignored = context.ignored()?;
    let declared: BTreeSet<&QName> =
        context.desired.marts.iter().flat_map(|d| d.mart.renamed_from.iter().chain([&d.mart.name])).collect();
    let mut items = gone(&seen.actual, &declared);
    items.retain(|item| !ignored.iter().any(|glob| glob.is_match(&item.aspect)));
    items.extend(plan.drift);
    items.sort_by(|a, b| (&a.address, &a.aspect).cmp(&(&b.address, &b.aspect)));
    items.dedup_by(|a, b| a.address == b.address && a.aspect == b.aspect);
    context.close().await?;
    report::drift::print(&items, style);
    Ok(if items.is_empty() { Exit::Done } else { Exit::Differences })
}

/// Relations and indexes that were applied and are gone: a plan counts them as ordinary changes.
fn gone(actual: &Actual, declared: &BTreeSet<&QName>) -> Vec<Drift> {
    let mut items = Vec::new();
    for (name, row) in actual.recorded.iter().filter(|(name, _)| declared.contains(name)) {
        let Some(live) = actual.relations.get(name) else {
            items.push(item(row, "relation".to_owned(), "its relation", &row.applied.definition));
            continue;
        };
        for (index, applied) in &row.applied.indexes {
            let ours = applied.primary || row.mart.indexes.iter().any(|declared| declared.name == *index);
            let there = live.indexes.get(index).is_some_and(|found| found.valid);
            if ours && !there {
                items.push(item(row, format!("indexes:{index}"), &format!("index {index}"), &applied.definition));
            }
        }
    }
    items
}

fn item(row: &Recorded, aspect: String, subject: &str, expected: &str) -> Drift {
    let removed: String = expected.trim_end().lines().map(|line| format!("-{line}\n")).collect();
    let lines = match removed.lines().count() {
        1 => "1".to_owned(),
        count => format!("1,{count}"),
    };
    Drift {
        address: row.mart.name.to_string(),
        kind: row.mart.kind,
        message: format!("{subject} was removed"),
        aspect,
        expected: Some(expected.to_owned()),
        actual: None,
        diff: format!("--- as applied\n+++ in the database\n@@ -{lines} +0,0 @@\n{removed}"),
    }
}
